"""The real command with hooks for tests; the product itself has none.

CHAOS_POINT=NAME:N   SIGKILL at the N-th pass of a fail point
CHAOS_CLOCK=FILE     offset of the wall clock: the seconds that the file holds at the moment
CHAOS_BOOT=FILE      identity of the machine's present start
CHAOS_NAMES=FILE     names that end in `.chaos.test` are 127.0.0.1 while the file holds `there`, else unknown
CHAOS_OUTAGE=FILE    the embedded store is unavailable while the file exists
CHAOS_DESCRIPTORS=N  limit of open files
CHAOS_DEFECT=NAME    a deliberate defect, to test that the books notice it

"""

import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from shipper.agent.agent import Agent
from shipper.inputs.files.cursor import Cursor
from shipper.inputs.files.tailer import Tail
from shipper.outputs import dead_letters
from shipper.outputs.sqlite import day_file, output
from shipper.state import integrity, spool, spool_file, store
from shipper.system import sqlite_files
from shipper.system.errors import OutputUnavailable
from shipper_processors import fast_path

LOADED = (
    "shipper.cli.commands.run", "shipper.agent.indexer", "shipper.agent.indexer_status", "shipper.outputs.elasticsearch.output",
    "shipper.outputs.elasticsearch.client", "shipper.outputs.kafka.output",
)  # fmt: skip
"""Modules that a server that forks commands imports beforehand."""
Patch = Callable[["Countdown"], None]
POINTS: dict[str, Patch] = {}


class Countdown:
    """A countdown of passes that kills the process at the last one."""

    def __init__(self, passes: int) -> None:
        self.left = passes

    def count(self) -> None:
        """Count one pass."""
        self.left -= 1
        if self.left <= 0:
            end()

    @property
    def last(self) -> bool:
        """True if the next pass is the last."""
        return self.left <= 1


