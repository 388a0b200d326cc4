"""Upkeep: tasks of a store that run now and then, such as removing old days."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from shipper.system.errors import OutputUnavailable, while_waiting


@dataclass(slots=True)
class Upkeep:
    """A store's upkeep, run in the thread of the loop."""

    task: Callable[[int], None] | None = None
    """Called with the wall clock's milliseconds; None for an output that needs no upkeep."""
    _due: float = 0.0
    _log: Any = field(default_factory=lambda: structlog.get_logger("shipper.upkeep"))

    def run_if_due(self, now: float, every: float, wall_ms: int) -> None:
        """Run the task if it is due at `now`, and again after `every` seconds, also where it fails."""
        if self.task is None or now < self._due:
            return
        self._due = now + every
        try:
            self.task(wall_ms)
        except OutputUnavailable as error:
            self._log.warning("upkeep_failed", error=error.what, hint=while_waiting(error))
