"""Checkpoints and counters, saved in one transaction."""
