"""Benchmarks: the cost of the agent, as ratios to a floor measured in the same run."""
