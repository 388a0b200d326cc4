"""Count: rules compiled once into what each event adds to the counters. Nothing is added here; increments come out.

Counting sees every event before any policy: a violation must not hide a failed login.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from itertools import product
from typing import Any, Literal, NamedTuple

from schemas.entry import HttpSource
from schemas.metrics import Increment, Labels, Metric, SeriesKey
from schemas.rules import Condition, Label, Matcher, Rule

OTHER = "other"
LONGEST_LABEL = 120
MOST_PLANS = 2000
"""Names come from logs: past this many, plans are made afresh."""
REQUESTS = frozenset(
    {
        ("request_complete", "structured", "stdout"),
        ("request_complete", "structured", "stderr"),
        ("http_access", "access", "stdout"),
    }
)
"""Event, setting and stream of the records of requests. Access lines count from stdout alone: a decoded query string
can forge whole lines on stderr."""


class Seen(NamedTuple):
    """What a condition looks at."""

    event: dict[str, Any]
    stream: str
    service: str


Test = Callable[[Seen], bool]
Value = Callable[[Seen], str]


Decided = tuple[str | None, str | None, int | None, bool]
"""What is known of an event before a rule is asked: its name, method, status, and whether it is the record of a request
that counts for its container."""


@dataclass(slots=True)
class CompiledRule:
    """A rule with the label values it has admitted."""

    rule: Rule
    values: tuple[tuple[Value, ...], ...]
    """For each case, where its labels come from."""
    names: tuple[str, ...]
    known: set[Labels] = field(default_factory=set)
    admitted: list[set[str]] = field(default_factory=list)


Plan = tuple[tuple[CompiledRule, tuple[tuple[Test | Literal[True], tuple[Value, ...]], ...]], ...]


class Counting:
    """The rules, ready to count."""

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        max_label_values: int = 100,
        known: Iterable[SeriesKey] = (),
        services: Iterable[str] = (),
    ) -> None:
        """`known` series keep their place under the bound of `max_label_values` distinct values a label.

        Declared series of `services` start at zero, before their first event.
        """
        self._most = max_label_values
        self._overflows: Counter[str] = Counter()
        self._rules = {rule.name: _compiled(rule) for rule in rules}
        self._services = list(dict.fromkeys(services))
        for rule in self._rules.values():
            for labels in self._declared_labels(rule, self._services):
                _admit(rule, labels)
        for name, labels in known:
            if name in self._rules and len(labels) == len(self._rules[name].names):
                _admit(self._rules[name], labels)
        self._plans: dict[Decided, Plan] = {}

    def _plan(self, decided: "Decided") -> "Plan":
        """The rules that can hold for such an event, with what remains to be asked.

        Most events are in no rule, and most requests change nothing: their plan is empty.
        """
        plan = []
        for rule in self._rules.values():
            cases = []
            for case, values in zip(rule.rule.all_cases(), rule.values, strict=True):
                test = _test(case.when, decided)
                if test is not False:
                    cases.append((test, values))
            if cases:
                plan.append((rule, tuple(cases)))
        found = tuple(plan)
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        self._plans[decided] = found
        return found

    def metrics(self) -> list[Metric]:
        """Declarations of all metrics."""
        return [
            Metric(rule.rule.name, rule.rule.type, rule.rule.help, rule.names, rule.rule.buckets)
            for rule in self._rules.values()
        ]

    def declared(self) -> list[SeriesKey]:
        """Series that start at zero, so that `increase()` sees their first event."""
        return [
            (name, labels)
            for name, rule in self._rules.items()
            for labels in self._declared_labels(rule, self._services)
        ]

    def admit_service(self, service: str) -> list[SeriesKey]:
        """Series of a service that was not known before; they start at zero as well."""
        if service in self._services:
            return []
        self._services.append(service)
        found = []
        for name, rule in self._rules.items():
            for labels in self._declared_labels(rule, [service]):
                if labels not in rule.known and self._fits(rule, labels):
                    _admit(rule, labels)
                    found.append((name, labels))
        return found

    def increments(self, event: dict[str, Any], stream: str, service: str, http_source: HttpSource) -> list[Increment]:
        """What one event adds; empty for most. The event may hold anything."""
        name, method, status = event.get("event"), event.get("method"), event.get("status_code")
        decided = (
            name if type(name) is str else None,
            method if type(method) is str else None,
            status if type(status) is int else None,
            type(name) is str and (name, http_source, stream) in REQUESTS,
        )
        plan = self._plans.get(decided)
        if plan is None:
            plan = self._plan(decided)
        if not plan:
            return []
        seen = Seen(event, stream, service)
        found = []
        for rule, cases in plan:
            for test, values in cases:
                if test is True or test(seen):
                    labels = tuple([value(seen) for value in values])
                    if labels not in rule.known:
                        labels = self._bounded(rule, labels)
                    amount = 1 if rule.rule.field is None else _number(_of(event, rule.rule.field), rule.rule.scale)
                    if amount is not None:
                        found.append(Increment(rule.rule.name, labels, amount))
                    break
        return found

    def take_overflows(self) -> dict[str, int]:
        """How often a label value was counted as `other`, by metric, since last asked."""
        found, self._overflows = dict(self._overflows), Counter()
        return found

    def _bounded(self, rule: CompiledRule, labels: Labels) -> Labels:
        bounded = tuple(
            value if _sane(value) and (value in admitted or len(admitted) < self._most) else OTHER
            for value, admitted in zip(labels, rule.admitted, strict=True)
        )
        if bounded != labels:
            self._overflows[rule.rule.name] += 1
        _admit(rule, bounded)
        return bounded

    def _fits(self, rule: CompiledRule, labels: Labels) -> bool:
        pairs = zip(labels, rule.admitted, strict=True)
        return all(_sane(value) and (value in admitted or len(admitted) < self._most) for value, admitted in pairs)

    @staticmethod
    def _declared_labels(rule: CompiledRule, services: list[str]) -> list[Labels]:
        """The product of declared values; a label is declared by the rule, by its constants, or as the service."""
        columns = []
        for name in rule.names:
            sources = [case.labels[name] for case in rule.rule.all_cases()]
            values = list(rule.rule.declare.get(name, ()))
            values += [source.value for source in sources if source.value is not None and source.value not in values]
            if not values and all(source.field == "service" for source in sources):
                values = services
            columns.append(values)
        return [tuple(labels) for labels in product(*columns)]


class CountEvents:
    """The same rules in an application's own structlog chain: increments go to `add`, the event passes unchanged."""

    def __init__(self, counting: Counting, add: Callable[[list[Increment]], None], service: str) -> None:
        """`add` is called for each event that adds something."""
        self._counting, self._add, self._service = counting, add, service

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Count one entry of the application's own log."""
        found = self._counting.increments(event_dict, "stdout", self._service, "structured")
        if found:
            self._add(found)
        return event_dict


