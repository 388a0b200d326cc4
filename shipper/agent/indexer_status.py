"""Vitals of the indexer: what it tells of itself, taken in its own thread, read in others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shipper.agent.indexer import Indexer
from shipper.metrics.catalogue import INPUT_UP, LAG_MESSAGES, LAG_SECONDS, OUTPUT_UP, PARTITIONS, measured
from shipper.metrics.exposition import Snapshot
from shipper.metrics.health import Health
from shipper_schemas.metrics import SeriesKey


@dataclass(slots=True)
class IndexerVitals:
    """The indexer as others see it. `take` runs in its thread; the rest only reads what that left."""

    indexer: Indexer
    url: str
    group: str
    output_kind: str
    stuck_after: float = 60.0
    max_lag: float | None = None
    _gauges: Mapping[SeriesKey, float] = field(default_factory=dict)
    _partitions: list[dict[str, Any]] = field(default_factory=list)

    def take(self) -> None:
        """Measure; costs a look at every assigned partition's numbers."""
        indexer = self.indexer
        spans = dict(indexer.spans)
        self._gauges = {
            (LAG_MESSAGES.name, (self.group,)): indexer.lag(),
            (LAG_SECONDS.name, (self.output_kind,)): indexer.waited_ms(indexer.clock.wall_ms()) / 1000,
            (PARTITIONS.name, (self.group,)): len(spans),
            (INPUT_UP.name, ("kafka",)): indexer.input_state.error is None,
            (OUTPUT_UP.name, (self.output_kind,)): indexer.output_state.error is None,
        }
        self._partitions = [
            {
                "path": f"kafka://{topic}/{number}",
                "size": end,
                "counted": following,
                "shipped": following,
                "lag_bytes": None,
                "lag_messages": max(0, end - following),
            }
            for (topic, number), (following, end) in sorted(spans.items())
        ]

    def snapshot(self) -> Snapshot:
        """Counters, and the gauges last taken."""
        ledger = self.indexer.ledger
        metrics = {**ledger.metrics, **{metric.name: metric for metric in measured("indexer")}}
        return Snapshot(metrics, dict(ledger.committed), dict(ledger.created), self._gauges)

    def ready(self) -> bool:
        """Whether partitions were assigned once."""
        return self.indexer.ready

    def health(self) -> Health:
        """Healthy, degraded where a restart would not help, or stuck."""
        indexer = self.indexer
        idle = indexer.clock.monotonic() - indexer.turned_at
        lag = self._gauges.get((LAG_SECONDS.name, (self.output_kind,)), 0.0)
        checks = {
            "loop": "healthy" if not indexer.ready or idle < self.stuck_after else "stuck",
            "inputs": "healthy" if indexer.input_state.error is None else "degraded",
            "output": "healthy" if indexer.output_state.error is None else "degraded",
            "lag": "healthy" if self.max_lag is None or lag < self.max_lag else "degraded",
        }
        worst = next((word for word in ("stuck", "degraded") if word in checks.values()), "healthy")
        return Health(worst, checks)

    def status(self) -> dict[str, Any]:
        """What `shipper status` prints; a partition stands where an agent has a log, its offsets count messages."""
        indexer = self.indexer
        error, output = indexer.input_state.error, indexer.output_state
        return {
            "running": True,
            "output": {"url": indexer.output.url, "error": output.error, "hint": output.hint if output.error else None},
            "state": {"directory": f"group {self.group} of {self.url}", "error": None},
            "unreadable": {} if error is None else {self.url: error},
            "logs": self._partitions,
        }
