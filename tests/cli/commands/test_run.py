"""`shipper run`: the parts around the agent."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from structlog.testing import capture_logs

from shipper.cli.commands.run import log_progress
from shipper.system.clock import Clock


@dataclass
class ManualClock(Clock):
    """A clock set by the test."""

    now: float = 100.0

    def monotonic(self) -> float:
        """Return the set time."""
        return self.now


def test_a_run_with_an_end_logs_progress_every_five_seconds() -> None:
    """By outcome of the events; the status is taken each turn."""
    taken: list[float] = []
    clock, agent = ManualClock(), SimpleNamespace(outcomes=lambda: {"indexed": len(taken)})
    with capture_logs() as log:
        after_turn = log_progress(cast("Any", agent), lambda: taken.append(clock.now), clock)
        for clock.now in (101.0, 104.0, 105.0, 106.0, 110.5):
            after_turn()
    assert [(entry["event"], entry["indexed"]) for entry in log] == [("shipping", 3), ("shipping", 5)]
    assert len(taken) == 5
