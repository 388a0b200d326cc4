"""Maintenance: a periodic task of a store, such as removing old days."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shipper.system.errors import OutputUnavailable, hint_while_running
from shipper.system.own_log import own_log


@dataclass(slots=True)
class Maintenance:
    """A store's maintenance, run in the thread of the loop."""

    task: Callable[[int], None] | None = None
    """Called with the wall clock's milliseconds; None for an output that needs none."""
    _due: float = 0.0
    _log: Any = field(default_factory=lambda: own_log("shipper.maintenance"))

    def run_if_due(self, now: float, every: float, wall_ms: int) -> None:
        """Run the task if it is due at `now`, and again after `every` seconds, even if it fails."""
        if self.task is None or now < self._due:
            return
        self._due = now + every
        try:
            self.task(wall_ms)
        except OutputUnavailable as error:
            self._log.warning("maintenance_failed", error=error.what, hint=hint_while_running(error))
