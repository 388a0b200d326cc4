"""Tables, timelines, progress and JSON on a terminal."""
