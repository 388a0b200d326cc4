"""Attention: which logs have to be polled. All of them where nothing reports changes; else those that changed."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from shipper.inputs.files.rotated_names import base_name
from shipper.inputs.files.watches import Changes, Watches

NEVER = float("-inf")
SAFETY_S = 10.0
"""Seconds in which each log is polled and each folder scanned, whatever is reported."""


class Log(Protocol):
    """A followed log."""

    path: str


Reader = TypeVar("Reader", bound=Log)


class Attention:
    """The logs of one tail that have to be polled next. Without watches these are all, each time."""

    def __init__(
        self, watches: Watches | None = None, reason: str = "", *, poll_s: float = 0.0, safety_s: float = SAFETY_S
    ) -> None:
        """Rely on `watches`; `reason` says why there are none.

        Logs in folders that are not watched are polled every `poll_s` seconds, all others every `safety_s` seconds.
        """
        self.watches, self.reason, self._poll_s, self._safety_s = watches, reason, poll_s, safety_s
        self._polled_at = NEVER
        self._due: dict[str, None] = {}
        """Paths to poll at the next turn: they changed, or may change without a report."""
        self._polled: dict[str, None] = {}
        """Paths in folders that are not watched."""
        self.touched: set[str] = set()
        """Paths that were polled, or whose cursors moved, since someone cleared this."""
        self.siblings: set[str] = set()
        """Paths of logs of which a rotated file changed, until the log is polled."""
        self._suspects: set[str] = set()
        """Paths whose change the last safety poll found, if no report of it follows."""
        self._checked: set[str] = set()
        self._rest: Iterator[str] = iter(())
        """Paths that the safety poll of this period has still to do."""
        self._safe_at: float | None = None
        self._credit = 0.0
        """Logs that the safety poll may poll by now."""

    # --- what happens -----------------------------------------------------------------------------

    def add(self, reader: Log) -> None:
        """Poll a new log."""
        self.wake(reader.path)

    def wake(self, path: str) -> None:
        """Poll a log at the next turn."""
        self._due[path] = None
        self.touched.add(path)

    def forget(self, reader: Log) -> None:
        """Drop a log."""
        self._due.pop(reader.path, None)
        self._polled.pop(reader.path, None)
        self.siblings.discard(reader.path)
        self.touched.add(reader.path)

    def all_again(self, logs: Iterable[str]) -> None:
        """Poll all logs at the next turn."""
        self._due.update(dict.fromkeys(logs))

    def has_data(self, reader: Log) -> None:
        """Keep polling a log; note it if only the safety poll found its new data."""
        path = reader.path
        if path in self._checked and path not in self._due:
            self._suspects.add(path)
        self._due[path] = None

    def failed(self, reader: Log) -> None:
        """Keep polling a log that could not be read."""
        self._due[reader.path] = None

    def is_quiet(self, reader: Log) -> None:
        """Stop polling a log until its folder changes, if that is reported."""
        path, watches = reader.path, self.watches
        if watches is None:
            return
        self._due.pop(path, None)
        if watches.reports(os.path.dirname(path)):
            self._polled.pop(path, None)
        else:
            self._polled[path] = None

    def take_changes(self, logs: Collection[str]) -> Changes | None:
        """Wake the logs whose files changed; return the changes, None without watches."""
        if self.watches is None:
            return None
        changes = self.watches.changes()
        if changes.everything:
            self.all_again(logs)
        for folder, name in changes.paths:
            base = base_name(name)
            for path in (f"{folder}/{name}", f"{folder}/{base or name}"):
                if path in logs:
                    self._due[path] = None
                    self._suspects.discard(path)
            if base is not None and f"{folder}/{base}" in logs:
                self.siblings.add(f"{folder}/{base}")
        if changes.ended:
            self.all_again(path for path in logs if os.path.dirname(path) in changes.ended)
        for path in self._suspects:
            self._distrust(os.path.dirname(path), logs)
        self._suspects.clear()
        return changes

    def _distrust(self, folder: str, logs: Iterable[str]) -> None:
        if self.watches is not None and self.watches.reports(folder):
            self.watches.distrust(folder)
            self._polled.update(dict.fromkeys(path for path in logs if os.path.dirname(path) == folder))

    # --- what to do -------------------------------------------------------------------------------

    def due(self, logs: Mapping[str, Reader], now: float) -> list[Reader]:
        """Return the logs to poll now, in the order in which they got due."""
        if self.watches is None:
            return list(logs.values())
        self._checked = self._safety(logs, now)
        paths = {**self._due, **dict.fromkeys(self._checked)}
        if self._polled and now - self._polled_at >= self._poll_s:
            self._polled_at = now
            paths |= self._polled
        self.touched.update(paths)
        return [logs[path] for path in paths if path in logs]

    def _safety(self, logs: Collection[str], now: float) -> set[str]:
        """Return this turn's share of the logs that are polled without a report."""
        before, self._safe_at = self._safe_at, now
        if before is None or not logs:
            return set()
        self._credit = min(len(logs), self._credit + max(0.0, now - before) / self._safety_s * len(logs))
        checked: set[str] = set()
        while self._credit >= 1:
            path = next(self._rest, None)
            if path is None:
                if checked:
                    break
                self._rest = iter(list(logs))
                continue
            checked.add(path)
            self._credit -= 1
        return checked

    def active(self, logs: Mapping[str, Reader]) -> Collection[Reader]:
        """Return the logs that may change by themselves."""
        if self.watches is None:
            return list(logs.values())
        return [logs[path] for path in self._due if path in logs]

    def take_touched(self, logs: Iterable[str]) -> Collection[str]:
        """Return the logs that were polled or moved since the last call, and those that are gone."""
        touched, self.touched = self.touched, set()
        if self.watches is None:
            touched.update(logs)
        return touched

    def is_asked(self) -> bool:
        """Return True if logs are to be polled without a report."""
        return self.watches is None or bool(self._due or self._polled)

    def fileno(self) -> int | None:
        """Return the descriptor that is readable after a change; None without watches."""
        return None if self.watches is None else self.watches.fileno()

    def status(self, logs: int) -> dict[str, Any]:
        """Return the fields of `shipper status`: how changes of the `logs` are noticed, and why some are polled."""
        watches = self.watches
        if watches is None:
            return {"by": "polling", "folders_watched": 0, "logs_polled": logs, "reasons": [self.reason]}
        reasons = sorted(set(watches.polled.values()))
        polled = len(self._polled)
        shown = reasons if polled else []
        return {"by": "inotify", "folders_watched": len(watches), "logs_polled": polled, "reasons": shown}

    def reports_all(self, folders: Iterable[str]) -> bool:
        """Return True if changes in all of these folders are reported."""
        watches = self.watches
        return watches is not None and all(watches.reports(folder) for folder in folders)

    def close(self) -> None:
        """End all watches."""
        if self.watches is not None:
            self.watches.close()
            self.watches = None
