"""Samples of logs: the share of entries that would be quarantined, and where time, level, message and id come from.

Also the counters to which one request would add twice, by an event and by its own record.

The end of each log runs through the chain. Nothing is stored or counted.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from shipper.diagnose.explain import TIME_KINDS, decoded
from shipper.diagnose.read_lines import entries
from shipper.inputs.files.envelope_check import RUNTIMES, runtime_of_line
from shipper.inputs.files.handles import PlainHandle
from shipper.inputs.files.tailer import Input
from shipper.model.source import Source
from shipper.pipeline.pipeline import Assessed, Pipeline, counted_event
from shipper.presentation.quarantine_notice import IDS, admission_of
from shipper.system.clock import Clock
from shipper_processors.assemble import Bounds
from shipper_processors.normalise import LOCAL, Normaliser
from shipper_processors.payload_split import documents_of
from shipper_schemas.entry import Entry, HttpSource, Origin
from shipper_schemas.field_sources import TIME_FIELD
from shipper_schemas.metrics import Labels
from shipper_schemas.violation import Kind, Policy

HTTP_OFF: HttpSource = "off"
SAMPLE_LINES = 500
SAMPLE_BYTES = 512 * 1024
"""Maximum size of the end of a log that is sampled."""
MOST_LOGS = 200
LONGEST_S = 10.0
"""Maximum time for all samples."""
MOST_QUARANTINED = 0.03
"""Largest share of quarantined entries that is not a problem."""
KNOWN = {"level": "level", "message": "message", "id": "correlation_id"}
"""Known fields by the words for them."""
SHOWN = ("time", *KNOWN)
MISSING = "missing"
LABEL = "shipper.require-correlation-id=never"
LABEL_OFF = "shipper.http-source=off"
MOST_SOURCES = 2
"""Number of sources shown of each field."""


class LogSample(NamedTuple):
    """The result of one log."""

    log: str
    """The container, else the service or the file."""
    kind: str
    """The type of the input."""
    detected: str
    """The type that the lines seem to have."""
    is_container: bool
    number: int
    """Number of sampled entries."""
    quarantined: int
    reasons: tuple[tuple[str, int], ...]
    """Kinds of violation of the quarantined entries, the most frequent first."""
    sources: dict[str, tuple[tuple[str, int], ...]]
    """For time, level, message and id the fields that they come from, the most frequent first; `missing` at the end."""
    counted_twice: tuple[tuple[str, int], ...] = ()
    """Counters that count a request twice, with the number of its correlation ids."""
    split_requests: int = 0
    """Number of ids whose request is in two entries, the path in one and the status in another, that do not match."""

    @property
    def is_wrong_type(self) -> bool:
        """True if the lines certainly have the format of a runtime, and the input another type."""
        return self.detected in RUNTIMES and self.detected != self.kind


@dataclass(slots=True)
class _SplitRequests:
    """Finds requests that no entry records whole and that are not matched, so that no counter can see them."""

    begun: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)

    def add(self, event: dict[str, Any]) -> None:
        """Add an event as the rules see it; without an id it has no peers."""
        correlation_id = event.get("correlation_id")
        if not isinstance(correlation_id, str):
            return
        has_path, has_status = "method" in event and "path" in event, "status_code" in event
        if has_path and has_status:
            self.whole.add(correlation_id)
        elif has_path:
            self.begun.add(correlation_id)
        elif has_status:
            self.answered.add(correlation_id)

    def result(self) -> int:
        """Return the number of ids of such requests."""
        return len((self.begun & self.answered) - self.whole)


@dataclass(slots=True)
class _CountedTwice:
    """Finds the counters to which an event and the record of the same request both add."""

    ways: dict[tuple[str, str, Labels], set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, pipeline: Pipeline, entry: Entry, event: dict[str, Any], origin: Origin) -> None:
        """Add an entry; without an id, or with one that a process counts up, it has no peers."""
        correlation_id = event.get("correlation_id")
        if not isinstance(correlation_id, str) or event.get("correlation_scope") == LOCAL:
            return
        rest = (entry.stream, origin.service or "unknown")
        series = {
            way: {
                (one.metric, one.labels)
                for one in pipeline.counting.increments(event, *rest, way, origin.container_name or "", origin.paths)
            }
            for way in {origin.http_source, HTTP_OFF}
        }
        for key in series[origin.http_source]:
            self.ways[correlation_id, *key].add("event" if key in series[HTTP_OFF] else "request")

    def result(self) -> tuple[tuple[str, int], ...]:
        """Return each counter with the number of ids that it counts twice."""
        ids: dict[str, set[str]] = defaultdict(set)
        for (correlation_id, metric, _), ways in self.ways.items():
            if len(ways) > 1:
                ids[metric].add(correlation_id)
        return tuple(sorted((metric, len(those)) for metric, those in ids.items()))


@dataclass(slots=True)
class _Tally:
    number: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    sources: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in SHOWN})

    def add(self, entry: Entry, assessed: Assessed, normaliser: Normaliser) -> None:
        """Add one entry."""
        if assessed.policy is Policy.DROP:
            return
        self.number += 1
        if assessed.policy is Policy.QUARANTINE:
            self.quarantined += 1
            self.reasons.update({violation.kind.value: 1 for violation in assessed.violations})
        for name, source in field_sources(entry, assessed, normaliser).items():
            self.sources[name][source] += 1


@dataclass(slots=True)
class Sampler:
    """Samples the logs of inputs through `pipeline`."""

    inputs: Sequence[Input]
    pipeline: Pipeline
    bounds: Bounds
    clock: Clock

    def samples(self) -> Iterator[LogSample | str]:
        """Yield the sample of each log that has entries, in the order of the inputs; a sentence if not all fit."""
        until, number = self.clock.monotonic() + LONGEST_S, 0
        for source in self.inputs:
            for path in source.scanner.paths():
                if number == MOST_LOGS or self.clock.monotonic() > until:
                    yield f"only the first {number} logs were sampled"
                    return
                number += 1
                sample = self._sample(source, path)
                if sample is not None:
                    yield sample

    def _sample(self, source: Input, path: str) -> LogSample | None:
        try:
            lines = last_lines(path)
        except OSError:
            return None  # reported by the check of the input
        if not lines:
            return None
        log, tally, now_ms = Source.of(source.origin(path, path)), _Tally(), self.clock.wall_ms()
        counted_twice, split_requests = _CountedTwice(), _SplitRequests()
        normaliser = self.pipeline.enforce.normaliser_of(log.origin.fields)
        pairs = self.pipeline.pair_rules.of_log(log.origin)
        for entry in islice(documents_of(entries(lines, source.kind, self.bounds, pairs)), SAMPLE_LINES):
            handled = self.pipeline.handle(entry, log, now_ms, count=False, ship=False)
            tally.add(entry, handled.assessed, normaliser)
            event = counted_event(handled.assessed, entry)
            counted_twice.add(self.pipeline, entry, event, log.origin)
            split_requests.add(event)
        if tally.number == 0:
            return None
        return LogSample(
            log.name or path,
            source.kind,
            runtime_of_line(lines[-1].removesuffix(b"\n")) or "plain",
            log.origin.container_id is not None and not log.origin.kubernetes,
            tally.number,
            tally.quarantined,
            tuple(tally.reasons.most_common()),
            {name: tuple(_missing_last(counts)) for name, counts in tally.sources.items()},
            counted_twice.result(),
            split_requests.result(),
        )


def _missing_last(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.most_common(), key=lambda source: source[0] == MISSING)


def last_lines(path: str) -> list[bytes]:
    """Return the last whole lines of a file, at most SAMPLE_LINES. Raises OSError."""
    handle = PlainHandle(path)
    try:
        start = max(0, (handle.size() or 0) - SAMPLE_BYTES)
        content = handle.read(start, SAMPLE_BYTES)
    finally:
        handle.close()
    lines = content.split(b"\n")[1 if start else 0 : -1]
    return [line + b"\n" for line in lines[-SAMPLE_LINES:]]


def field_sources(entry: Entry, assessed: Assessed, normaliser: Normaliser) -> dict[str, str]:
    """Return where time, level, message and id of one entry come from, as words for people."""
    event = assessed.event
    if entry.broken is not None:
        return {"time": _clock(entry)}
    shape, fields = decoded(entry)
    if shape != "structured":
        dated = entry.time is None and fields.get("time") is not None
        sources = dict.fromkeys(event, "text") | ({TIME_FIELD: "text"} if dated else {})
    else:
        sources = normaliser.sources(fields)
    doubted = any(violation.kind in TIME_KINDS for violation in assessed.violations)
    time = None if doubted else sources.get(TIME_FIELD)
    places = {name: sources.get(known, known) if known in event else MISSING for name, known in KNOWN.items()}
    if "message" not in sources and shape == "structured" and places["message"] != MISSING:
        places["message"] = "event" if event["message"] == event.get("event") else "message"
    return {"time": time or _clock(entry), **places}


def _clock(entry: Entry) -> str:
    return "the runtime" if entry.time is not None else "the time of reading"


def sentences(sample: LogSample) -> tuple[str, str]:
    """Return a sentence about a sample and the fix, which is empty if nothing is wrong."""
    what, hint = _quarantine_sentences(sample)
    if sample.split_requests:
        which = "1 request has" if sample.split_requests == 1 else f"{sample.split_requests:,} requests have"
        what = f"{what}; {which} path and status in two entries that are not matched, and no counter sees them"
        fix = "to count requests, log a duration with the status, or method, path and status in one entry"
        hint = f"{hint}; {fix}" if hint else fix
    if not sample.counted_twice:
        return what, hint
    counters = " and ".join(f"{name} ({number:,})" for name, number in sample.counted_twice)
    off = f"label the container `{LABEL_OFF}`" if sample.is_container else "set `http_source: off` for the input"
    fix = f"to count such operations by their events alone, {off}"
    return (
        f"{what}; operations counted twice, by an event and by the request that logged it: {counters}",
        f"{hint}; {fix}" if hint else fix,
    )


def _quarantine_sentences(sample: LogSample) -> tuple[str, str]:
    number = "1 entry" if sample.number == 1 else f"{sample.number:,} entries"
    origin = "; ".join(
        f"{name} {_shares(counts)}" for name, counts in sample.sources.items() if any(number for _, number in counts)
    )
    wrong = f"the lines have the format `{sample.detected}`: change the type of the input"
    if not sample.quarantined:
        what = f"{number} sampled, none would be quarantined; {origin}"
        return what, wrong if sample.is_wrong_type else ""
    reason, most = sample.reasons[0]
    percent = max(1, round(100 * sample.quarantined / sample.number))
    reasons = f"for {reason}" if most == sample.quarantined else f"{most:,} of them for {reason}"
    what = f"{number} sampled, {sample.quarantined:,} ({percent} %) would be quarantined, {reasons}; {origin}"
    if sample.is_wrong_type or (reason == Kind.ENVELOPE_INVALID and sample.detected != sample.kind):
        return what, wrong
    admission = admission_of(reason)
    return (
        what,
        f"{admission}, or label the container `{LABEL}`" if reason in IDS and sample.is_container else admission,
    )


def _shares(counts: Iterable[tuple[str, int]]) -> str:
    listed = list(counts)
    if len(listed) == 1:
        name = listed[0][0]
        return name if name == MISSING else f"from {name}"
    total = sum(number for _, number in listed)
    parts = [f"{name} {round(100 * number / total)} %" for name, number in listed]
    named, missing = (parts[:-1], [parts[-1]]) if listed[-1][0] == MISSING else (parts, [])
    more = f" and {len(named) - MOST_SOURCES} more" if len(named) > MOST_SOURCES else ""
    return ", ".join([f"from {', '.join(named[:MOST_SOURCES])}{more}", *missing])


Samples = Callable[[], Iterator[LogSample | str]]
"""Samples the logs of the inputs. Raises ShipperError."""


def no_samples() -> Iterator[LogSample | str]:
    """Sample nothing."""
    yield from ()
