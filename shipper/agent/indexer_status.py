"""Frozen snapshot of the indexer, published at the end of each turn and read in other threads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shipper.agent.agent_snapshot import OutputStatus
from shipper.agent.indexer import Indexer
from shipper.inputs.kafka.consumer import Partition, Span
from shipper.metrics.catalogue import INPUT_UP, LAG_MESSAGES, LAG_SECONDS, OUTPUT_UP, PARTITIONS, measured
from shipper.metrics.health import Health, healthy_if
from shipper.metrics.registry import Committed
from shipper.metrics.snapshot import Snapshot
from shipper_schemas.metrics import SeriesKey

DECLARED = {metric.name: metric for metric in measured("indexer")}


@dataclass(frozen=True, slots=True)
class IndexerSnapshot:
    """The indexer at the end of one turn."""

    published_at: float
    """Monotonic seconds."""
    monotonic: Callable[[], float]
    ready: bool
    url: str
    group: str
    input_error: str | None
    faults: tuple[tuple[Partition, str], ...]
    """Faults of partitions in the last hour."""
    output: OutputStatus
    partitions: tuple[tuple[Partition, Span], ...]
    lag_messages: int
    lag_seconds: float
    counters: Committed
    stuck_after: float
    max_lag: float | None

    def metrics(self) -> Snapshot:
        """Return counters and gauges."""
        counters = self.counters
        return Snapshot({**counters.metrics, **DECLARED}, counters.values, counters.created, self._gauges())

    def _gauges(self) -> Mapping[SeriesKey, float]:
        return {
            (LAG_MESSAGES.name, (self.group,)): self.lag_messages,
            (LAG_SECONDS.name, (self.output.kind,)): self.lag_seconds,
            (PARTITIONS.name, (self.group,)): len(self.partitions),
            (INPUT_UP.name, ("kafka",)): self.input_error is None,
            (OUTPUT_UP.name, (self.output.kind,)): self.output.error is None,
        }

    def health(self) -> Health:
        """Return the checks; the loop is `stuck` if no snapshot followed for `stuck_after` seconds."""
        idle = self.monotonic() - self.published_at
        return Health.of(
            loop=healthy_if(not self.ready or idle < self.stuck_after, "stuck"),
            inputs=healthy_if(self.input_error is None and not self.faults),
            output=healthy_if(self.output.error is None),
            lag=healthy_if(self.max_lag is None or self.lag_seconds < self.max_lag),
        )

    def status(self) -> dict[str, Any]:
        """Return the document of `shipper status`, with partitions in place of logs; their offsets count messages."""
        return {
            "running": True,
            "output": self.output.row(),
            "state": {"directory": f"group {self.group} of {self.url}", "error": None},
            "unreadable": {
                **({} if self.input_error is None else {self.url: self.input_error}),
                **{_path(partition): what for partition, what in self.faults},
            },
            "logs": [_row(partition, span) for partition, span in sorted(self.partitions)],
        }


def _path(partition: Partition) -> str:
    return f"kafka://{partition.topic}/{partition.number}"


def _row(partition: Partition, span: Span) -> dict[str, Any]:
    return {
        "path": _path(partition),
        "size": span.end,
        "counted": span.next,
        "shipped": span.next,
        "lag_bytes": None,
        "lag_messages": max(0, span.end - span.next),
    }


@dataclass(slots=True)
class IndexerPublisher:
    """Publishes the indexer's snapshot: `publish` replaces `snapshot` in its thread; any thread may read it."""

    indexer: Indexer
    url: str
    group: str
    output_kind: str
    stuck_after: float = 60.0
    max_lag: float | None = None
    snapshot: IndexerSnapshot = field(init=False)

    def __post_init__(self) -> None:
        """Publish the first snapshot, so that readers always have one."""
        self.publish()

    def publish(self) -> None:
        """Publish a snapshot."""
        indexer = self.indexer
        clock = indexer.clock
        self.snapshot = IndexerSnapshot(
            published_at=clock.monotonic(),
            monotonic=clock.monotonic,
            ready=indexer.ready,
            url=self.url,
            group=self.group,
            input_error=indexer.input_state.error,
            faults=tuple(indexer.recent_faults().items()),
            output=OutputStatus.of(self.output_kind, indexer.delivery),
            partitions=tuple(indexer.spans.items()),
            lag_messages=indexer.lag(),
            lag_seconds=indexer.oldest_age_ms(clock.wall_ms()) / 1000,
            counters=indexer.ledger.published,
            stuck_after=self.stuck_after,
            max_lag=self.max_lag,
        )
