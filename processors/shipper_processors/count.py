"""Count: rules compiled once into what each event adds to the counters. Nothing is added here; increments come out.

Counting sees every event before any policy: a violation must not hide a failed login.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple

from shipper_processors.chain_plan import RulesPlan, asked_fields
from shipper_processors.conditions import PLACES, UNLISTED, Look, Place, Test, look, matchers_of, remaining, texts_asked
from shipper_schemas.entry import HttpSource
from shipper_schemas.metrics import Increment, Labels, Metric, SeriesKey
from shipper_schemas.rules import Case, Label, Rule, label_text, one_metric_each

OTHER = "other"
LONGEST_LABEL = 120
RECORDS: Mapping[HttpSource, str | None] = {"structured": "request_complete", "access": "http_access", "off": None}
"""The event that is the record of a request, by what feeds the counters of its container."""

MOST_OBSERVED = 2.0**53
"""Beyond it whole numbers are not exact any more, and two forged ones of 1e308 would leave a sum infinite for ever."""

Value = Callable[[dict[str, Any], Place], str]
Key = tuple[HttpSource, str, str | None, int | None]
"""What selects a plan: source of requests, name of the event, method and, for a request's record, status."""


@dataclass(slots=True)
class CompiledRule:
    """A rule with the series it has admitted, each with its addition of one."""

    rule: Rule
    cases: tuple[tuple[Case, tuple[Value, ...]], ...]
    names: tuple[str, ...]
    configured: list[set[str]]
    """For each label the values that the configuration names; the bound does not hold for these."""
    admitted: list[set[str]]
    """For each label the values that logs brought, and that have their place under the bound."""
    observed: Look | None
    """Where a histogram's number is found."""
    series: dict[Labels, Increment] = field(default_factory=dict)

    @classmethod
    def of(cls, rule: Rule, services: Iterable[str]) -> "CompiledRule":
        """Compile what does not depend on the event."""
        cases = tuple((case, tuple(_value(label) for label in case.labels.values())) for case in rule.all_cases())
        names = rule.label_names()
        configured = [{OTHER, *rule.declare.get(name, ())} for name in names]
        for column, name in zip(configured, names, strict=True):
            column.update(*(_configured_values(case.labels[name], services) for case, _ in cases))
        observed = None if rule.field is None else look(rule.field)
        return cls(rule, cases, names, configured, [set() for _ in names], observed)

    def admit(self, labels: Labels) -> Increment:
        """Give a series its place."""
        for value, configured, admitted in zip(labels, self.configured, self.admitted, strict=True):
            if value not in configured:
                admitted.add(value)
        return self.series.setdefault(labels, Increment(self.rule.name, labels))

    def bounded(self, labels: Labels, most: int) -> Labels:
        """The labels with `other` for each value past the bound, too long, or not printable."""
        columns = zip(labels, self.configured, self.admitted, strict=True)
        return tuple(
            value if value in configured or value in admitted or (len(admitted) < most and _sane(value)) else OTHER
            for value, configured, admitted in columns
        )

    def declared(self, services: Iterable[str]) -> list[Labels]:
        """The product of declared values; a label is declared by the rule, by its constants, or as the service."""
        columns = []
        for name in self.names:
            values = list(self.rule.declare.get(name, ()))
            for case, _ in self.cases:
                source = case.labels[name]
                if source.value is not None:
                    values.append(source.value)
                elif source.field == "service":
                    values += [_mapped(source, service) for service in services]
            columns.append(dict.fromkeys(values))
        return [tuple(labels) for labels in product(*columns)]


class EventPlan(NamedTuple):
    """The rules that can hold for an event, of which something is known, with what remains to be tested."""

    rules: tuple[tuple[CompiledRule, tuple[tuple[Test | bool, tuple[Value, ...]], ...]], ...]
    fields: frozenset[str]
    """Fields that the remaining tests look at."""


GroupEffect = Literal["silent", "counted", "alone"]
"""Of events that no rule can tell apart: they add nothing, wherever they are logged; each adds the same; or each has
a number of its own to be looked at."""


