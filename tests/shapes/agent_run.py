"""The real agent over logs in files, in this process, with a clock that jumps and documents kept in memory."""

import importlib.util
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import structlog

from shipper.agent.agent import Agent
from shipper.bootstrap import build_agent
from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs.base import completed
from shipper.system.clock import Clock
from tests.shapes.envelopes import Envelope, log_of
from tests.shapes.truth import Shape

Chain = Literal["python", "native"]
GLOBS: dict[Envelope, str] = {"docker": "*/*-json.log", "cri": "*/*/*.log"}
WIDE: dict[str, Any] = {"schema": {"max_past": "100000d"}}
"""Times of the truth go back to the year 2000."""
PATIENCE_S = 30.0
"""More than any waiting time of the agent."""


class Stored(NamedTuple):
    """A document as it was stored, and whether that was in the quarantine."""

    body: dict[str, Any]
    quarantined: bool


class Memory:
    """An output that keeps documents by index and id, as every real one does."""

    url = "memory:"
    window = 1

    def __init__(self) -> None:
        self.documents: dict[tuple[str, bytes], Document] = {}

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Store the documents; one that is stored already is a duplicate."""
        before = len(self.documents)
        for document in documents:
            self.documents.setdefault((document.index, document.id), document)
        stored = len(self.documents) - before
        return completed(Written(stored, len(documents) - stored))

    def close(self) -> None:
        """Keep everything."""

    def stored(self) -> list[Stored]:
        """Return the documents in the order they were stored."""
        return [Stored(json.loads(one.body), "quarantine" in one.index) for one in self.documents.values()]


class JumpingClock(Clock):
    """A monotonic clock that moves when it is moved, so that no run waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the seconds since it was created, as moved."""
        return self.now


class Run(NamedTuple):
    """An agent with its output and clock."""

    agent: Agent
    output: Memory
    clock: JumpingClock

    def read(self, pauses: int = 2) -> None:
        """Read everything, and `pauses` times after a long pause what was held back."""
        self._turns()
        for _ in range(pauses):
            self.clock.now += PATIENCE_S
            self._turns()
        self.agent.drain()

    def _turns(self) -> None:
        while self.agent.turn(hurry=True):
            pass

    def counter(self, name: str) -> float:
        """Return a committed counter, added up over its labels."""
        values = self.agent.ledger.committed
        return sum(value for (metric, _), value in values.items() if metric == name and isinstance(value, float | int))

    def documents(self) -> list[dict[str, Any]]:
        """Return the stored documents that are not in the quarantine."""
        return [one.body for one in self.output.stored() if not one.quarantined]


@contextmanager
def running(state: Path, inputs: Sequence[Any], chain: Chain, **settings: Any) -> Iterator[Run]:
    """Yield an agent built from the settings as `shipper run` builds it; only its output and clock are replaced."""
    all_settings = Settings.model_validate(
        {
            "inputs": list(inputs), "output": f"local:{state}/store", "state_dir": str(state / "state"), "listen": "off",
            "host": "node-1", "compiled": chain == "native", **settings,
        }
    )  # fmt: skip
    run = Run(build_agent.agent(all_settings, clock := JumpingClock()), Memory(), clock)
    run.agent.delivery.output.close()
    run.agent.delivery.output = run.output
    try:
        yield run
    finally:
        run.agent.close()


def chains() -> list[Chain]:
    """Return the chains that this installation has."""
    return ["python", "native"] if importlib.util.find_spec("shipper_native") else ["python"]


def stored_by_shape(
    shapes: Sequence[Shape], envelope: Envelope, chain: Chain, settings: Mapping[str, Any] | None = None
) -> list[list[list[Stored]]]:
    """Run each shape's log through one agent; return the documents of each entry of each shape.

    A document belongs to the entry in whose records its own first record stands. Containers have no labels.
    """
    logs = [log_of(shape, envelope) for shape in shapes]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # the agent's own log
    with tempfile.TemporaryDirectory(prefix="shapes-") as name:
        root = Path(name)
        paths = [_path(root / "logs", number, envelope) for number in range(len(logs))]
        for path, log in zip(paths, logs, strict=True):
            path.parent.mkdir(parents=True)
            path.write_bytes(log.content)
        with running(root, [f"{envelope}:{root}/logs/{GLOBS[envelope]}"], chain, **{**WIDE, **(settings or {})}) as run:
            run.read()
            stored: dict[str, dict[int, list[Stored]]] = defaultdict(lambda: defaultdict(list))
            for one in run.output.stored():
                stored[one.body["log"]["file"]["path"]][one.body["log"]["offset"]].append(one)
    return [
        [
            [one for offset, documents in sorted(stored[str(path)].items()) if begin <= offset < end for one in documents]
            for begin, end in zip(log.begins, log.ends, strict=True)
        ]
        for path, log in zip(paths, logs, strict=True)
    ]  # fmt: skip


def _path(logs: Path, number: int, envelope: Envelope) -> Path:
    container = f"{number + 1:064x}"
    if envelope == "docker":
        return logs / container / f"{container}-json.log"
    return logs / f"default_shape-{number}_00000000-0000-4000-8000-{number:012d}" / "app" / "0.log"
