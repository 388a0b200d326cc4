"""The vocabulary: events, violations, counter rules. No I/O."""