class Contribution(NamedTuple):
    """What each event of a group adds."""

    series: tuple[SeriesKey, ...]
    overflows: tuple[str, ...]
    """Metrics for which a label value became `other`."""
    failed: bool = False
    """Whether counting fails on each of them."""


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
        """`max_label_values` bounds the values of each label beside those that the configuration names.

        `known` series keep their place under it. Declared series of `services` start at zero, before their first
        event. Raises ValueError where two rules share a metric.
        """
        self._most = max_label_values
        self.mask: Callable[[str], str] = str
        """Applied to each label value that logs bring, before it takes a place."""
        self._overflows: Counter[str] = Counter()
        self._services = dict.fromkeys(services)
        self._rules = {rule.name: CompiledRule.of(rule, self._services) for rule in one_metric_each(list(rules))}
        for rule in self._rules.values():
            for labels in rule.declared(self._services):
                rule.admit(labels)
        for name, labels in known:
            if name in self._rules and len(labels) == len(self._rules[name].names):
                self._rules[name].admit(labels)
        conditions = [case.when for rule in self._rules.values() for case, _ in rule.cases]
        records = {name for name in RECORDS.values() if name is not None}
        self._conditions = conditions
        self._asks_places = any(name in PLACES for name, _ in matchers_of(conditions))
        self._events = frozenset(records | texts_asked(conditions, "event"))
        self._methods = frozenset(texts_asked(conditions, "method"))
        self._plans: dict[Key, EventPlan] = {}
        self._general = self._plan(None, {"event": UNLISTED})

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
            for labels in rule.declared(self._services)
            if labels in rule.series
        ]

    def admit_service(self, service: str) -> list[SeriesKey]:
        """Series of a service that was not known before; they start at zero as well.

        Past the bound these are the series of `other`.
        """
        if service in self._services:
            return []
        self._services[service] = None
        found = []
        for name, rule in self._rules.items():
            for declared in rule.declared([service]):
                labels = rule.bounded(declared, self._most)
                if labels not in rule.series:
                    rule.admit(labels)
                    found.append((name, labels))
        return found

    def increments(
        self, event: dict[str, Any], stream: str, service: str, http_source: HttpSource, container: str = ""
    ) -> list[Increment]:
        """What one event adds; empty for most. The event may hold anything."""
        plan = self._plan_for(event, stream, http_source)
        return self._added(plan, event, (stream, service, container)) if plan.rules else []

    def _plan_for(self, event: dict[str, Any], stream: str, http_source: HttpSource) -> EventPlan:
        name = event.get("event")
        if not isinstance(name, str) or name not in self._events:
            return self._general
        key = self._key(name, event, stream, http_source)
        found = self._plans.get(key)
        return self._planned(key) if found is None else found

    # --- events that no rule can tell apart -------------------------------------------------------

    def rules_plan(self) -> RulesPlan:
        """Return the fields by which rules distinguish events of one log, and those that the runtime tells."""
        by_value = {"event", "method", "status_code"}
        for rule in self._rules.values():
            by_value |= {label.field for case, _ in rule.cases for label in case.labels.values() if label.field}
            by_value |= {rule.rule.field} if rule.rule.field else set()
        asked = asked_fields(by_value, matchers_of(self._conditions))
        return RulesPlan(
            tuple(field for field in asked if field.name not in PLACES),
            tuple(field for field in asked if field.name in PLACES),
        )

    def group_effect(
        self, event: dict[str, Any], stream: str, http_source: HttpSource, undecided: frozenset[str] = frozenset()
    ) -> GroupEffect:
        """Return what holds for all events that equal this one in the fields that rules look at, and in their stream.

        By an `undecided` field events were not grouped: where a rule would look at it, each has to be evaluated.
        """
        plan = self._plan_for(event, stream, http_source)
        if any(rule.observed is not None for rule, _ in plan.rules) or not undecided.isdisjoint(plan.fields):
            return "alone"
        tests = [test for _, cases in plan.rules for test, _ in cases]
        if not self._asks_places and not any(test is True or _holds(test, event) for test in tests):
            return "silent"
        return "counted"

    def contribution(
        self, event: dict[str, Any], stream: str, service: str, http_source: HttpSource, container: str
    ) -> Contribution:
        """What each event of a group adds, by one of them; its overflows are not noted yet."""
        before, self._overflows = self._overflows, Counter()
        added = self.increments(event, stream, service, http_source, container)
        overflows, self._overflows = self._overflows, before
        return Contribution(tuple((found.metric, found.labels) for found in added), tuple(overflows))

    def note_overflows(self, metrics: Iterable[str], number: int) -> None:
        """Note that `number` events each had a label value counted as `other`."""
        for metric in metrics:
            self._overflows[metric] += number

    def placed(self, key: SeriesKey) -> SeriesKey:
        """The series that an increment belongs to which was made elsewhere, without a bound on label values."""
        name, labels = key
        rule = self._rules.get(name)
        if rule is None or labels in rule.series:
            return key
        found = rule.bounded(labels, self._most)
        rule.admit(found)
        return name, found

    def take_overflows(self) -> dict[str, int]:
        """How often a label value was counted as `other`, by metric, since last asked."""
        found, self._overflows = dict(self._overflows), Counter()
        return found

    def _key(self, name: str, event: dict[str, Any], stream: str, http_source: HttpSource) -> Key:
        """Bounded whatever logs hold: listed names and methods, and the statuses there are, of a request alone.

        Access lines count from stdout alone: a decoded query string can forge whole lines on stderr.
        """
        source = "off" if http_source == "access" and stream != "stdout" else http_source
        method = event.get("method")
        if not isinstance(method, str) or method not in self._methods:
            method = None
        status = event.get("status_code") if name == RECORDS[source] else None
        if type(status) is not int or not 100 <= status <= 599:  # noqa: PLR2004 -- what a status can be
            status = None
        return source, name, method, status

    def _planned(self, key: Key) -> EventPlan:
        source, name, method, status = key
        decided: dict[str, object] = {"event": name, "method": UNLISTED if method is None else method}
        if status is not None:
            decided["status_code"] = status
        plan = self._plans[key] = self._plan(RECORDS[source], decided)
        return plan

    def _plan(self, record: str | None, decided: Mapping[str, object]) -> EventPlan:
        """The rules that can hold where `decided` is known, with what remains to be asked.

        Most events are in no rule, and most requests change nothing: their plan is empty.
        """
        rules, fields = [], set[str]()
        for rule in self._rules.values():
            left = [(remaining(case.when, record, decided), values) for case, values in rule.cases]
            cases = tuple((part.test, values) for part, values in left if part.test is not False)
            if cases:
                rules.append((rule, cases))
                fields.update(*(part.fields for part, _ in left))
        return EventPlan(tuple(rules), frozenset(fields))

    def _added(self, plan: EventPlan, event: dict[str, Any], place: Place) -> list[Increment]:
        added = []
        for rule, cases in plan.rules:
            for test, values in cases:
                if test is True or test(event, place):  # type: ignore[operator]  # False is in no plan
                    increment = self._increment(rule, values, event, place)
                    if increment is not None:
                        added.append(increment)
                    break
        return added

    def _increment(
        self, rule: CompiledRule, values: tuple[Value, ...], event: dict[str, Any], place: Place
    ) -> Increment | None:
        amount = None
        if rule.observed is not None:
            amount = _observed(rule.observed(event, place), rule.rule.scale)
            if amount is None:
                return None
        labels = (values[0](event, place),) if len(values) == 1 else tuple([value(event, place) for value in values])
        found = rule.series.get(labels)
        if found is None:
            labels = tuple(map(self.mask, labels))
            bounded = rule.bounded(labels, self._most)
            if bounded != labels:
                self._overflows[rule.rule.name] += 1
            found = rule.admit(bounded)
        return found if amount is None else found._replace(amount=amount)


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


