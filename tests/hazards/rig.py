"""A rig for tail hazards: the real agent over real files, with clocks and an output that the test controls."""

import gzip
import json
import os
import random
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from shipper.agent.agent import Agent
from shipper.bootstrap.build_inputs import spool_of
from shipper.bootstrap.build_pipeline import compiled_of, counting_of, redactor_of, rules_of
from shipper.config.settings import Settings
from shipper.delivery.loop import Delivery
from shipper.delivery.pace import Pace
from shipper.inputs.files.attention import Attention
from shipper.inputs.files.container_metadata import plain_identity
from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.held_files import Bounds as HeldBounds
from shipper.inputs.files.held_files import HeldFiles
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.tailer import Input, Tail
from shipper.inputs.files.watches import open_watches
from shipper.metrics import catalogue
from shipper.metrics.registry import Ledger
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.pipeline.pipeline import Pipeline
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable
from shipper_processors.assemble import Bounds
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import Threads
from shipper_schemas.entry import Origin
from shipper_schemas.rules import events_requiring_id

START_NS = 1_795_428_000_000_000_000  # 2026-11-23T10:00:00Z


class ManualClock(Clock):
    """A clock that moves only when the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = START_NS

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return self.wall

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds
        self.wall += int(seconds * 1e9)


class Killed(BaseException):
    """Raised in place of a SIGKILL."""


class MemoryOutput:
    """An output that holds documents by (index, id), as every real output does; can be made unavailable."""

    url = "memory:"
    window = 3

    def __init__(self) -> None:
        self.stored: dict[tuple[str, bytes], dict[str, Any]] = {}
        self.unavailable = False
        self.killed_after_write = False
        self.writes = 0
        self.slow = False
        """True if it responds only when `answer` is called, as an output behind a network does."""
        self.unanswered: list[tuple[Future[Written], Sequence[Document]]] = []

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        answer: Future[Written] = Future()
        if self.unavailable:
            answer.set_exception(OutputUnavailable("the output is unavailable", "wait"))
        elif self.slow:
            self.unanswered.append((answer, documents))
        else:
            answer.set_result(self.write(documents))
        return answer

    def answer(self, number: int, *, fail: bool = False) -> None:
        """Store and acknowledge one of the batches in flight, or fail it."""
        future, documents = self.unanswered.pop(number % len(self.unanswered))
        if fail:
            future.set_exception(OutputUnavailable("throttled", "wait"))
        else:
            future.set_result(self.write(documents))

    def write(self, documents: Sequence[Document]) -> Written:
        self.writes += 1
        duplicates = 0
        for document in documents:
            key = (document.index, document.id)
            duplicates += key in self.stored
            self.stored.setdefault(key, json.loads(document.body))
        if self.killed_after_write:
            raise Killed
        return Written(len(documents) - duplicates, duplicates)

    def close(self) -> None:
        pass


def docker_line(log: str, stream: str = "stdout", at: int = 0) -> bytes:
    """Return a json-file record; `at` is milliseconds after the rig's start."""
    second, ms = divmod(at, 1000)
    minute, second = divmod(second, 60)
    time = f"2026-11-23T10:{minute:02d}:{second:02d}.{ms:03d}000001Z"
    return json.dumps({"log": log, "stream": stream, "time": time}, separators=(",", ":")).encode() + b"\n"


