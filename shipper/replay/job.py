"""A job: what a replay has been asked to do, cut into units that can be read apart, and what came of it."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shipper.bootstrap import build_pipeline
from shipper.config.settings import InputSettings, Settings
from shipper.inputs.files.container_metadata import Provenance, tells_container
from shipper.replay.discover import GivenLog, Problem
from shipper.replay.time_filter import Span
from shipper.system.errors import ShipperError
from shipper_processors.envelope import without_surrogates
from shipper_schemas.entry import Origin
from shipper_schemas.metrics import SeriesKey

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

STRETCH_BYTES = 2 * 1024 * 1024
"""How much of the logs is read and processed at once by one process."""
CHUNK_BYTES = 512 * 1024
"""How much is read from a file at once; a longer line is cut where it is longer than the settings allow."""


class ReadingFailed(ShipperError):
    """A process of a replay cannot go on; what the others made before it is whole."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for. It travels between processes."""

    settings: Settings
    span: Span = field(default_factory=Span)
    dry_run: bool = False
    history: bool = False
    """Whether the counters' history is wanted."""
    now_ms: int = 0
    """Stands in for the time of lines that tell none: one and the same in all processes."""
    stretch_bytes: int = STRETCH_BYTES
    chunk_bytes: int = CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Located:
    """A log with its provenance."""

    log: GivenLog
    origin: Origin


@dataclass(slots=True)
class Outcome:
    """What came of a replay, the time before an interruption included."""

    events: Counter[str] = field(default_factory=Counter)
    """Events by what became of them."""
    indices: Counter[str] = field(default_factory=Counter)
    """Documents by the daily index they belong to."""
    counters: Counter[SeriesKey] = field(default_factory=Counter)
    """What the events add to the counters of the rules, and violations by reason."""
    problems: list[Problem] = field(default_factory=list)
    """What could not be read."""
    lines: int = 0
    bytes: int = 0
    finished: bool = True
    history: "History | None" = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: bytes and lines read and committed."""

    bytes: int
    lines: int


def located(settings: Settings, logs: Sequence[GivenLog], container: str | None = None) -> list[Located]:
    """The logs with their provenance; `container` is the id of those whose names do not tell it."""
    provenance = Provenance(settings.host, settings.docker, build_pipeline.read_only_redactor(settings))
    finders = {}
    for kind in {log.kind for log in logs}:
        given = next((found for found in settings.inputs if found.type == kind), None)
        asked = InputSettings(
            type=kind,
            glob="given",
            http_source=given.http_source if given else "structured",
            service=given.service if given else None,
        )
        finders[kind] = provenance.of(asked)
    found = []
    for log in logs:
        original = log.original or log.path
        beside = original if log.kind == "plain" else log.path  # a container's metadata is beside the copy
        origin = replace(finders[log.kind](beside, beside), path=without_surrogates(original))
        if container is not None and not tells_container(log.kind, log.path):
            origin = replace(origin, source=container, container_id=container)
        found.append(Located(log, origin))
    return found


def units(logs: Sequence[Located], size: int) -> Iterator[tuple[Located, ...]]:
    """The logs in their order, small ones together up to about `size` bytes."""
    unit: list[Located] = []
    together = 0
    for found in logs:
        unit.append(found)
        together += found.log.bytes
        if together >= size:
            yield tuple(unit)
            unit, together = [], 0
    if unit:
        yield tuple(unit)


def collect_seldom() -> None:
    """Batches hold many small objects and no cycles: looking for some costs 3 %."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
