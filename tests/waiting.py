"""Waiting in tests: for a condition, never for a time."""

from collections.abc import Callable

from deploy.services.waiting import waited

LONG_S = 120.0
"""Seconds a condition may take on a busy machine: an unavailable output is tried again after up to 30 s."""


def until(condition: Callable[[], object], seconds: float = LONG_S) -> None:
    """Wait for a condition. Fails with its name if it does not hold in time."""
    assert waited(condition, seconds), f"not within {seconds} s: {condition}"
