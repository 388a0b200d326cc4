"""The process under test: `shipper run`, started, killed, and asked what it has committed."""

import contextlib
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from shipper.inputs.files.fingerprint import hashed
from tests.chaos.process import Process, start

PATIENCE_S = 120.0
GRACE_S = 60.0


class Ended(AssertionError):
    """The process ended where nobody had ended it."""


class Subject:
    """One agent, or indexer, over a folder of its own. Its own log goes to `NAME.log` there."""

    def __init__(self, folder: Path, name: str, inputs: list[str], output: str, config: str) -> None:
        """Starts nothing."""
        self.folder, self.name, self.inputs, self.output = folder, name, inputs, output
        self.state = folder / f"{name}-state"
        self.config = folder / f"{name}.yaml"
        self.config.write_text(config)
        self.log = folder / f"{name}.log"
        self.environment: dict[str, str] = {}
        self.process: Process | None = None
        self.point: str | None = None
        self.may_end = False
        """Whether it may end by itself, as where its disk is full."""

    def arguments(self, *extra: str) -> list[str]:
        """What follows `shipper` on its command line."""
        given = [part for found in self.inputs for part in ("--input", found)]
        return [
            "run", "--config", str(self.config), *given, "--output", self.output,
            "--state-dir", str(self.state), "--listen", "off", "--log-format", "json", *extra,
        ]  # fmt: skip

    def start(self, *, compiled: bool, fresh: bool = False, point: str | None = None) -> None:
        """Start it, the compiled way or the plain one, and with a fail point if any."""
        environment = {"SHIPPER_COMPILED": str(compiled).lower(), **self.environment}
        environment |= {"CHAOS_POINT": point} if point else {}
        self.point = point
        self.process = start(self.arguments(), environment, self.log, fresh=fresh)

    @property
    def alive(self) -> bool:
        """Whether it runs. Raises Ended where it ended and should not have."""
        if self.process is None:
            return False
        code = self.process.poll()
        if code is None:
            return True
        if code != -signal.SIGKILL and not self.may_end:
            raise Ended(f"{self.name} ended with {code}: {self.last_words()}")
        if code == -signal.SIGKILL and self.point is None:
            raise Ended(f"{self.name} was killed, and not by this schedule")
        self.process = None
        return False

    def wait_for_point(self, seconds: float) -> bool:
        """Whether it came to its fail point within the time; killed where it did not."""
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        came = self.process.poll() == -signal.SIGKILL
        if self.process.poll() not in (None, -signal.SIGKILL):
            assert not self.alive
        self.kill()
        return came

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None

    def stop(self, grace: float) -> bool:
        """SIGTERM, and SIGKILL after `grace` seconds. Whether it ended by itself before that."""
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
        if code not in (0, -signal.SIGTERM):  # SIGTERM before it listens for signals ends it at once
            raise Ended(f"{self.name} was asked to stop and ended with {code}: {self.last_words()}")
        return True

    def refuses(self, before: int, seconds: float) -> str | None:
        """What it says where it refuses to start; None where it runs on. `before`: the size of its log before."""
        assert self.process is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if b'"started"' in self.log.read_bytes()[before:]:
                return None
            time.sleep(0.02)
        if self.process.poll() is None:
            state = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()[2]
            raise Ended(f"{self.name} neither starts nor ends ({state}): {self.last_words()}")
        code, self.process = self.process.poll(), None
        said = self.log.read_bytes()[before:].decode(errors="replace")
        if code != 1:
            raise Ended(f"{self.name} ended with {code}: {said[-2000:]}")
        return said

    def once(self) -> None:
        """`run --once` until it goes through: what there is, is shipped."""
        end = time.monotonic() + PATIENCE_S
        while True:
            process = start(self.arguments("--once"), self.environment, self.log, fresh=False)
            code = process.wait(PATIENCE_S)
            if code == 0:
                return
            if time.monotonic() > end:
                raise Ended(f"{self.name} --once ends with {code}: {self.last_words()}")
            time.sleep(0.5)

    def last_words(self) -> str:
        """The end of its own log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def tracebacks(self) -> int:
        """How many it has told of: each is a defect."""
        return self.log.read_bytes().count(b"Traceback (most recent call last)") if self.log.exists() else 0

    # --- what it knows ----------------------------------------------------------------------------

    def holds(self, inode: int, beginning: bytes) -> bool:
        """Whether it has a file open of that inode that begins like this: inodes are used again at once."""
        if self.process is None or self.process.poll() is not None:
            return False
        with contextlib.suppress(OSError), os.scandir(f"/proc/{self.process.pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if os.stat(entry.path).st_ino == inode and _begins(entry.path, beginning):
                        return True
        return False

    def committed(self, log: Path, beginning: bytes, size: int) -> bool:
        """Whether both its positions are committed beyond a file that begins like this and has so many bytes."""
        try:
            with closing(sqlite3.connect(f"file:{self.state}/state.db?mode=ro", uri=True, timeout=5)) as db:
                heads = db.execute(
                    "SELECT count_file, count_offset, coalesce(ship_file, count_file),"
                    " coalesce(ship_offset, count_offset) FROM log WHERE path = ?", (str(log),)
                ).fetchall()  # fmt: skip
                files = db.execute(
                    "SELECT key, prefix_size, prefix, passed FROM file WHERE log = ?", (str(log),)
                ).fetchall()
        except sqlite3.Error:
            return False
        keys = [
            (key, passed) for key, length, prefix, passed in files if length and hashed(beginning[:length]) == prefix
        ]
        return any(
            passed or all(file > key or (file == key and offset >= size) for file, offset in (head[:2], head[2:]))
            for key, passed in keys
            for head in heads
        )

    def series(self) -> dict[tuple[str, ...], float]:
        """Its committed counters, by metric and labels."""
        with closing(sqlite3.connect(f"file:{self.state}/state.db?mode=ro", uri=True, timeout=5)) as db:
            rows = db.execute("SELECT metric, labels, value FROM series").fetchall()
        return {(metric, *json.loads(labels)): value for metric, labels, value in rows}


def _begins(path: str, beginning: bytes) -> bool:
    with open(path, "rb") as file:
        found = file.read(len(beginning))
        if found[:2] == b"\x1f\x8b":
            file.seek(0)
            found = gzip.GzipFile(fileobj=file).read(len(beginning))
    return found == beginning
