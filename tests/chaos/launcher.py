"""Starts the real command with what tests alone may do to it; the product itself has no such hooks.

CHAOS_POINT=NAME:N   SIGKILL at the N-th pass of a fail point
CHAOS_CLOCK=FILE     the wall clock is off by the seconds that the file holds, from moment to moment
CHAOS_NAMES=FILE     names that end in `.chaos.test` are 127.0.0.1 while the file holds `there`, else unknown
CHAOS_DEFECT=NAME    a defect, to see whether the books notice
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

from shipper.inputs.files.tailer import Tail
from shipper.outputs import dead_letters
from shipper.outputs.sqlite import day_file, output
from shipper.state import database, integrity, store

LOADED = (
    "shipper.cli.commands.run", "shipper.agent.indexer", "shipper.agent.indexer_status", "shipper.outputs.elasticsearch.output",
    "shipper.outputs.elasticsearch.client", "shipper.outputs.kafka.output",
)  # fmt: skip
"""What a server that forks commands imports before."""
Patch = Callable[["Fuse"], None]
POINTS: dict[str, Patch] = {}


class Fuse:
    """Burns down with each pass, and ends the process with the last."""

    def __init__(self, passes: int) -> None:
        self.left = passes

    def burn(self) -> None:
        """One pass."""
        self.left -= 1
        if self.left <= 0:
            end()

    @property
    def last(self) -> bool:
        """Whether the next pass is the last."""
        return self.left <= 1


def end() -> NoReturn:
    """What `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(1)


def before(owner: Any, name: str) -> Patch:
    """Burn before each call."""

    def patch(fuse: Fuse) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def wrapped(*given: Any, **named: Any) -> Any:
            fuse.burn()
            return original(*given, **named)

        setattr(owner, name, wrapped)

    return patch


def after(owner: Any, name: str) -> Patch:
    """Burn after each call that returned."""

    def patch(fuse: Fuse) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def wrapped(*given: Any, **named: Any) -> Any:
            found = original(*given, **named)
            fuse.burn()
            return found

        setattr(owner, name, wrapped)

    return patch


class HalfWritten:
    """Stands for the module `os` in dead letters: the last write writes half of what it is given, then all ends."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, data: bytes) -> int:
        """Half of it, if it is the last."""
        if self.fuse.last:
            os.write(descriptor, data[: len(data) // 2])
        self.fuse.burn()
        return os.write(descriptor, data)


def half_a_letter(fuse: Fuse) -> None:
    """In the middle of a dead letter."""
    dead_letters.os = HalfWritten(fuse)  # type: ignore[assignment]


def of_elasticsearch(when: Callable[[Any, str], Patch], name: str) -> Patch:
    """The same over a module that is loaded for this output alone."""

    def patch(fuse: Fuse) -> None:
        from shipper.outputs.elasticsearch.output import ElasticsearchOutput

        when(ElasticsearchOutput, name)(fuse)

    return patch


def of_kafka(when: Callable[[Any, str], Patch], name: str) -> Patch:
    """The same over Kafka's output."""

    def patch(fuse: Fuse) -> None:
        from shipper.outputs.kafka.output import KafkaOutput

        when(KafkaOutput, name)(fuse)

    return patch


def of_indexer(when: Callable[[Any, str], Patch], name: str) -> Patch:
    """The same over the indexer."""

    def patch(fuse: Fuse) -> None:
        from shipper.agent.indexer import Indexer

        when(Indexer, name)(fuse)

    return patch


POINTS |= {
    "a state is made": after(database, "_create"),
    "the lock is noted": before(store, "_note"),
    "logs were found": after(Tail, "scan"),
    "before the state's transaction": before(store.State, "commit"),
    "in the state's transaction": after(store.State, "_save"),
    "between commit and mark": before(integrity.CommitMarker, "write"),
    "after the state's transaction": after(store.State, "commit"),
    "before the store's transaction": before(output.LocalStore, "write"),
    "a day file is drafted": after(day_file, "_write_schema"),
    "a day file is there": after(output, "open_to_write"),
    "in the store's transaction": after(output, "_insert"),
    "after the store's transaction": after(output.LocalStore, "write"),
    "before the bulk": of_elasticsearch(before, "_ask"),
    "after the bulk": of_elasticsearch(after, "_ask"),
    "between two refusals": of_elasticsearch(after, "_put_aside"),
    "half a dead letter": half_a_letter,
    "after a dead letter": after(dead_letters.DeadLetters, "add"),
    "before the messages": of_kafka(before, "_delivered"),
    "after the messages": of_kafka(after, "_delivered"),
    "before the offsets": of_indexer(before, "_commit"),
    "between index and offsets": of_indexer(after, "_apply"),
    "after the offsets": of_indexer(after, "_commit"),
}


def other_clock(path: Path) -> None:
    """Have the wall clock be off; the monotonic one goes on."""
    real, real_ns = time.time, time.time_ns
    time.time = lambda: real() + _seconds(path)
    time.time_ns = lambda: real_ns() + _seconds(path) * 10**9


def _seconds(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def other_names(path: Path) -> None:
    """Have a name be known only for as long as the file says so."""
    original = socket.getaddrinfo

    def found(host: Any, *given: Any, **named: Any) -> Any:
        if not str(host).endswith(".chaos.test"):
            return original(host, *given, **named)
        if path.read_text() != "there":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return original("127.0.0.1", *given, **named)

    socket.getaddrinfo = found


def defect(name: str) -> None:
    """What the books must notice: a document less, one more, a line counted twice, a position passed too far."""
    if name == "loses":
        write = output.LocalStore.write
        output.LocalStore.write = lambda self, documents: write(self, list(documents)[1:] or list(documents))  # type: ignore[method-assign,assignment]
    elif name == "doubles":
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
        raise SystemExit(f"no defect is called {name!r}")


def main() -> None:
    """Patch, then be `shipper`."""
    if (point := os.environ.get("CHAOS_POINT")) is not None:
        name, _, passes = point.rpartition(":")
        POINTS[name](Fuse(int(passes)))
    if (clock := os.environ.get("CHAOS_CLOCK")) is not None:
        other_clock(Path(clock))
    if (names := os.environ.get("CHAOS_NAMES")) is not None:
        other_names(Path(names))
    if (wrong := os.environ.get("CHAOS_DEFECT")) is not None:
        defect(wrong)
    from shipper.cli import main as shipper

    sys.argv[0] = "shipper"
    shipper()


if __name__ == "__main__":
    main()
