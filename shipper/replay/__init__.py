"""Replay: backfill of the index from files, independent of a running agent and its counters."""
