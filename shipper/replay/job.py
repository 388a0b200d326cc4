"""Job: settings, units of work and outcome of a replay."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shipper.bootstrap import build_pipeline
from shipper.config.settings import InputSettings, Settings
from shipper.inputs.files.container_metadata import Provenance, path_names_container
from shipper.replay.discover import DiscoveredLog, Problem
from shipper.replay.time_filter import Span
from shipper.system.errors import ShipperError
from shipper_processors.envelope import without_surrogates
from shipper_schemas.entry import Origin
from shipper_schemas.metrics import SeriesKey

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

SEGMENT_BYTES = 2 * 1024 * 1024
"""Bytes of the logs that a process reads and processes at once."""
CHUNK_BYTES = 512 * 1024
"""Bytes read from a file at once; longer lines are read up to the limit of the settings."""


class ReadingFailed(ShipperError):
    """A process of a replay failed; segments before its own are complete."""


@dataclass(frozen=True, slots=True)
class Job:
    """Settings of one replay, sent to its processes."""

    settings: Settings
    span: Span = field(default_factory=Span)
    dry_run: bool = False
    history: bool = False
    """True if the counters' history is recorded."""
    now_ms: int = 0
    """Time of lines without one, the same in all processes (milliseconds since the epoch)."""
    segment_bytes: int = SEGMENT_BYTES
    chunk_bytes: int = CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class ReplayLog:
    """A log with its provenance."""

    log: DiscoveredLog
    origin: Origin


@dataclass(slots=True)
class Outcome:
    """Totals of a replay, including those before an interruption."""

    events: Counter[str] = field(default_factory=Counter)
    """Number of events by outcome."""
    indices: Counter[str] = field(default_factory=Counter)
    """Number of documents by daily index."""
    counters: Counter[SeriesKey] = field(default_factory=Counter)
    """Increments of the rules' counters, and violations by reason."""
    problems: list[Problem] = field(default_factory=list)
    """Files and parts of files that could not be read."""
    lines: int = 0
    bytes: int = 0
    finished: bool = True
    history: "History | None" = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a replay: bytes and lines read and committed."""

    bytes: int
    lines: int


def with_origins(settings: Settings, logs: Sequence[DiscoveredLog], container: str | None = None) -> list[ReplayLog]:
    """Return the logs with their provenance; `container` is the container id of logs whose path has none."""
    provenance = Provenance(settings.host, settings.docker, build_pipeline.read_only_redactor(settings))
    finders = {}
    for kind in {log.kind for log in logs}:
        configured = next((source for source in settings.inputs if source.type == kind), None)
        input_settings = InputSettings(
            type=kind,
            glob="given",
            timezone=configured.timezone if configured else None,
            http_source=configured.http_source if configured else "structured",
            paths=configured.paths if configured else "tolerant",
            service=configured.service if configured else None,
            require_correlation_id=configured.require_correlation_id if configured else None,
        )
        finders[kind] = provenance.of(input_settings)
    replay_logs = []
    for log in logs:
        original = log.original or log.path
        beside = original if log.kind == "plain" else log.path  # a container's metadata is beside the copy
        origin = replace(finders[log.kind](beside, beside), path=without_surrogates(original))
        if container is not None and not path_names_container(log.kind, log.path):
            origin = replace(origin, source=container, container_id=container)
        replay_logs.append(ReplayLog(log, origin))
    return replay_logs


def units(logs: Sequence[ReplayLog], size: int) -> Iterator[tuple[ReplayLog, ...]]:
    """Yield the logs in their order; small ones are joined up to about `size` bytes."""
    unit: list[ReplayLog] = []
    unit_bytes = 0
    for log in logs:
        unit.append(log)
        unit_bytes += log.log.bytes
        if unit_bytes >= size:
            yield tuple(unit)
            unit, unit_bytes = [], 0
    if unit:
        yield tuple(unit)


def tune_garbage_collection() -> None:
    """Run garbage collection less often: batches hold many small objects and no cycles, and it costs 3 % of CPU."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
