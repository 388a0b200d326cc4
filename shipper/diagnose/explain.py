"""Reasons: why the chain decided as it did with one entry, for people. The chain itself is not asked twice.

The conditions are asked here part by part, so that the part which does not hold can be named; a test holds these
verdicts against those of the compiled rules.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from shipper.pipeline.pipeline import Assessed
from shipper_processors.conditions import PLACES, Place, look, value_tests
from shipper_processors.count import RECORDS
from shipper_processors.enforce import shown, trace_id, usable
from shipper_processors.levels import time_of
from shipper_processors.payload import decode_payload
from shipper_processors.redact import Redactor
from shipper_schemas.entry import Entry, HttpSource
from shipper_schemas.metrics import Increment
from shipper_schemas.rules import Condition, Matcher, Rule
from shipper_schemas.violation import Kind

MARK = re.compile(r"\[redacted:([^\]:]+)")
LONGEST = 60
Of = tuple[dict[str, Any], Place, HttpSource, Callable[[str], str]]
"""What a condition is asked of: the event, its place, the source of requests; and what masks a value that is told."""
TIME_KINDS = (Kind.TIMESTAMP_INVALID, Kind.TIMESTAMP_SKEWED)


class RuleReason(NamedTuple):
    """What came of one rule: the labels of its increment, or what stood in its way."""

    metric: str
    counted: bool
    why: str
    near: bool
    """Whether but one part of a case did not hold, and another did."""


class Redaction(NamedTuple):
    """Something that was masked: where, by which field rule or pattern, and how often."""

    field: str
    by: str
    times: int


class Verdict(NamedTuple):
    """How a condition fares: parts that hold, in words, and parts that do not."""

    held: list[str]
    failed: list[str]


# --- counters -------------------------------------------------------------------------------------


def rule_reasons(  # noqa: PLR0913, PLR0917 -- what a rule is asked of
    rules: Sequence[Rule],
    event: dict[str, Any],
    place: Place,
    http_source: HttpSource,
    added: Sequence[Increment],
    mask: Callable[[str], str] = str,
) -> list[RuleReason]:
    """What came of every rule; `added` is what the event adds, and `mask` sees each value that is told."""
    stream = place[PLACES["stream"]]
    source: HttpSource = "off" if http_source == "access" and stream != "stdout" else http_source
    by_metric = {increment.metric: increment for increment in added}
    return [_rule_reason(rule, by_metric.get(rule.name), (event, place, source, mask)) for rule in rules]


def _rule_reason(rule: Rule, added: Increment | None, of: Of) -> RuleReason:
    verdicts = [asked(case.when, *of) for case in rule.all_cases()]
    held = next((verdict for verdict in verdicts if not verdict.failed), None)
    if held is not None and added is not None:
        labels = dict(zip(rule.label_names(), added.labels, strict=True))
        told = f"; {', '.join(f'{name}={value}' for name, value in labels.items())}" if labels else ""
        return RuleReason(rule.name, counted=True, why=f"{' and '.join(held.held)}{told}", near=True)
    if held is not None:
        why = f"{' and '.join(held.held)}, but {rule.field} is no number of zero or more"
        return RuleReason(rule.name, counted=False, why=why, near=True)
    nearest = min(verdicts, key=lambda verdict: (len(verdict.failed), -len(verdict.held)))
    near = len(nearest.failed) == 1 and bool(nearest.held)
    return RuleReason(rule.name, counted=False, why="; ".join(nearest.failed), near=near)


def asked(
    condition: Condition, event: dict[str, Any], place: Place, source: HttpSource, mask: Callable[[str], str] = str
) -> Verdict:
    """How a condition fares, part by part; of alternatives, the one that comes nearest."""
    found = Verdict([], [])
    if condition.request:
        record, name = RECORDS[source], event.get("event")
        if record is not None and name == record:
            found.held.append(f"the record of a request ({record})")
        elif record is None:
            found.failed.append("no request counts here (http_source is off, or an access line is not on stdout)")
        else:
            found.failed.append(
                f"no record of a request: event is {_told(name, mask)}, and http_source asks for {record}"
            )
    for name, matcher in condition.fields.items():
        value = look(name)(event, place)
        if all(test(value) for test in value_tests(matcher)):
            found.held.append(f"{name} is {_told(value, mask)}")
        else:
            found.failed.append(f"{name} is {_told(value, mask)}, not {wanted(matcher)}")
    for part in condition.all:
        _take(found, asked(part, event, place, source, mask))
    if condition.any:
        verdicts = [asked(part, event, place, source, mask) for part in condition.any]
        _take(found, min(verdicts, key=lambda verdict: (len(verdict.failed), -len(verdict.held))))
    return found


def _take(found: Verdict, part: Verdict) -> None:
    found.held.extend(part.held)
    found.failed.extend(part.failed)


def wanted(matcher: Matcher) -> str:
    """What a matcher asks for, in words."""
    parts = []
    if matcher.equals is not None:
        parts.append(_told(matcher.equals))
    if matcher.one_of is not None:
        parts.append(f"one of {', '.join(map(_told, matcher.one_of))}")
    if matcher.prefix is not None:
        parts.append(f"{matcher.prefix}…")
    if matcher.glob is not None:
        parts.append(f"like {matcher.glob}")
    if matcher.route is not None:
        parts.append(matcher.route)
    if matcher.min is not None:
        parts.append(f"{matcher.min:g} or more")
    if matcher.max is not None:
        parts.append(f"{matcher.max:g} or less")
    return " and ".join(parts)


def _told(value: object, mask: Callable[[str], str] = str) -> str:
    if value is None:
        return "absent"
    if not isinstance(value, str):
        return mask(str(value))[:LONGEST]
    value = mask(value)
    return value if value.isprintable() and 0 < len(value) <= LONGEST else shown(value)


# --- correlation id, time, redaction --------------------------------------------------------------


def correlation_reason(entry: Entry, assessed: Assessed, sources: Sequence[str]) -> str:
    """Which field the correlation id is from, and what was wrong with those before it."""
    shape, fields, _ = decode_payload(entry.text) if entry.broken is None else ("broken", {}, None)
    if shape != "structured":
        return "none is asked for: no structured entry"
    passed: list[str] = []
    for source in sources:
        value = fields.get(source)
        found = trace_id(value) if source == "traceparent" else value
        if isinstance(found, str) and usable(found):
            before = f" ({'; '.join(passed)})" if passed else ""
            return f"{assessed.event.get('correlation_id', found)}, from {source}{before}"
        if value is not None:
            passed.append(f"{source} is not usable")
    return f"none: {'; '.join(passed)}" if passed else f"none: there is no {', '.join(sources)}"


def time_reason(entry: Entry, assessed: Assessed, runtime_ms: int | None) -> str:
    """Whose time was taken, and why."""
    refused = next((found.detail for found in assessed.violations if found.kind in TIME_KINDS), None)
    own = runtime_ms is not None
    if refused is not None:
        return f"the runtime's: {refused}" if own else refused
    shape, fields, _ = decode_payload(entry.text) if entry.broken is None else ("broken", {}, None)
    if fields.get("timestamp") is not None:
        return "the application's `timestamp`"
    if own:
        return "the runtime's: the entry has no `timestamp`"
    if shape != "structured" and assessed.time_ms != 0 and _begins_with_time(entry, fields):
        return "the one that the line tells"
    return "the time of reading: neither the runtime nor the line tells one"


def _begins_with_time(entry: Entry, fields: dict[str, Any]) -> bool:
    return fields.get("time") is not None or time_of(entry.text) is not None


def redactions(redactor: Redactor, event: dict[str, Any]) -> list[Redaction]:
    """What is masked in an event, field by field; never what stood there."""
    return list(_compared(event, redactor.redact_event(event), ""))


def text_redactions(redactor: Redactor, text: str) -> list[Redaction]:
    """What is masked in a raw text."""
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
    there = MARK.findall(before)
    for name in dict.fromkeys(MARK.findall(after)):
        times = MARK.findall(after).count(name) - there.count(name)
        if times > 0:
            yield Redaction(field, name, times)
