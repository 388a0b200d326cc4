"""Hot reload: new parts for a running agent, applied without losing or duplicating an entry.

An entry is stored once because its id and its index follow from its line. A change of the schema's policies or of the
allowed skew may route the same line to another index. Such a change therefore waits until every batch in flight is
settled, and until batches that failed with an unavailable output are stored by a retry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipper.agent.maintenance import Maintenance
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
    """New parts for a running agent."""

    pipeline: Callable[[Iterable[SeriesKey]], Pipeline]
    """Builds the pipeline from the series that exist when the change is applied; they keep their place."""
    compiled: Callable[[Pipeline], FastChain | None]
    """Builds the native chain of the same steps."""
    declared: Callable[[Pipeline], Iterable[SeriesKey]]
    """Series that start at zero with the change."""
    maintenance: Callable[[Output], Callable[[int], None] | None]
    inputs: Sequence[Input] | None = None
    """None if they do not change."""
    output: Output | None = None
    reroutes: bool = False
    """True if an entry may go to another index than before."""
    done: Callable[[], None] = lambda: None
    """Called in the agent's thread once the change is applied."""

    @property
    def waits(self) -> bool:
        """True if all batches in flight have to be settled first."""
        return self.reroutes or self.inputs is not None or self.output is not None


@dataclass(slots=True)
class UncertainRange:
    """Per log, the highest offset sent with unknown result."""

    _ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, log: LogReader) -> None:
        """Record the ship cursor of a log whose batch was rolled back, before it is read again."""
        cursor = log.ship_cursor or log.count_cursor
        end = (0 if cursor.file is None else cursor.file.key, cursor.offset)
        self._ends[log.path] = max(end, self._ends.get(log.path, end))

    def remains(self, logs: Mapping[str, LogReader]) -> bool:
        """Return True if a log is not acknowledged up to its offset yet; drop the logs that are."""
        self._ends = {path: end for path, end in self._ends.items() if path in logs and not _beyond(logs[path], end)}
        return bool(self._ends)


def _beyond(log: LogReader, end: tuple[int, int]) -> bool:
    """Return True if the log is acknowledged beyond `end`.

    At `end` itself, an entry that began before it may still wait in the assembler.
    """
    position = log.unshipped_from() or log.count_cursor.position()
    place = (position.file, position.offset)
    return place > end or (place == end and not (log.ship_cursor or log.count_cursor).assembler.has_partial)


@dataclass(slots=True)
class HotReload:
    """The waiting change, and the logs that were sent with unknown result."""

    change: Change | None = None
    sent: UncertainRange = field(default_factory=UncertainRange)

    def request(self, change: Change) -> None:
        """Let `change` wait in place of the one that waited before."""
        if self.change is not None and self.change.output is not None:
            self.change.output.close()
        self.change = change

    def uncertain(self, logs: Mapping[str, LogReader]) -> bool:
        """Return True if the change may reroute entries of which a copy may be stored already."""
        return self.change is not None and self.change.reroutes and self.sent.remains(logs)

    def finish(self) -> None:
        """Report that the change is applied."""
        change, self.change = self.change, None
        if change is not None:
            change.done()


def apply_change(
    change: Change, tail: Tail, delivery: Delivery[Any], ledger: Ledger, now_s: float
) -> tuple[Pipeline, Maintenance]:
    """Pass the parts of `change` to their owners; return the agent's new pipeline and maintenance.

    `now_s` is the creation time of new series, in seconds since the epoch.
    """
    if change.inputs is not None:
        tail.follow(list(change.inputs))
    if change.output is not None:
        delivery.replace_output(change.output)
    maintenance, pipeline = Maintenance(change.maintenance(delivery.output)), change.pipeline(ledger.committed)
    tail.use_rules(change.compiled(pipeline), pipeline.pair_rules)
    ledger.redeclare(pipeline.counting.metrics())
    ledger.declare(change.declared(pipeline), now_s)
    for log in tail.logs.values():
        ledger.declare(pipeline.counting.admit_service(log.source.origin.service or "unknown"), now_s)
    return pipeline, maintenance