def _holds(test: Test | bool, event: dict[str, Any]) -> bool:
    return test(event, ("", "", "")) if callable(test) else test


# --- label values and observations ----------------------------------------------------------------


def _value(label: Label) -> Value:
    if label.value is not None:
        constant = label.value
        return lambda _event, _place: constant
    assert label.field is not None  # noqa: S101 -- the model asks for one of both
    found, default = look(label.field), label.default
    if label.map:
        return lambda event, place: _mapped(label, found(event, place))

    def value(event: dict[str, Any], place: Place) -> str:
        text = found(event, place)
        return (text if type(text) is str else label_text(text)) or default

    return value


def _mapped(label: Label, found: object) -> str:
    """A value as the label has it: text, replaced where there is a map, the default where it is absent."""
    text = found if type(found) is str else label_text(found)
    return label.map.get(text, label.default) if label.map else text or label.default


def _configured_values(label: Label, services: Iterable[str]) -> set[str]:
    """Values that the configuration lets a label have; logs bring the others."""
    if label.value is not None:
        return {label.value}
    found = {*label.map.values(), label.default}
    return found | {_mapped(label, service) for service in services} if label.field == "service" else found


def _sane(value: str) -> bool:
    return len(value) <= LONGEST_LABEL and value.isprintable()


def _observed(value: object, scale: float) -> float | None:
    """A histogram's observation; None where the event has no such number.

    A negative one is none: the sum would fall, which Prometheus takes for a restart. Nor is one beyond `MOST_OBSERVED`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = value * scale
    except OverflowError:
        return None
    return number if 0 <= number <= MOST_OBSERVED else None
