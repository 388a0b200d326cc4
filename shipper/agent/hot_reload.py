"""Change: parts that take the place of a running agent's own, and when nothing is lost or doubled by it.

An entry is stored once because its id and its index follow from its line. A change of the schema's policies or of the
allowed skew may send the same line to another index; so such a change waits until the output has answered for every
document that was sent, and for those that were sent when the output went away, until they were sent again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipper.agent.upkeep import Upkeep
from shipper.delivery.loop import Delivery
from shipper.inputs.files.log_reader import LogReader
from shipper.inputs.files.tailer import Input, Tail
from shipper.metrics.registry import Ledger
from shipper.outputs.base import Output
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.fast_path import FastChain
from shipper_schemas.metrics import SeriesKey


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be in place of what is there."""

    pipeline: Callable[[Iterable[SeriesKey]], Pipeline]
    """Made from the series that are there when the change is taken over, which keep their place."""
    compiled: Callable[[Pipeline], FastChain | None]
    """The same steps for runs of ordinary lines."""
    declared: Callable[[Pipeline], Iterable[SeriesKey]]
    """Series that start at zero with it."""
    upkeep: Callable[[Output], Callable[[int], None] | None]
    inputs: Sequence[Input] | None = None
    """None where they stay as they are."""
    output: Output | None = None
    reroutes: bool = False
    """Whether an entry may go to another index than before."""
    done: Callable[[], None] = lambda: None
    """Called in the agent's thread once it is taken over."""

    @property
    def waits(self) -> bool:
        """Whether what is on its way has to be answered for first."""
        return self.reroutes or self.inputs is not None or self.output is not None


@dataclass(slots=True)
class UncertainRange:
    """How far documents were sent which the output neither took nor refused, by log."""

    _ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, log: LogReader) -> None:
        """A batch of this log was given up; it is read again, and goes to the same index under the same ids."""
        cursor = log.ship_cursor or log.count_cursor
        end = (0 if cursor.file is None else cursor.file.key, cursor.offset)
        self._ends[log.path] = max(end, self._ends.get(log.path, end))

    def remains(self, logs: Mapping[str, LogReader]) -> bool:
        """Whether some log has not been acknowledged as far as it was sent; those that have are forgotten."""
        self._ends = {path: end for path, end in self._ends.items() if path in logs and not _beyond(logs[path], end)}
        return bool(self._ends)


def _beyond(log: LogReader, end: tuple[int, int]) -> bool:
    """An entry that began before the end may still be held back there, so reaching it is not enough."""
    position = log.unshipped_from() or log.count_cursor.position()
    place = (position.file, position.offset)
    return place > end or (place == end and not (log.ship_cursor or log.count_cursor).assembler.waiting)


@dataclass(slots=True)
class HotReload:
    """The change that waits, and the batches whose outcome it has to wait for."""

    change: Change | None = None
    sent: UncertainRange = field(default_factory=UncertainRange)

    def request(self, change: Change) -> None:
        """Let `change` wait; one that waited before it is given up."""
        if self.change is not None and self.change.output is not None:
            self.change.output.close()
        self.change = change

    def uncertain(self, logs: Mapping[str, LogReader]) -> bool:
        """Return True where the change would route entries anew whose earlier copies may be stored."""
        return self.change is not None and self.change.reroutes and self.sent.remains(logs)

    def finish(self) -> None:
        """Report that the change is in place."""
        change, self.change = self.change, None
        if change is not None:
            change.done()


def put_in_place(
    change: Change, tail: Tail, delivery: Delivery[Any], ledger: Ledger, now_s: float
) -> tuple[Pipeline, Upkeep]:
    """Give the parts of `change` to their owners; return the pipeline and the upkeep that the agent uses from now on.

    `now_s` is the creation time of new series, in seconds since the epoch.
    """
    if change.inputs is not None:
        tail.follow(list(change.inputs))
    if change.output is not None:
        delivery.replace_output(change.output)
    upkeep, pipeline = Upkeep(change.upkeep(delivery.output)), change.pipeline(ledger.committed)
    tail.use_fast_chain(change.compiled(pipeline))
    ledger.redeclare(pipeline.counting.metrics())
    ledger.declare(change.declared(pipeline), now_s)
    for log in tail.logs.values():
        ledger.declare(pipeline.counting.admit_service(log.source.origin.service or "unknown"), now_s)
    return pipeline, upkeep
