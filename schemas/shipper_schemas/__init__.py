"""Schemas of events, violations and counter rules. No I/O."""
