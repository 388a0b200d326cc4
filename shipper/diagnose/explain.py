"""Reasons: explanations of the chain's decisions about one entry. The chain itself does not run again.

Conditions are evaluated here part by part, so that the part that does not hold can be named; a test compares these
results with those of the compiled rules.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from shipper.pipeline.pipeline import Assessed
from shipper_processors.conditions import RUNTIME_FIELDS, RuntimeValues, field_reader, value_tests
from shipper_processors.enforce import excerpt
from shipper_processors.levels import time_of
from shipper_processors.normalise import Normaliser
from shipper_processors.payload import decode_payload
from shipper_processors.redact import Redactor
from shipper_processors.request_records import events_besides_requests, is_counted_request, request_record
from shipper_schemas.entry import Entry, HttpSource, Paths
from shipper_schemas.field_sources import TIME_FIELD
from shipper_schemas.metrics import Increment
from shipper_schemas.rules import Condition, Matcher, Rule
from shipper_schemas.violation import Kind

MARK = re.compile(r"\[redacted:([^\]:]+)")
LONGEST = 60
Context = tuple[dict[str, Any], RuntimeValues, "Requests", Callable[[str], str]]
"""Event, its place, the requests that count, and the mask for shown values."""
TIME_KINDS = (Kind.TIMESTAMP_INVALID, Kind.TIMESTAMP_SKEWED, Kind.TIMESTAMP_ZONE)


class RuleReason(NamedTuple):
    """Result of one rule: the labels of its increment, or the reason it did not count."""

    metric: str
    counted: bool
    why: str
    near: bool
    """True if all but one part of a case hold."""


class Requests(NamedTuple):
    """The requests that count for a log, and the comparison of their paths."""

    http_source: HttpSource = "structured"
    paths: Paths = "tolerant"
    other_events: frozenset[str] = frozenset()
    """Events that rules name, and that record no request."""


class Redaction(NamedTuple):
    """A masked part: its field, the field rule or pattern that masked it, and the number of times."""

    field: str
    by: str
    times: int


class Verdict(NamedTuple):
    """Evaluation of a condition: descriptions of the parts that hold, and of those that do not."""

    met: list[str]
    unmet: list[str]


# --- counters -------------------------------------------------------------------------------------


def rule_reasons(  # noqa: PLR0913, PLR0917 -- the inputs of a rule
    rules: Sequence[Rule],
    event: dict[str, Any],
    place: RuntimeValues,
    http_source: HttpSource,
    added: Sequence[Increment],
    mask: Callable[[str], str] = str,
    paths: Paths = "tolerant",
) -> list[RuleReason]:
    """Return the result of every rule; `added` are the event's increments, and `mask` is applied to shown values."""
    requests = Requests(http_source, paths, events_besides_requests(rules))
    by_metric = {increment.metric: increment for increment in added}
    return [_rule_reason(rule, by_metric.get(rule.name), (event, place, requests, mask)) for rule in rules]


def _rule_reason(rule: Rule, added: Increment | None, context: Context) -> RuleReason:
    verdicts = [evaluate(case.when, *context) for case in rule.all_cases()]
    match = next((verdict for verdict in verdicts if not verdict.unmet), None)
    if match is not None and added is not None:
        labels = dict(zip(rule.label_names(), added.labels, strict=True))
        shown = f"; {', '.join(f'{name}={value}' for name, value in labels.items())}" if labels else ""
        return RuleReason(rule.name, counted=True, why=f"{' and '.join(match.met)}{shown}", near=True)
    if match is not None:
        why = f"{' and '.join(match.met)}, but {rule.field} is not a number of zero or more"
        return RuleReason(rule.name, counted=False, why=why, near=True)
    nearest = min(verdicts, key=lambda verdict: (len(verdict.unmet), -len(verdict.met)))
    near = len(nearest.unmet) == 1 and bool(nearest.met)
    return RuleReason(rule.name, counted=False, why="; ".join(nearest.unmet), near=near)


def evaluate(
    condition: Condition,
    event: dict[str, Any],
    place: RuntimeValues,
    requests: Requests,
    mask: Callable[[str], str] = str,
) -> Verdict:
    """Evaluate a condition part by part; of alternatives, the one that comes nearest."""
    evaluation = Verdict([], [])
    if condition.request:
        stream = place[RUNTIME_FIELDS["stream"]]
        if is_counted_request(event, stream, requests.http_source, requests.other_events):
            evaluation.met.append(f"request record ({requests.http_source})")
        else:
            evaluation.unmet.append(_no_request(event, requests, mask))
    for name, matcher in condition.fields.items():
        value = field_reader(name)(event, place)
        if all(test(value) for test in value_tests(name, matcher, requests.paths)):
            evaluation.met.append(f"{name} is {_shown(value, mask)}")
        else:
            evaluation.unmet.append(f"{name} is {_shown(value, mask)}, not {describe(matcher)}")
    for part in condition.all:
        _extend(evaluation, evaluate(part, event, place, requests, mask))
    if condition.any:
        verdicts = [evaluate(part, event, place, requests, mask) for part in condition.any]
        _extend(evaluation, min(verdicts, key=lambda verdict: (len(verdict.unmet), -len(verdict.met))))
    return evaluation