# --- compiling ------------------------------------------------------------------------------------


def _compiled(rule: Rule) -> CompiledRule:
    values = tuple(tuple(_value(label) for label in case.labels.values()) for case in rule.all_cases())
    names = rule.label_names()
    return CompiledRule(rule, values, names, admitted=[set() for _ in names])


def _admit(rule: CompiledRule, labels: Labels) -> None:
    rule.known.add(labels)
    for value, admitted in zip(labels, rule.admitted, strict=True):
        if value != OTHER:
            admitted.add(value)


def _test(condition: Condition, decided: Decided) -> Test | bool:
    """What remains of a condition for an event of which that much is decided; True or False where nothing does."""
    event, method, status, is_request = decided
    known = {"event": event, "method": method, "status_code": status}
    if condition.request and not is_request:
        return False
    tests: list[Test | bool] = []
    for name, matcher in sorted(condition.fields.items(), key=lambda item: _cost(item[1])):
        decides = known.get(name) is not None
        tests.append(_matches(matcher, known[name]) if decides else _field_test(name, matcher))
    tests += [_test(part, decided) for part in condition.all]
    if condition.any:
        parts = [_test(part, decided) for part in condition.any]
        open_parts = [part for part in parts if not isinstance(part, bool)]
        tests.append(True if True in parts else _any(open_parts) if open_parts else False)
    if False in tests:
        return False
    remaining = [test for test in tests if not isinstance(test, bool)]
    if not remaining:
        return True
    return remaining[0] if len(remaining) == 1 else _all(remaining)


