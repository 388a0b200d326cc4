"""Reconciliation of a run: lines written, compared with the documents in the sink and the counters."""

import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.running import TIMEOUT_S, stats
from benchmarks.serials import Log
from shipper.state.database import open_read_only

FAILED_LOGINS, LINES_READ = "failed_login_attempts_total", "shipper_lines_read_total"


@dataclass(frozen=True, slots=True)
class Books:
    """Counts of the lines of `benchmarks.serials`: written, lost, resent and duplicated."""

    written: int
    lost: int
    """Lines that never arrived."""
    resent: int
    """Documents sent beyond one a line."""
    duplicated: int
    """Documents stored beyond one a line."""
    counter_error: float | None = None
    """Total error of the counters of lines and failed logins; None if the agent does not count."""

    def as_json(self) -> dict[str, float | None]:
        """The counts by name."""
        return asdict(self)


def closed(port: int, written: int, counter_error: float | None = None) -> Books:
    """The counts of a sink with --serials, after `written` lines."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/serials", timeout=60) as answer:
        logs = json.load(answer).values()
    lines, sent, stored = (sum(log[name] for log in logs) for name in ("lines", "sent", "stored"))
    return Books(written, written - lines, sent - lines, stored - lines, counter_error)


def counter_error(state: Path, logs: Sequence[Log]) -> float:
    """Difference between the committed counters and the written lines, after shipper has stopped."""
    counters = counted(state)
    lines, failed = sum(log.written for log in logs), sum(log.failed for log in logs)
    return abs(counters[LINES_READ] - lines) + abs(counters[FAILED_LOGINS] - failed)


def counted(state: Path) -> dict[str, float]:
    """Sums of the two counters in a state directory."""
    question = "SELECT coalesce(sum(value), 0) FROM series WHERE metric = ?"
    with open_read_only(state) as db:
        return {name: db.execute(question, (name,)).fetchone()[0] for name in (FAILED_LOGINS, LINES_READ)}


def arrived(port: int, documents: int) -> bool:
    """Wait until `documents` documents arrive; False if none arrives for `TIMEOUT_S`."""
    had, had_at = -1.0, time.monotonic()
    while (have := stats(port)["documents"]) < documents:
        now = time.monotonic()
        if have != had:
            had, had_at = have, now
        elif now - had_at > TIMEOUT_S:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True, slots=True)
class StateSize:
    """Size of a state directory: bytes, and rows of files and logs."""

    bytes: int
    files: int
    logs: int


def state_size(state: Path) -> StateSize:
    """The size of a state directory in use."""
    size = sum(path.stat().st_size for path in state.iterdir())
    with open_read_only(state) as db:
        files, logs = (db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("file", "log"))
    return StateSize(size, files, logs)


def settled(state: Path, files: int) -> StateSize:
    """The size of a state directory once it has at most `files` files and logs, or after `TIMEOUT_S`."""
    until = time.monotonic() + TIMEOUT_S
    while max((size := state_size(state)).files, size.logs) > files and time.monotonic() < until:
        time.sleep(0.1)
    return size
