"""Tests of rules that people write: given lines, expected events, counters and refusals."""
