"""One entry's way through the processors, and its release from quarantine."""
