"""Values, times and timelines formatted for people."""