def end() -> NoReturn:
    """Kill this process, as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(1)


def before(owner: Any, name: str) -> Patch:
    """Count a pass before each call."""

    def patch(countdown: Countdown) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def wrapped(*args: Any, **named: Any) -> Any:
            countdown.count()
            return original(*args, **named)

        setattr(owner, name, wrapped)

    return patch


def after(owner: Any, name: str) -> Patch:
    """Count a pass after each call that returned."""

    def patch(countdown: Countdown) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def wrapped(*args: Any, **named: Any) -> Any:
            returned = original(*args, **named)
            countdown.count()
            return returned

        setattr(owner, name, wrapped)

    return patch


class HalfWritten:
    """A replacement of the module `os` for dead letters: the last write writes half of its data, then the process is killed."""

    def __init__(self, countdown: Countdown) -> None:
        self.countdown = countdown

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write; only half if it is the last pass."""
        if self.countdown.last:
            os.write(descriptor, data[: len(data) // 2])
        self.countdown.count()
        return os.write(descriptor, data)


def half_a_letter(countdown: Countdown) -> None:
    """Count a pass in the middle of a dead letter."""
    dead_letters.os = HalfWritten(countdown)  # type: ignore[assignment]


def of_elasticsearch(when: Callable[[Any, str], Patch], name: str) -> Patch:
    """Patch Elasticsearch's output, which is loaded only where it is used."""

    def patch(countdown: Countdown) -> None:
        from shipper.outputs.elasticsearch.output import ElasticsearchOutput

        when(ElasticsearchOutput, name)(countdown)

    return patch


def of_kafka(when: Callable[[Any, str], Patch], name: str) -> Patch:
    """Patch Kafka's output."""

    def patch(countdown: Countdown) -> None:
        from shipper.outputs.kafka.output import KafkaOutput

        when(KafkaOutput, name)(countdown)

    return patch


def of_indexer(when: Callable[[Any, str], Patch], name: str) -> Patch:
    """Patch the indexer."""

    def patch(countdown: Countdown) -> None:
        from shipper.agent.indexer import Indexer

        when(Indexer, name)(countdown)

    return patch


POINTS |= {
    "a state is made": after(sqlite_files, "create"),
    "the lock is noted": before(store, "_note"),
    "logs were found": after(Tail, "scan"),
    "a read has begun": after(Cursor, "feed"),
    "a read is processed": after(Agent, "_process"),
    "before the state's transaction": before(store.State, "commit"),
    "in the state's transaction": after(store.State, "_save"),
    "between commit and mark": before(integrity.CommitMarker, "write"),
    "a file is spooled": before(spool_file.SpoolWriter, "finish"),
    "a file was spooled": after(spool_file.SpoolWriter, "finish"),
    "spooled files are removed": before(spool.Spool, "remove_released"),
    "after the state's transaction": after(store.State, "commit"),
    "before the store's transaction": before(output.LocalStore, "write"),
    "a day file is drafted": after(day_file, "_write_schema"),
    "a day file is there": after(output, "open_to_write"),
    "in the store's transaction": after(output, "_insert"),
    "after the store's transaction": after(output.LocalStore, "write"),
    "before the bulk": of_elasticsearch(before, "_request"),
    "after the bulk": of_elasticsearch(after, "_request"),
    "between two refusals": of_elasticsearch(after, "_quarantine_rejected"),
    "half a dead letter": half_a_letter,
    "after a dead letter": after(dead_letters.DeadLetters, "add"),
    "before the messages": of_kafka(before, "_deliver"),
    "after the messages": of_kafka(after, "_deliver"),
    "before the offsets": of_indexer(before, "_commit"),
    "between index and offsets": of_indexer(after, "_apply"),
    "after the offsets": of_indexer(after, "_commit"),
}


def other_clock(path: Path) -> None:
    """Shift the wall clock; the monotonic clock is unchanged."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + _seconds(path)
    time.time_ns = lambda: real_ns() + _seconds(path) * 10**9


def _seconds(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def other_names(path: Path) -> None:
    """Resolve a name only while the file says so."""
    original = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **named: Any) -> Any:
        if not str(host).endswith(".chaos.test"):
            return original(host, *args, **named)
        if path.read_text() != "there":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return original("127.0.0.1", *args, **named)

    socket.getaddrinfo = resolve


def outages(path: Path) -> None:
    """Let the embedded store refuse everything while the file exists."""
    write = output.LocalStore.write

    @wraps(write)
    def refused(self: Any, documents: Any) -> Any:
        if path.exists():
            raise OutputUnavailable("the output is unavailable", "wait")
        return write(self, documents)

    output.LocalStore.write = refused  # type: ignore[method-assign]


def defect(name: str) -> None:
    """Patch in a defect for the books to notice: a document lost or duplicated, or a line counted twice."""
    if name == "loses":
        write = output.LocalStore.write
        output.LocalStore.write = lambda self, documents: write(self, list(documents)[1:] or list(documents))  # type: ignore[method-assign,assignment]
    elif name == "duplicates":
        written = output.LocalStore.write

        def twice(self: Any, documents: Any) -> Any:
            again = [document._replace(id=bytes(reversed(document.id))) for document in list(documents)[:1]]
            return written(self, [*documents, *again])

        output.LocalStore.write = twice  # type: ignore[method-assign]
    elif name == "counts twice":
        from shipper.metrics.registry import Ledger

        add = Ledger.add

        def more(self: Any, tally: Any, now: float) -> None:
            for key in tally.sums:
                if key[0] == "failed_login_attempts_total" and tally.sums[key]:
                    tally.sums[key] += 1
            add(self, tally, now)

        Ledger.add = more  # type: ignore[method-assign]
    else:
        raise SystemExit(f"unknown defect {name!r}")


def main() -> None:
    """Patch, then run `shipper`; every read is worth a thread."""
    fast_path.LEAST_BYTES = 1
    if (point := os.environ.get("CHAOS_POINT")) is not None:
        name, _, passes = point.rpartition(":")
        POINTS[name](Countdown(int(passes)))
    if (clock := os.environ.get("CHAOS_CLOCK")) is not None:
        other_clock(Path(clock))
    if (boot := os.environ.get("CHAOS_BOOT")) is not None:
        from shipper.system import boot as boots

        boots.BOOT_ID = Path(boot)
    if (names := os.environ.get("CHAOS_NAMES")) is not None:
        other_names(Path(names))
    if (flag := os.environ.get("CHAOS_OUTAGE")) is not None:
        outages(Path(flag))
    if (most := os.environ.get("CHAOS_DESCRIPTORS")) is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(most), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    if (wrong := os.environ.get("CHAOS_DEFECT")) is not None:
        defect(wrong)
    from shipper.cli import main as shipper

    sys.argv[0] = "shipper"
    shipper()


if __name__ == "__main__":
    main()
