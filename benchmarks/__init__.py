"""Benchmarks: what the agent costs, as ratios to a floor measured in the same run."""
