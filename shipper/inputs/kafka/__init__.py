"""Topics as inputs: messages become documents again."""
