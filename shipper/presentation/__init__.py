"""Values, times and timelines as people read them."""