def _no_request(event: dict[str, Any], requests: Requests, mask: Callable[[str], str]) -> str:
    """Return the reason why an event is no request that counts."""
    record, source = request_record(event), requests.http_source
    if source == "off":
        return "no request counts: http_source is off"
    if record is None:
        name = _shown(event.get("event"), mask)
        return f"no request record: event is {name}, without method, path and status_code"
    if record == source:
        return "the request does not count: a rule names its event, or an access line is not on stdout"
    return f"no request record of http_source {source}: the record is {record}"


def _extend(verdict: Verdict, part: Verdict) -> None:
    verdict.met.extend(part.met)
    verdict.unmet.extend(part.unmet)


def describe(matcher: Matcher) -> str:
    """Describe a matcher in words."""
    parts = []
    if matcher.equals is not None:
        parts.append(_shown(matcher.equals))
    if matcher.one_of is not None:
        parts.append(f"one of {', '.join(map(_shown, matcher.one_of))}")
    if matcher.prefix is not None:
        parts.append(f"{matcher.prefix}…")
    if matcher.contains is not None:
        parts.append(f"…{matcher.contains}…")
    if matcher.glob is not None:
        parts.append(f"like {matcher.glob}")
    if matcher.route is not None:
        parts.append(matcher.route)
    if matcher.min is not None:
        parts.append(f"{matcher.min:g} or more")
    if matcher.max is not None:
        parts.append(f"{matcher.max:g} or less")
    if matcher.preset is not None:
        parts.append(f"recognised by the preset test {matcher.preset}")
    return " and ".join(parts)


def _shown(value: object, mask: Callable[[str], str] = str) -> str:
    if value is None:
        return "absent"
    if not isinstance(value, str):
        return mask(str(value))[:LONGEST]
    value = mask(value)
    return value if value.isprintable() and 0 < len(value) <= LONGEST else excerpt(value)


# --- correlation id, time, redaction --------------------------------------------------------------


def correlation_reason(entry: Entry, assessed: Assessed, normaliser: Normaliser) -> str:
    """Return the source of the correlation id, and the values that were meant as ids and cannot be used."""
    shape, fields = decoded(entry)
    if shape != "structured":
        return "not required: the entry is not structured"
    identifier = assessed.event.get("correlation_id")
    unusable = [f"{source} is invalid" for source, _ in normaliser.normalise(_copied(fields)).unusable]
    if identifier is None:
        return f"none: {'; '.join(unusable) or 'no field has one'}"
    before = f" ({'; '.join(unusable)})" if unusable else ""
    return f"{identifier}, from {normaliser.sources(fields).get('correlation_id', 'correlation_id')}{before}"


def decoded(entry: Entry) -> tuple[str, dict[str, Any]]:
    """Return shape and fields of an entry's text."""
    if entry.broken is not None:
        return "broken", {}
    shape, fields, _ = decode_payload(entry.text, cut=entry.cut is not None)
    return shape, fields


def _copied(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, dict) else value for name, value in fields.items()}


def time_reason(entry: Entry, assessed: Assessed, runtime_ms: int | None, normaliser: Normaliser) -> str:
    """Return the source of the entry's time, with the reason."""
    problem = next((violation.detail for violation in assessed.violations if violation.kind in TIME_KINDS), None)
    own = runtime_ms is not None
    if problem is not None:
        return f"the runtime's: {problem}" if own else problem
    shape, fields = decoded(entry)
    source = normaliser.sources(fields).get(TIME_FIELD) if shape == "structured" else None
    if source is not None:
        return f"the application's `{source}`"
    if own:
        return "the runtime's: the entry has no `timestamp`"
    if shape != "structured" and assessed.time_ms != 0 and _begins_with_time(entry, fields):
        return "the time in the line"
    return "the time of reading: neither the runtime nor the line has one"


def _begins_with_time(entry: Entry, fields: dict[str, Any]) -> bool:
    return fields.get("time") is not None or time_of(entry.text) is not None


def redactions(redactor: Redactor, event: dict[str, Any]) -> list[Redaction]:
    """Return the masked parts of an event, field by field; never the original values."""
    return list(_compared(event, redactor.redact_event(event), ""))


def text_redactions(redactor: Redactor, text: str) -> list[Redaction]:
    """Return the masked parts of a raw text."""
    return list(_marks("raw", text, redactor.redact_raw(text)))


def _compared(before: Any, after: Any, path: str) -> Iterator[Redaction]:  # noqa: ANN401 -- any JSON value
    if isinstance(before, dict) and isinstance(after, dict):
        for (name, value), (masked_name, masked) in zip(before.items(), after.items(), strict=True):
            inner = f"{path}.{masked_name}" if path else masked_name
            yield from _marks(f"name of {inner}", str(name), masked_name)
            yield from _compared(value, masked, inner)
    elif isinstance(before, list | tuple) and isinstance(after, list):
        for value, masked in zip(before, after, strict=True):
            yield from _compared(value, masked, path)
    elif before != after:
        yield from _marks(path, str(before), str(after))


def _marks(field: str, before: str, after: str) -> Iterator[Redaction]:
    if before == after:
        return
    existing = MARK.findall(before)
    for name in dict.fromkeys(MARK.findall(after)):
        times = MARK.findall(after).count(name) - existing.count(name)
        if times > 0:
            yield Redaction(field, name, times)
