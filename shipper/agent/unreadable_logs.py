"""Unreadable logs: each is reported once, although every scan retries it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shipper.system.errors import hint_unreadable
from shipper.system.own_log import own_log

SHOWN = 3
"""Number of unreadable logs reported one by one if many appear together."""


@dataclass(slots=True)
class UnreadableLogs:
    """The logs reported as unreadable, until they can be read again."""

    _reported: set[str] = field(default_factory=set)
    _log: Any = field(default_factory=lambda: own_log("shipper.agent"))

    def report(self, unreadable: Mapping[str, OSError]) -> None:
        """Report each log that became unreadable; of many at once, the first ones and the number of the others."""
        if not unreadable and not self._reported:
            return
        errors = dict(unreadable)
        new = sorted(errors.keys() - self._reported)
        for path in new[:SHOWN]:
            error = errors[path]
            self._log.warning("log_unreadable", path=path, error=error.strerror, hint=hint_unreadable(error))
        if len(new) > SHOWN:
            self._log.warning("logs_unreadable", more=len(new) - SHOWN, hint="`shipper status` lists them")
        self._reported = set(errors)
