"""The process under test: `shipper run`, started and killed; its committed state is read from its files."""

import contextlib
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from shipper.state.checkpoint import hashed, late_path
from tests.chaos.process import Process, start

PATIENCE_S = 120.0
GRACE_S = 60.0


class Ended(AssertionError):
    """The process ended although nothing had ended it."""


class Row(NamedTuple):
    """A committed file of a log."""

    key: int
    passed: bool
    offset: int
    cursors: tuple[int, ...]
    """File and offset of the count cursor and of the ship cursor."""

    @property
    def first_needed(self) -> int:
        """Number of the first file that is not shipped."""
        return min(self.cursors[0], self.cursors[2])

    def is_done(self, size: int) -> bool:
        """True if `size` bytes are counted and shipped."""
        at = (self.cursors[:2], self.cursors[2:])
        return self.offset >= size and (
            self.passed or all(file > self.key or (file == self.key and offset >= size) for file, offset in at)
        )


class Subject:
    """An agent or indexer in its own folder; its log goes to `NAME.log` there."""

    def __init__(self, folder: Path, name: str, inputs: list[str], output: str, config: str) -> None:
        """Write the configuration; start nothing."""
        self.folder, self.name, self.inputs, self.output = folder, name, inputs, output
        self.state = folder / f"{name}-state"
        self.config = folder / f"{name}.yaml"
        self.config.write_text(config)
        self.log = folder / f"{name}.log"
        self.environment = {"SHIPPER_SCHEMA__REQUIRE_CORRELATION_ID": "always"}
        self.process: Process | None = None
        self.point: str | None = None
        self.started_at = 0.0
        """Monotonic seconds of the last start."""
        self.may_end = False
        """True if it may end on its own, for example because its disk is full."""

    def arguments(self, *extra: str) -> list[str]:
        """Return the command-line arguments after `shipper`."""
        options = [part for source in self.inputs for part in ("--input", source)]
        return [
            "run", "--config", str(self.config), *options, "--output", self.output,
            "--state-dir", str(self.state), "--listen", "off", "--log-format", "json", *extra,
        ]  # fmt: skip

    def start(self, *, native: bool, threads: int = 4, fresh: bool = False, point: str | None = None) -> None:
        """Start it on the native or the Python path, with a fail point if one is named."""
        environment = {"SHIPPER_COMPILED": str(native).lower(), "SHIPPER_THREADS": str(threads), **self.environment}
        environment |= {"CHAOS_POINT": point} if point else {}
        self.point = point
        self.started_at = time.monotonic()
        self.process = start(self.arguments(), environment, self.log, fresh=fresh)

    @property
    def alive(self) -> bool:
        """True while it runs. Raises Ended if it ended and should not have."""
        if self.process is None:
            return False
        code = self.process.poll()
        if code is None:
            return True
        if code != -signal.SIGKILL and not self.may_end:
            raise Ended(f"{self.name} ended with {code}: {self.log_end()}")
        if code == -signal.SIGKILL and self.point is None:
            raise Ended(f"{self.name} was killed, and not by this schedule")
        self.process = None
        return False

    def wait_for_point(self, seconds: float) -> bool:
        """Return True if it reached its fail point in time; kill it otherwise."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        reached = self.process.poll() == -signal.SIGKILL
        if self.process.poll() not in (None, -signal.SIGKILL):
            assert not self.alive
        self.kill()
        return reached

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def stop(self, grace: float) -> bool:
        """Send SIGTERM, and SIGKILL after `grace` seconds. True if it ended before that."""
        process, self.process = self.process, None
        if process is None:
            return True
        process.terminate()
        try:
            code = process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)
            return False
        if code not in (0, -signal.SIGTERM):  # SIGTERM before it handles signals ends it immediately
            raise Ended(f"{self.name} ended after SIGTERM with {code}: {self.log_end()}")
        return True

    def startup_error(self, before: int, seconds: float) -> str | None:
        """Return the error with which it fails to start, None if it runs. `before`: size of its log before the start."""
        assert self.process is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if b'"started"' in self.log.read_bytes()[before:]:
                return None
            time.sleep(0.02)
        if self.process.poll() is None:
            state = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()[2]
            raise Ended(f"{self.name} neither starts nor ends ({state}): {self.log_end()}")
        code, self.process = self.process.poll(), None
        output = self.log.read_bytes()[before:].decode(errors="replace")
        if code != 1:
            raise Ended(f"{self.name} ended with {code}: {output[-2000:]}")
        return output

    def once(self) -> None:
        """Repeat `run --once` until it succeeds, so that all input is shipped."""
        end = time.monotonic() + PATIENCE_S
        while True:
            process = start(self.arguments("--once"), self.environment, self.log, fresh=False)
            code = process.wait(PATIENCE_S)
            if code == 0:
                return
            if time.monotonic() > end:
                raise Ended(f"{self.name} --once ends with {code}: {self.log_end()}")
            time.sleep(0.5)

    def log_end(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def tracebacks(self) -> int:
        """Number of tracebacks in its log; each is a defect."""
        return self.log.read_bytes().count(b"Traceback (most recent call last)") if self.log.exists() else 0

    # --- its files --------------------------------------------------------------------------------

    def holds(self, inode: int, beginning: bytes) -> bool:
        """True if it has a file open with this inode and beginning; inodes are reused immediately."""
        if self.process is None or self.process.poll() is not None:
            return False
        with contextlib.suppress(OSError), os.scandir(f"/proc/{self.process.pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if os.stat(entry.path).st_ino == inode and _begins(entry.path, beginning):
                        return True
        return False

    def committed(self, log: Path, beginning: bytes, size: int) -> bool:
        """True if both cursors are committed beyond a file with this beginning and size."""
        paths = (str(log), os.path.realpath(log))  # it may have moved, with a link left
        try:
            rows = self._rows(paths, beginning)
            late = {
                at: self._rows((at,), beginning) for path in paths for row in rows if (at := late_path(path, row.key))
            }
        except sqlite3.Error:
            return False
        late_rows = [row for found in late.values() for row in found]
        return any(row.is_done(size) for row in late_rows or rows)

    def is_missed(self, log: Path, beginning: bytes) -> bool | None:
        """True if the next start of a stopped agent counts a deleted file with this beginning as lost.

        None if that is unknown: nothing of it was read, or a part of a file is in the spool.
        """
        paths = (str(log), os.path.realpath(log))
        try:
            rows = self._rows(paths, beginning)
        except sqlite3.Error:
            return None
        if any((self.state / "spool").glob("*")) or any(not row.offset for row in rows):
            return None
        return any(not row.passed and row.first_needed <= row.key for row in rows)

    def _rows(self, paths: Sequence[str], beginning: bytes) -> "list[Row]":
        """Return the committed rows of files with this beginning, in logs of these paths."""
        marks = ", ".join("?" * len(paths))
        with closing(sqlite3.connect(f"file:{self.state}/state.db?mode=ro", uri=True, timeout=5)) as db:
            rows = db.execute(
                "SELECT file.key, file.prefix_size, file.prefix_hash, file.passed, file.offset,"
                " count_file, count_offset, coalesce(ship_file, count_file), coalesce(ship_offset, count_offset)"
                f" FROM file JOIN log ON file.log = log.path WHERE log.path IN ({marks})", paths
            ).fetchall()  # fmt: skip
        return [
            Row(key, bool(passed), offset, tuple(cursors))
            for key, length, prefix, passed, offset, *cursors in rows
            if length and hashed(beginning[:length]) == prefix
        ]

    def knows(self, log: Path) -> bool:
        """True if something of a log is committed."""
        paths = (str(log), os.path.realpath(log))
        try:
            with closing(sqlite3.connect(f"file:{self.state}/state.db?mode=ro", uri=True, timeout=5)) as db:
                query = "SELECT count(*) FROM file WHERE log IN (?, ?) AND offset > 0"
                return bool(db.execute(query, paths).fetchone()[0])
        except sqlite3.Error:
            return False

    def series(self) -> dict[tuple[str, ...], float]:
        """Return its committed counters, by metric and labels."""
        with closing(sqlite3.connect(f"file:{self.state}/state.db?mode=ro", uri=True, timeout=5)) as db:
            rows = db.execute("SELECT metric, labels, value FROM series").fetchall()
        return {(metric, *json.loads(labels)): value for metric, labels, value in rows}


def _begins(path: str, beginning: bytes) -> bool:
    with open(path, "rb") as file:
        content = file.read(len(beginning))
        if content[:2] == b"\x1f\x8b":
            file.seek(0)
            content = gzip.GzipFile(fileobj=file).read(len(beginning))
    return content == beginning