@dataclass
class Rig:
    """One state directory, one folder of logs, and any number of agents one after another."""

    folder: Path
    kind: str = "docker"
    glob: str = "*.log"
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)
    from_end: bool = False
    native: bool = True
    """True if the next agent uses the native path, where that is installed."""
    threads: int = 3
    """Number of threads of the native path, whatever the size of a read."""
    batch_lines: int = 50_000
    """Lines that fill a batch."""
    output: MemoryOutput = field(default_factory=MemoryOutput)
    clock: ManualClock = field(default_factory=ManualClock)
    agent: Agent | None = None
    sequence: int = 0
    reported: ClassVar[bool] = False
    """True if changes are reported by inotify, and nothing is polled that was not reported."""
    held: HeldBounds = field(default_factory=HeldBounds)
    boot: bytes = b"first"
    """Identity of the machine's start, for the next agent."""
    all: ClassVar[list["Rig"]] = []

    def __post_init__(self) -> None:
        Rig.all.append(self)
        self.logs = self.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.path = self.logs / "app.log"

    # --- the agent ---

    def start(self) -> Agent:
        """Start a new agent over the same state."""
        settings = Settings()
        state = State(self.folder / "state")
        counting = counting_of(settings, {})
        metrics = {m.name: m for m in (*catalogue.saved("agent"), *counting.metrics())}
        ledger = Ledger(metrics)
        ledger.restore(*state.series())
        ledger.declare([*catalogue.from_zero("agent"), *counting.declared()], 0.0)
        enforce = Enforce(requiring_events=events_requiring_id(rules_of(settings)))
        pipeline = Pipeline(enforce, counting, redactor_of(settings, b"k" * 32))
        watches = open_watches()[0] if Rig.reported else None
        attention = Attention(watches, safety_s=1e9)  # no poll finds what was not reported
        folders = Folders(watches=watches)
        inputs = [Input(self.kind, Scanner(f"{self.logs}/{self.glob}", folders), self._origin, self.from_end)]
        compiled = compiled_of(settings.model_copy(update={"compiled": self.native}), pipeline)
        if compiled is not None:
            compiled.threads = Threads.of(self.threads, least=1)
        tail = Tail(
            inputs,
            self.bounds,
            self.limits,
            state.logs(),
            folders,
            fast_chain=compiled,
            attention=attention,
            boot=self.boot,
        )
        tail.spool = spool_of(state, tail.saved)
        self.agent = Agent(
            tail,
            pipeline,
            Delivery(self.output, ledger, self.clock, jitter=random.Random(1)),
            state,
            ledger,
            self.clock,
            Pace(scan=0.0, batch_lines=self.batch_lines, batch_age=0.0, patience=0.0, grace=0.0),
            held=HeldFiles(tail, tail.spool, self.held),
        )
        return self.agent

    def _origin(self, path: str, real: str) -> Origin:
        source = plain_identity("node-1", real) if self.kind == "plain" else os.path.basename(real)
        return Origin(real, source, service="backend", host="node-1")

    def kill(self) -> None:
        """Drop the agent as SIGKILL does: nothing settled, the lock released."""
        if self.agent is not None:
            if self.agent.held is not None:
                self.agent.held.close()
            self.agent.tail.close()
            self.agent.state.close()
            self.agent = None

    def stop(self) -> None:
        """Settle and stop the agent as SIGTERM does."""
        assert self.agent is not None
        self.agent.settle()
        self.kill()

    def read(self, turns: int = 1) -> None:
        """Take turns until nothing more is read, `turns` times, with a poll interval between."""
        agent = self.agent or self.start()
        for _ in range(turns):
            while agent.turn(hurry=not (self.output.slow or self.output.unanswered)):
                pass
            self.clock.pass_seconds(0.25)

    def drain(self) -> None:
        """Read, let all waiting times pass, and read what was held back."""
        self.read()
        self.clock.pass_seconds(10)
        self.read(3)

    # --- the files ---

    def entry(self, **fields: Any) -> str:
        """Return a structured entry with a serial number as its message."""
        self.sequence += 1
        return json.dumps(
            {"correlation_id": f"c-{self.sequence}", "event": "e", "message": str(self.sequence)} | fields
        )

    def lines(self, number: int) -> bytes:
        """Return raw lines of `number` entries with serial numbers."""
        if self.kind == "docker":
            return b"".join(docker_line(self.entry() + "\n", at=self.sequence) for _ in range(number))
        return b"".join(self.entry().encode() + b"\n" for _ in range(number))

    def other(self, number: int) -> Path:
        """Return the path of another log."""
        return self.logs / f"other-{number}.log"

    def write(self, data: bytes, path: Path | None = None) -> None:
        """Append to the live file, or to the file at `path`."""
        with (path or self.path).open("ab") as file:
            file.write(data)

    def rotate(self, keep: int = 3, *, compress: bool = False) -> None:
        """Rotate by renaming: .2 -> .3, .1 -> .2, live -> .1; `compress` makes .1 a .gz."""
        self.make_room(keep)
        self.path.rename(f"{self.path}.1")
        if compress:
            self.compress(Path(f"{self.path}.1"))

    def make_room(self, keep: int = 3) -> None:
        """Shift the rotated files by one: .2 -> .3, .1 -> .2."""
        for number in range(keep, 0, -1):
            for ending in ("", ".gz"):
                older = Path(f"{self.path}.{number}{ending}")
                if older.exists():
                    older.unlink() if number == keep else older.rename(f"{self.path}.{number + 1}{ending}")

    @staticmethod
    def compress(path: Path) -> None:
        """Replace a file by its .gz."""
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    # --- the results ---

    def messages(self) -> list[str]:
        """Return the messages of all stored events, in the order they were stored."""
        return [body["message"] for (index, _), body in self.output.stored.items() if "quarantine" not in index]

    def serials(self) -> list[int]:
        """Return the serial numbers of the stored entries, sorted."""
        return sorted(int(message) for message in self.messages())

    def quarantined(self) -> list[dict[str, Any]]:
        """Return the quarantined documents."""
        return [body for (index, _), body in self.output.stored.items() if "quarantine" in index]

    def counter(self, name: str, *labels: str) -> float:
        """Return a committed counter value."""
        assert self.agent is not None
        value = self.agent.ledger.committed[name, labels]
        assert isinstance(value, float | int)
        return value

    def serials_of_entries(self) -> list[int]:
        """Return the serial numbers among the messages of stored events, sorted; other messages are skipped."""
        return sorted(int(message) for message in self.all_messages() if message.isdigit())

    def all_messages(self) -> list[str]:
        """Return the messages of stored events, empty for an event without one."""
        return [body.get("message", "") for (index, _), body in self.output.stored.items() if "quarantine" not in index]
