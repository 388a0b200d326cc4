"""The real agent over logs in files, in this process, with a clock that jumps and documents kept in memory."""

import importlib.util
import json
import logging
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import structlog

from shipper.agent.agent import Agent
from shipper.bootstrap import build_agent
from shipper.config.settings import Settings
from shipper.system.clock import Clock
from tests.replay.rig import Keeping
from tests.shapes.envelopes import Envelope, log_of
from tests.shapes.truth import Shape

Chain = Literal["python", "native"]
GLOBS: dict[Envelope, str] = {"docker": "*/*-json.log", "cri": "*/*/*.log"}
WIDE: dict[str, Any] = {"schema": {"max_past": "100000d"}}
"""Times of the truth go back to the year 2000."""
PAUSE_S, STEP_S = 8.0, 0.5
"""A pause is longer than any waiting time of the agent, and passes in steps as an agent's turns do."""


class Stored(NamedTuple):
    """A document as it was stored, and whether that was in the quarantine."""

    body: dict[str, Any]
    quarantined: bool


class Memory(Keeping):
    """Keeps documents, one batch at a time."""

    window = 1

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
        self.turns()
        for _ in range(pauses * int(PAUSE_S / STEP_S)):
            self.clock.now += STEP_S
            self.turns()
        self.agent.drain()

    def turns(self) -> None:
        """Read what is there, without a pause."""
        while self.agent.turn(hurry=True):
            pass

    def counter(self, name: str, service: str | None = None) -> float:
        """Return a committed counter, of one service or added up."""
        return sum(
            value
            for (metric, labels), value in self.agent.ledger.committed.items()
            if metric == name and isinstance(value, float | int) and (service is None or service in labels)
        )

    def services(self) -> dict[str, str]:
        """Return the service of each log, by path."""
        return {log.path: log.source.origin.service or "unknown" for log in self.agent.tail.logs.values()}

    def read_once(self) -> None:
        """Read as `shipper run --once` does; each turn moves the clock."""
        self.agent.after_turn = lambda: setattr(self.clock, "now", self.clock.now + 1)
        self.agent.run_once()

    def documents(self) -> list[dict[str, Any]]:
        """Return the stored documents that are not in the quarantine."""
        return [one.body for one in self.output.stored() if not one.quarantined]


@contextmanager
def running(state: Path, inputs: Sequence[Any], chain: Chain, **settings: Any) -> Iterator[Run]:
    """Yield an agent built from the settings as `shipper run` builds it; only its output and clock are replaced."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # the agent's own log
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
    with tempfile.TemporaryDirectory(prefix="shapes-") as name:
        root = Path(name)
        paths = [log_path(root / "logs", number, envelope) for number in range(len(logs))]
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


def log_path(logs: Path, number: int, envelope: Envelope) -> Path:
    """Return the path of a container's log below `logs`, as the runtime names it; each is a service of its own."""
    container = f"{number + 1:012x}".ljust(64, "0")
    if envelope == "docker":
        return logs / container / f"{container}-json.log"
    return logs / f"default_shape-{number}_00000000-0000-4000-8000-{number:012d}" / f"app-{number}" / "0.log"
