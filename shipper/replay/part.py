"""A part of a replay: some of the logs, read by one process from beginning to end, with a state of its own.

The state lets an interrupted replay go on where it stopped. It holds no counter that anybody looks at: those of the
running agent are in another directory, and stay as they are.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from processors.assemble import Bounds
from schemas.entry import Origin
from schemas.metrics import Distribution, SeriesKey
from shipper import wiring
from shipper.agent import BYTES_READ, DECLARED, LINES_READ, METRICS, Agent
from shipper.clock import Clock
from shipper.ledger import Ledger
from shipper.pipeline import OVERFLOWS, VIOLATIONS
from shipper.ports import Document, Output, Written, settled
from shipper.replay.given import GivenFolders, GivenLog, GivenPaths, complete
from shipper.replay.select import Selecting, Span
from shipper.settings import InputSettings, Settings
from shipper.sources.metadata import Provenance, tells_container
from shipper.sources.reader import Limits, LogReader
from shipper.sources.tail import Input, Tail
from shipper.state import State

if TYPE_CHECKING:
    from shipper.history import History

PATIENCE_S = 300.0
"""How long an output may be away before a replay gives up."""
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Part:
    """What one process has to do. It travels between processes."""

    settings: Settings
    logs: tuple[GivenLog, ...]
    state_dir: Path
    span: Span = field(default_factory=Span)
    dry_run: bool = False
    container: str | None = None
    """Container id of all logs, where their names do not tell it."""
    history: "History | None" = None
    """Empty; filled by the part."""


@dataclass(slots=True)
class Outcome:
    """What came of a part, or of all of them together."""

    events: Counter[str] = field(default_factory=Counter)
    """Events by what became of them."""
    indices: Counter[str] = field(default_factory=Counter)
    """Documents by the daily index they belong to."""
    counters: Counter[SeriesKey] = field(default_factory=Counter)
    """What the events add to the counters of the rules, and violations by reason."""
    lines: int = 0
    bytes: int = 0
    finished: bool = True
    history: "History | None" = None

    def add(self, other: "Outcome") -> None:
        """Take in another part's."""
        self.events += other.events
        self.indices += other.indices
        self.counters.update(other.counters)
        self.lines += other.lines
        self.bytes += other.bytes
        self.finished = self.finished and other.finished
        if self.history is not None and other.history is not None:
            self.history.merge(other.history)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a part is: bytes and lines read."""

    bytes: int
    lines: int


class Tallying:
    """An output that notes which indices take how many documents."""

    def __init__(self, inner: Output) -> None:
        """Writes to `inner`."""
        self.url, self.window, self._inner = inner.url, inner.window, inner
        self.indices: Counter[str] = Counter()
        self._lock = threading.Lock()

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """As the inner output's; the tally is of what was written."""
        counted = Counter(document.index for document in documents)
        answer = self._inner.submit(documents)
        answer.add_done_callback(lambda done: self._note(counted) if done.exception() is None else None)
        return answer

    def close(self) -> None:
        """Close the inner output."""
        self._inner.close()

    def _note(self, counted: Counter[str]) -> None:
        with self._lock:
            self.indices += counted


class Nowhere:
    """The output of a dry run."""

    url, window = "nowhere:", 1

    def submit(self, documents: Sequence[Document]) -> Future[Written]:
        """Takes everything, keeps nothing."""
        return settled(Written(len(documents), 0))

    def close(self) -> None:
        """Nothing to close."""


def run_part(part: Part, tell: Callable[[Progress], None], stopped: Callable[[], bool]) -> Outcome:
    """Read the logs of `part` to their end, or until `stopped`. Raises ShipperError."""
    return run_over(part, Nowhere() if part.dry_run else wiring.output_of(part.settings), tell, stopped)


def run_over(part: Part, inner: Output, tell: Callable[[Progress], None], stopped: Callable[[], bool]) -> Outcome:
    """`run_part` into an output."""
    output = Tallying(inner)
    agent = replaying(part, output)
    told = 0.0

    def after_turn() -> None:
        nonlocal told
        if stopped():
            agent.stopping.set()
        if (now := time.monotonic()) - told >= POLL_S:
            told = now
            tell(progress(agent))

    agent.after_turn = after_turn
    try:
        agent.run_once(patience=PATIENCE_S)
        finished = not agent.stopping.is_set()
        if finished:
            finish(agent)
            finished = agent.all_answered()
        tell(progress(agent))
        return outcome(agent, output, part.history, finished=finished)
    finally:
        agent.close()


