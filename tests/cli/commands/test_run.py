"""What `shipper run` does around the agent."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from structlog.testing import capture_logs

from shipper.cli.commands.run import log_progress
from shipper.system.clock import Clock


@dataclass
class Hand(Clock):
    """A clock that is set by hand."""

    now: float = 100.0

    def monotonic(self) -> float:
        """As it was set."""
        return self.now


def test_a_run_with_an_end_tells_every_five_seconds_how_far_it_is() -> None:
    """By what became of the events; vitals are taken at each turn."""
    taken: list[float] = []
    clock, agent = Hand(), SimpleNamespace(outcomes=lambda: {"indexed": len(taken)})
    with capture_logs() as said:
        after_turn = log_progress(cast("Any", agent), lambda: taken.append(clock.now), clock)
        for clock.now in (101.0, 104.0, 105.0, 106.0, 110.5):
            after_turn()
    assert [(found["event"], found["indexed"]) for found in said] == [("shipping", 3), ("shipping", 5)]
    assert len(taken) == 5
