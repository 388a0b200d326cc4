"""Run: the lines of a test through the chain, and what came of them beside what was expected."""

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
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Origin
from shipper_schemas.metrics import Distribution, Metric

ABSENT = object()


class Difference(NamedTuple):
    """One thing that is not as expected; either side is None where there is nothing."""

    what: str
    expected: str | None
    found: str | None


@dataclass(slots=True)
class Outcome:
    """What came of the lines of a test."""

    events: list[dict[str, Any]] = field(default_factory=list)
    refused: list[list[str]] = field(default_factory=list)
    dropped: int = 0
    samples: dict[Series, float] = field(default_factory=dict)
    """What was added, in Prometheus's samples: a histogram's are `_count`, `_sum` and `_bucket`."""


def outcome_of(case: Case, pipeline: Pipeline, bounds: Bounds) -> Outcome:
    """Run the lines of `case`; `pipeline` is a new one, so that label bounds begin anew."""
    now_ms = parse_ms(case.now) or 0
    origin = Origin(
        "test", "test", service=case.service, container_name=case.container, http_source=case.http_source, host="test"
    )
    source, batch, found = Source.of(origin), Batch(), Outcome()
    kind = "docker" if case.type == "payload" else case.type
    for entry in entries(raw_lines(case), kind, bounds):
        handled = pipeline.handle(entry, source, now_ms)
        pipeline.add_counts(handled, batch)
        if handled.document is None:
            found.dropped += 1
            continue
        body = {**orjson.loads(handled.document.body), "_index": handled.document.index}
        if handled.outcome == INDEXED:
            found.events.append(body)
        else:
            found.refused.append([reason["kind"] for reason in body["reasons"]])
    found.samples = samples_of(batch, [*pipeline.counting.metrics(), VIOLATIONS])
    return found


def raw_lines(case: Case) -> Iterator[bytes]:
    """The lines as a runtime would have written them."""
    for line in case.lines:
        text = line if isinstance(line, str) else orjson.dumps(line).decode()
        if case.type == "payload":
            yield orjson.dumps({"log": f"{text}\n", "stream": case.stream, "time": case.now})
        else:
            yield text.encode()


def samples_of(batch: Batch, metrics: Iterable[Metric]) -> dict[Series, float]:
    """What a batch adds, as samples; those that are zero are left out but for a histogram that was added to."""
    declared = {metric.name: metric for metric in metrics}
    ledger = Ledger(declared)
    ledger.add(batch.counted, 0.0)
    found: dict[Series, float] = {}
    for (name, values), value in ledger.changes().items():
        metric = declared[name]
        labels = tuple(sorted(zip(metric.labels, values, strict=True)))
        if isinstance(value, Distribution):
            found |= _of_histogram(metric, labels, value)
        elif value:
            found[Series(name, labels)] = value
    return found


def _of_histogram(metric: Metric, labels: tuple[tuple[str, str], ...], value: Distribution) -> dict[Series, float]:
    found = {
        Series(f"{metric.name}_count", labels): float(sum(value.counts)),
        Series(f"{metric.name}_sum", labels): value.sum,
    }
    total = 0
    for bound, count in zip((*(f"{bound:g}" for bound in metric.buckets), "+Inf"), value.counts, strict=True):
        total += count
        found[Series(f"{metric.name}_bucket", tuple(sorted((*labels, ("le", bound)))))] = float(total)
    return found


def differences(case: Case, found: Outcome) -> list[Difference]:
    """What is not as the test expects it."""
    expected = case.expect
    differing: list[Difference] = []
    if expected.events is not None:
        differing += _pairwise("event", expected.events, found.events, _of_event, _event_text)
    if expected.quarantine is not None:
        wanted = [[kind.value for kind in kinds] for kinds in expected.quarantine]
        differing += _pairwise("quarantined entry", wanted, found.refused, _of_reasons, ", ".join)
    if expected.dropped is not None and expected.dropped != found.dropped:
        differing.append(Difference("dropped entries", str(expected.dropped), str(found.dropped)))
    if expected.counters is not None:
        differing += _of_counters(expected.series(), found.samples)
    return differing


def _pairwise(
    what: str,
    expected: list[Any],
    found: list[Any],
    compare: Callable[[str, Any, Any], Iterable[Difference]],
    told: Callable[[Any], str],
) -> Iterator[Difference]:
    for number, (wanted, got) in enumerate(zip_longest(expected, found, fillvalue=ABSENT), 1):
        name = f"{what} {number}"
        if wanted is ABSENT:
            yield Difference(name, None, told(got))
        elif got is ABSENT:
            yield Difference(name, told(wanted), None)
        else:
            yield from compare(name, wanted, got)


def _of_event(name: str, wanted: dict[str, Any], got: dict[str, Any]) -> Iterator[Difference]:
    for path, value in _flat(wanted, ()):
        there = _at(got, path)
        if value is None and there is ABSENT:
            continue
        if there is ABSENT or not _same(value, there):
            yield Difference(
                f"{name}, {'.'.join(path)}",
                "absent" if value is None else _text(value),
                None if there is ABSENT else _text(there),
            )


def _of_reasons(name: str, wanted: list[str], got: list[str]) -> Iterator[Difference]:
    if sorted(wanted) != sorted(got):
        yield Difference(name, ", ".join(wanted), ", ".join(got))


def _of_counters(wanted: dict[Series, float], found: dict[Series, float]) -> Iterator[Difference]:
    for series, value in wanted.items():
        got = found.get(series, 0.0)
        if got != value:
            yield Difference(str(series), f"{value:g}", f"{got:g}" if series in found else None)
    for series, got in found.items():
        if series not in wanted and _is_unasked(series, wanted):
            yield Difference(str(series), None, f"{got:g}")


def _is_unasked(series: Series, wanted: dict[Series, float]) -> bool:
    """Whether a sample that no one asked for is news: the shipper's own are not, nor further samples of a histogram."""
    if series.name.startswith(PREFIX):
        return False
    family, _, ending = series.name.rpartition("_")
    if ending in ("sum", "bucket"):
        return False
    if ending != "count":
        return True
    asked = {f"{family}_count", f"{family}_sum", f"{family}_bucket"}
    plain = dict(series.labels)
    return not any(
        other.name in asked and {name: value for name, value in other.labels if name != "le"} == plain
        for other in wanted
    )


def _flat(fields: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, str(name)))
        else:
            yield (*above, str(name)), value


def _at(body: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 -- any JSON value
    """What stands at a path; a key may hold dots itself, as labels do."""
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