def _cost(matcher: Matcher) -> int:
    """Patterns are asked last."""
    return int(matcher.route is not None or matcher.glob is not None)


def _matches(matcher: Matcher, value: object) -> bool:
    return all(test(value) for test in _value_tests(matcher))


def _all(tests: list[Test]) -> Test:
    def test(seen: Seen) -> bool:
        for part in tests:  # noqa: SIM110 -- a generator for `all` costs twice as much here
            if not part(seen):
                return False
        return True

    return test


def _any(tests: list[Test]) -> Test:
    def test(seen: Seen) -> bool:
        for part in tests:  # noqa: SIM110
            if part(seen):
                return True
        return False

    return test


def _field_test(name: str, matcher: Matcher) -> Test:
    look = _look(name)
    tests = list(_value_tests(matcher))

    def test(seen: Seen) -> bool:
        value = look(seen)
        return all(part(value) for part in tests)

    return test if len(tests) > 1 else lambda seen: tests[0](look(seen))


def _look(name: str) -> Callable[[Seen], Any]:
    if name in ("service", "stream"):
        return lambda seen: getattr(seen, name)
    return lambda seen: _of(seen.event, name)


def _of(event: dict[str, Any], name: str) -> Any:  # noqa: ANN401 -- whatever was logged
    """A field, also where the schema put it aside."""
    if name in event:
        return event[name]
    extra = event.get("extra")
    return extra.get(name) if isinstance(extra, dict) else None


def _value_tests(matcher: Matcher) -> Iterable[Callable[[Any], bool]]:
    if matcher.equals is not None:
        wanted = matcher.equals
        yield lambda value: type(value) is type(wanted) and value == wanted
    if matcher.one_of is not None:
        wanted_types = {(type(value), value) for value in matcher.one_of}
        yield lambda value: isinstance(value, str | int | float) and (type(value), value) in wanted_types
    if matcher.prefix is not None:
        prefix = matcher.prefix
        yield lambda value: isinstance(value, str) and value.startswith(prefix)
    if matcher.glob is not None:
        yield _full_match(re.compile(translate(matcher.glob)))
    if matcher.route is not None:
        yield _full_match(route_pattern(matcher.route))
    if matcher.min is not None or matcher.max is not None:
        low = -math.inf if matcher.min is None else matcher.min
        high = math.inf if matcher.max is None else matcher.max
        yield lambda value: type(value) in (int, float) and low <= value <= high


def _full_match(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    match = pattern.fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def route_pattern(route: str) -> re.Pattern[str]:
    """A path template as a pattern: `{…}` is one part of the path, a query and a trailing slash are ignored."""
    parts = ["[^/?#]+" if part.startswith("{") else re.escape(part) for part in route.rstrip("/").split("/")]
    return re.compile("/".join(parts) + r"/?(?:[?#].*)?", re.DOTALL)


def _value(label: Label) -> Value:
    if label.value is not None:
        constant = label.value
        return lambda _seen: constant
    assert label.field is not None  # noqa: S101 -- the model asks for one of both
    look, default, mapped = _look(label.field), label.default, label.map

    def value(seen: Seen) -> str:
        found = look(seen)
        text = found if type(found) is str else _text(found)
        if mapped:
            return mapped.get(text, default)
        return text or default

    return value


def _text(value: object) -> str:
    """A scalar as a label value; anything else is absence."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def _sane(value: str) -> bool:
    return len(value) <= LONGEST_LABEL and (value.isprintable() or value == "")


def _number(value: object, scale: float) -> float | None:
    """A histogram's observation; None where the event has no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value * scale
