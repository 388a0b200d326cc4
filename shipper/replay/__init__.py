"""Replay: a backfill of the index from files, beside whatever agent is running and without touching its counters."""
