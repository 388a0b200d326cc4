"""Run the lines of a test through the chain, and compare the result with the expectation."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple

import orjson

from shipper.diagnose.read_lines import entries
from shipper.diagnose.rule_tests.series import Series
from shipper.diagnose.rule_tests.test_file import Case
from shipper.metrics.catalogue import PREFIX, VIOLATIONS
from shipper.metrics.registry import Ledger
from shipper.model.batch import INDEXED, Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.assemble import Bounds
from shipper_processors.payload_split import documents_of
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Origin
from shipper_schemas.metrics import Distribution, Metric

ABSENT = object()


class Difference(NamedTuple):
    """One difference from the expectation; a side without a value is None."""

    what: str
    expected: str | None
    found: str | None


@dataclass(slots=True)
class Outcome:
    """Result of processing the lines of a test."""

    events: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[list[str]] = field(default_factory=list)
    dropped: int = 0
    samples: dict[Series, float] = field(default_factory=dict)
    """Increments as Prometheus samples: a histogram has `_count`, `_sum` and `_bucket`."""


def outcome_of(case: Case, pipeline: Pipeline, bounds: Bounds) -> Outcome:
    """Run the lines of `case`; `pipeline` is new, so that label limits start empty."""
    now_ms = parse_ms(case.now) or 0
    origin = Origin(
        "test",
        "test",
        service=case.service,
        container_name=case.container,
        http_source=case.http_source,
        paths=case.paths,
        host="test",
    )
    source, batch, outcome = Source.of(origin), Batch(), Outcome()
    kind = "docker" if case.type == "payload" else case.type
    pairs = pipeline.pair_rules.of_log(origin)
    for entry in documents_of(entries(raw_lines(case), kind, bounds, pairs)):
        handled = pipeline.handle(entry, source, now_ms)
        pipeline.add_counts(handled, batch)
        if handled.document is None:
            outcome.dropped += 1
            continue
        body = {**orjson.loads(handled.document.body), "_index": handled.document.index}
        if handled.outcome == INDEXED:
            outcome.events.append(body)
        else:
            outcome.quarantined.append([reason["kind"] for reason in body["reasons"]])
    outcome.samples = samples_of(batch, [*pipeline.counting.metrics(), VIOLATIONS])
    return outcome


def raw_lines(case: Case) -> Iterator[bytes]:
    """Yield the lines as a container runtime writes them."""
    for line in case.lines:
        text = line if isinstance(line, str) else orjson.dumps(line).decode()
        if case.type == "payload":
            yield orjson.dumps({"log": f"{text}\n", "stream": case.stream, "time": case.now})
        else:
            yield text.encode()


def samples_of(batch: Batch, metrics: Iterable[Metric]) -> dict[Series, float]:
    """Return a batch's increments as samples; zeros are omitted, except those of an incremented histogram."""
    declared = {metric.name: metric for metric in metrics}
    ledger = Ledger(declared)
    ledger.add(batch.counted, 0.0)
    samples: dict[Series, float] = {}
    for (name, values), value in ledger.changes().items():
        metric = declared[name]
        labels = tuple(sorted(zip(metric.labels, values, strict=True)))
        if isinstance(value, Distribution):
            samples |= _of_histogram(metric, labels, value)
        elif value:
            samples[Series(name, labels)] = value
    return samples


def _of_histogram(metric: Metric, labels: tuple[tuple[str, str], ...], value: Distribution) -> dict[Series, float]:
    samples = {
        Series(f"{metric.name}_count", labels): float(sum(value.counts)),
        Series(f"{metric.name}_sum", labels): value.sum,
    }
    total = 0
    for bound, count in zip((*(f"{bound:g}" for bound in metric.buckets), "+Inf"), value.counts, strict=True):
        total += count
        samples[Series(f"{metric.name}_bucket", tuple(sorted((*labels, ("le", bound)))))] = float(total)
    return samples