def replaying(part: Part, output: Output) -> Agent:
    """An agent over the given logs alone, with a state and counters of its own."""
    settings, clock = part.settings, Clock()
    state = State(part.state_dir)
    try:
        values, created = state.series()
        counting = wiring.counting_of(settings, values)
        ledger = Ledger({metric.name: metric for metric in (*METRICS, VIOLATIONS, OVERFLOWS, *counting.metrics())})
        ledger.restore(values, created)
        ledger.declare(DECLARED, clock.wall_ms() / 1000)
        plain = wiring.pipeline_of(settings, counting, wiring.redactor_of(settings))
        parts = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
        parts["skew"] = plain.skew.of_any_age()
        pipeline = Selecting(**parts, span=part.span, history=part.history)
        pace = replace(wiring.pace(settings), poll=POLL_S, scan=3600.0)
        return Agent(_tail(part, state), pipeline, output, state, ledger, clock, pace)
    except BaseException:
        state.close()
        raise


def _tail(part: Part, state: State) -> Tail:
    settings = part.settings
    tail, join = settings.tail, settings.join
    provenance = Provenance(host=settings.host, docker=settings.docker)
    inputs = []
    for kind in ("docker", "cri", "plain"):
        logs = tuple(log for log in part.logs if log.kind == kind)
        given = next((found for found in settings.inputs if found.type == kind), None)
        asked = InputSettings(
            type=kind,
            glob="given",
            http_source=given.http_source if given else "structured",
            service=given.service if given else None,
        )
        inputs.append(Input(kind, GivenPaths(logs), _origins(provenance, asked, part.container)))
    limits = Limits(line_bytes=tail.max_line_bytes, rotate_wait=0.0, join_wait=join.wait)
    bounds = Bounds(join.max_lines, join.max_bytes, tail.max_line_bytes, join.wait)
    open_files = tail.max_open_files or wiring.descriptors()
    return Tail(inputs, bounds, limits, state.logs(), GivenFolders(part.logs), open_files)


def _origins(provenance: Provenance, asked: InputSettings, container: str | None) -> Callable[[str, str], Origin]:
    find = provenance.of(asked)

    def origin(path: str, real: str) -> Origin:
        found = find(path, real)
        if container is None or tells_container(asked.type, real):
            return found
        return replace(found, source=container, container_id=container)

    return origin


def finish(agent: Agent) -> None:
    """Take the last lines of files that nobody writes to any more, and what waited for a continuation."""
    now = time.time()
    for log in list(agent.tail.logs.values()):
        if all(complete(file.path, now) for file in log.log.files):
            agent.take_last(log)
    agent.run_once(patience=PATIENCE_S)


def progress(agent: Agent) -> Progress:
    """How far an agent has read."""
    return Progress(sum(map(_read, agent.tail.logs.values())), int(_value(agent, (LINES_READ.name, ()))))


def _read(log: LogReader) -> int:
    return sum(file.identity.offset for file in log.log.files)


def _value(agent: Agent, key: SeriesKey) -> float:
    value = agent.ledger.committed.get(key, 0.0)
    return value.sum if isinstance(value, Distribution) else value


def outcome(agent: Agent, output: Tallying, history: "History | None", *, finished: bool) -> Outcome:
    """What an agent did, the time before an interruption included."""
    own = {metric.name for metric in METRICS} | {OVERFLOWS.name}
    found = Outcome(finished=finished, history=history, indices=output.indices)
    for (metric, labels), value in agent.ledger.committed.items():
        if metric == "shipper_events_total":
            found.events[labels[0]] += int(_value(agent, (metric, labels)))
        elif metric not in own and (number := sum(value.counts) if isinstance(value, Distribution) else value):
            found.counters[metric, labels] += int(number)
    found.lines = int(_value(agent, (LINES_READ.name, ())))
    found.bytes = int(_value(agent, (BYTES_READ.name, ())))
    return found


def parts(logs: Sequence[GivenLog], number: int, make: Callable[[tuple[GivenLog, ...], int], Part]) -> list[Part]:
    """The logs in at most `number` parts of about the same bytes; the same logs are parted the same way again."""
    bins: list[list[GivenLog]] = [[] for _ in range(min(number, len(logs)))]
    for log in sorted(logs, key=lambda log: (-log.bytes, log.path)):
        min(bins, key=lambda found: sum(other.bytes for other in found)).append(log)
    return [make(tuple(found), position) for position, found in enumerate(bins) if found]