def differences(case: Case, outcome: Outcome) -> list[Difference]:
    """Return the differences from the test's expectation."""
    expected = case.expect
    differing: list[Difference] = []
    if expected.events is not None:
        differing += _pairwise("event", expected.events, outcome.events, _of_event, _event_text)
    if expected.quarantine is not None:
        wanted = [[kind.value for kind in kinds] for kinds in expected.quarantine]
        differing += _pairwise("quarantined entry", wanted, outcome.quarantined, _of_reasons, ", ".join)
    if expected.dropped is not None and expected.dropped != outcome.dropped:
        differing.append(Difference("dropped entries", str(expected.dropped), str(outcome.dropped)))
    if expected.counters is not None:
        differing += _of_counters(expected.series(), outcome.samples)
    return differing


def _pairwise(
    what: str,
    expected: list[Any],
    actual: list[Any],
    compare: Callable[[str, Any, Any], Iterable[Difference]],
    describe: Callable[[Any], str],
) -> Iterator[Difference]:
    for number, (wanted, got) in enumerate(zip_longest(expected, actual, fillvalue=ABSENT), 1):
        name = f"{what} {number}"
        if wanted is ABSENT:
            yield Difference(name, None, describe(got))
        elif got is ABSENT:
            yield Difference(name, describe(wanted), None)
        else:
            yield from compare(name, wanted, got)


def _of_event(name: str, wanted: dict[str, Any], got: dict[str, Any]) -> Iterator[Difference]:
    for path, value in _flat(wanted, ()):
        stored = _at(got, path)
        if value is None and stored is ABSENT:
            continue
        if stored is ABSENT or not _same(value, stored):
            yield Difference(
                f"{name}, {'.'.join(path)}",
                "absent" if value is None else _text(value),
                None if stored is ABSENT else _text(stored),
            )


def _of_reasons(name: str, wanted: list[str], got: list[str]) -> Iterator[Difference]:
    if sorted(wanted) != sorted(got):
        yield Difference(name, ", ".join(wanted), ", ".join(got))


def _of_counters(wanted: dict[Series, float], actual: dict[Series, float]) -> Iterator[Difference]:
    for series, value in wanted.items():
        got = actual.get(series, 0.0)
        if got != value:
            yield Difference(str(series), f"{value:g}", f"{got:g}" if series in actual else None)
    for series, got in actual.items():
        if series not in wanted and _is_unexpected(series, wanted):
            yield Difference(str(series), None, f"{got:g}")


def _is_unexpected(series: Series, wanted: dict[Series, float]) -> bool:
    """Return True for an unexpected sample; the shipper's own and those of a listed histogram are ignored."""
    if series.name.startswith(PREFIX):
        return False
    family, _, ending = series.name.rpartition("_")
    if ending in ("sum", "bucket"):
        return False
    if ending != "count":
        return True
    expected_names = {f"{family}_count", f"{family}_sum", f"{family}_bucket"}
    plain = dict(series.labels)
    return not any(
        other.name in expected_names and {name: value for name, value in other.labels if name != "le"} == plain
        for other in wanted
    )


def _flat(fields: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, str(name)))
        else:
            yield (*above, str(name)), value


def _at(body: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 -- any JSON value
    """Return the value at a path; a key may contain dots itself, as labels do."""
    if not path:
        return body
    if not isinstance(body, dict):
        return ABSENT
    if path[0] in body:
        return _at(body[path[0]], path[1:])
    head, dot, rest = path[0].partition(".")
    return _at(body[head], (rest, *path[1:])) if dot and head in body else ABSENT


def _same(wanted: object, got: object) -> bool:
    return wanted == got and isinstance(wanted, bool) == isinstance(got, bool)


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _event_text(event: dict[str, Any]) -> str:
    added = ("stream", "host", "log", "service", "container", "_index")
    return _text({name: value for name, value in event.items() if name not in added})
