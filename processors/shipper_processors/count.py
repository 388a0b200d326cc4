"""Compile counter rules, and compute the increments of each event. Nothing is added here; increments are returned.

Counting precedes every policy: a violation must not hide a failed login.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

from shipper_processors.chain_plan import RulesPlan, rule_fields
from shipper_processors.conditions import (
    RUNTIME_FIELDS,
    UNLISTED,
    FieldReader,
    Known,
    RuntimeValues,
    Test,
    ValueTest,
    any_path,
    field_reader,
    listed_texts,
    matchers_of,
    method_of,
    needs_python,
    path_test,
    remaining,
)
from shipper_processors.lenient_json import without_colours
from shipper_processors.request_records import (
    ACCESS_LOGGERS,
    APPLICATION_KEYS,
    CADDY_ACCESS,
    PROXY_KEYS,
    RECORDS,
    REMARKS,
    Record,
    counts,
    events_besides_requests,
    request_record,
)
from shipper_schemas.entry import HttpSource, Paths
from shipper_schemas.field_sources import METHODS
from shipper_schemas.metrics import Increment, Labels, Metric, SeriesKey
from shipper_schemas.rules import Case, Label, Matcher, Rule, label_text, unique_metrics

OTHER = "other"
LONGEST_LABEL = 120
MOST_OBSERVED = 2.0**53
"""Largest observation: above it whole numbers are inexact, and two forged ones of 1e308 would make a sum infinite."""

Value = Callable[[dict[str, Any], RuntimeValues], str]
Key = tuple[bool, Paths, str | None, str | None, int | None]
"""Key of an event plan: whether it is a request that counts, comparison of paths, listed name of the event, listed
method and, for a request, status."""
RECORD_TESTS = (
    ("logger", Matcher(one_of=tuple(sorted(ACCESS_LOGGERS)))),
    ("logger", Matcher(prefix=CADDY_ACCESS)),
)
"""The tests of `request_record` for an event with a name, besides the presence of method, path and status. For one
without a name, the native chain executes the others itself."""


@dataclass(slots=True)
class CompiledRule:
    """A rule with its admitted series, each with its increment of one."""

    rule: Rule
    cases: tuple[tuple[Case, tuple[Value, ...]], ...]
    names: tuple[str, ...]
    configured: list[set[str]]
    """For each label, the values from the configuration; the bound does not apply to them."""
    admitted: list[set[str]]
    """For each label, the values from logs that were admitted within the bound."""
    observed: FieldReader | None
    """Reads the number that a histogram observes."""
    series: dict[Labels, Increment] = field(default_factory=dict)

    @classmethod
    def of(cls, rule: Rule, services: Iterable[str]) -> "CompiledRule":
        """Compile the parts of a rule that do not depend on the event."""
        cases = tuple((case, tuple(_value(label) for label in case.labels.values())) for case in rule.all_cases())
        names = rule.label_names()
        configured = [{OTHER, *rule.declare.get(name, ())} for name in names]
        for column, name in zip(configured, names, strict=True):
            column.update(*(_configured_values(case.labels[name], services) for case, _ in cases))
        observed = None if rule.field is None else field_reader(rule.field)
        return cls(rule, cases, names, configured, [set() for _ in names], observed)

    def admit(self, labels: Labels) -> Increment:
        """Admit a series and return its increment."""
        for value, configured, admitted in zip(labels, self.configured, self.admitted, strict=True):
            if value not in configured:
                admitted.add(value)
        return self.series.setdefault(labels, Increment(self.rule.name, labels))

    def bounded(self, labels: Labels, most: int) -> Labels:
        """Return the labels, with `other` for each value that exceeds the bound, is too long, or not printable."""
        columns = zip(labels, self.configured, self.admitted, strict=True)
        return tuple(
            value
            if value in configured or value in admitted or (len(admitted) < most and is_valid_label(value))
            else OTHER
            for value, configured, admitted in columns
        )

    def declared(self, services: Iterable[str]) -> list[Labels]:
        """Return the product of declared values: of the rule, its constants, and the services."""
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
    """The rules that can hold for an event of known name, method and status, with the tests that remain."""

    rules: tuple[tuple[CompiledRule, tuple[tuple[Test | bool, tuple[Value, ...]], ...]], ...]
    fields: frozenset[str]
    """Fields that the remaining tests read."""
    at_most: tuple[Test | bool, ...] = ()
    """For each case with a test that only Python executes: what else must hold."""


GroupEffect = Literal["none", "constant", "each"]
"""Effect of rule-equivalent events: none, wherever they are logged; a constant one; or evaluate each."""


class Contribution(NamedTuple):
    """The increments of each event of a group."""

    series: tuple[SeriesKey, ...]
    overflows: tuple[str, ...]
    """Metrics for which a label value became `other`."""
    failed: bool = False
    """True if counting fails on each of them."""


class Counting:
    """The compiled counter rules."""

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        max_label_values: int = 100,
        known: Iterable[SeriesKey] = (),
        services: Iterable[str] = (),
    ) -> None:
        """`max_label_values` bounds the values of each label, except those from the configuration.

        `known` series stay admitted. Declared series of `services` start at zero, before their first event. Raises
        ValueError if two rules share a metric.
        """
        self._most = max_label_values
        self.mask: Callable[[str], str] = str
        """Applied to each label value from logs before it is admitted."""
        self._overflows: Counter[str] = Counter()
        self._services = dict.fromkeys(services)
        self._rules = {rule.name: CompiledRule.of(rule, self._services) for rule in unique_metrics(list(rules))}
        for rule in self._rules.values():
            for labels in rule.declared(self._services):
                rule.admit(labels)
        for name, labels in known:
            if name in self._rules and len(labels) == len(self._rules[name].names):
                self._rules[name].admit(labels)
        conditions = [case.when for rule in self._rules.values() for case, _ in rule.cases]
        self._conditions = conditions
        self._python_cases = frozenset(id(condition) for condition in conditions if needs_python(condition))
        others = dict.fromkeys(events_besides_requests(rule.rule for rule in self._rules.values()))
        self._records: dict[str, Record | None] = {**others, **RECORDS}
        """The records of events that their names alone decide."""
        self._reads_runtime_fields = any(name in RUNTIME_FIELDS for name, _ in matchers_of(conditions))
        self._events = frozenset(RECORDS.keys() | listed_texts(conditions, "event"))
        self._events_by_lower = {name.lower(): name for name in sorted(self._events)}
        self._methods = frozenset(method.upper() for method in listed_texts(conditions, "method"))
        self._plans: dict[Key, EventPlan] = {}
        self._path_tests: dict[tuple[str, Paths], ValueTest | bool] = {}
        unlisted = {"event": UNLISTED}
        self._general = {paths: self._plan(Known(unlisted, is_request=False, paths=paths)) for paths in get_args(Paths)}

    def metrics(self) -> list[Metric]:
        """Return the declarations of all metrics."""
        return [
            Metric(rule.rule.name, rule.rule.type, rule.rule.help, rule.names, rule.rule.buckets)
            for rule in self._rules.values()
        ]

    def declared(self) -> list[SeriesKey]:
        """Return the series that start at zero, so that `increase()` includes their first event."""
        return [
            (name, labels)
            for name, rule in self._rules.items()
            for labels in rule.declared(self._services)
            if labels in rule.series
        ]

    def admit_service(self, service: str) -> list[SeriesKey]:
        """Return the series of a new service, which start at zero as well.

        Beyond the bound these are the series of `other`.
        """
        if service in self._services:
            return []
        self._services[service] = None
        new_series = []
        for name, rule in self._rules.items():
            for declared in rule.declared([service]):
                labels = rule.bounded(declared, self._most)
                if labels not in rule.series:
                    rule.admit(labels)
                    new_series.append((name, labels))
        return new_series

    def increments(  # noqa: PLR0913, PLR0917 -- the event and its log
        self,
        event: dict[str, Any],
        stream: str,
        service: str,
        http_source: HttpSource,
        container: str = "",
        paths: Paths = "tolerant",
    ) -> list[Increment]:
        """Return the increments of one event; empty for most. The event may hold any values."""
        plan = self._plan_for(event, stream, http_source, paths)
        return self._added(plan, event, (stream, service, container)) if plan.rules else []

    def listed_event(self, name: str) -> str | None:
        """Return the name in the rules of an event that was logged in any letter case, perhaps with colours."""
        if name in self._events:
            return name
        plain = without_colours(name).strip() if "\x1b" in name else name
        return self._events_by_lower.get(plain.lower())

    def _plan_for(self, event: dict[str, Any], stream: str, http_source: HttpSource, paths: Paths) -> EventPlan:
        """Return the plan of an event; only listed names, methods and statuses have one, so that logs add none."""
        name = event.get("event")
        listed = self.listed_event(name) if isinstance(name, str) else None
        if listed is not None and listed in self._records:
            record = self._records[listed]
        else:
            record = request_record(event) if "method" in event else None
        is_request = record is not None and counts(record, listed or name, stream, http_source)
        if listed is None and not is_request:
            return self._general[paths]
        method = method_of(event.get("method"))
        if not isinstance(method, str) or method not in self._methods:
            method = None
        status = event.get("status_code") if is_request else None
        if type(status) is not int or not 100 <= status <= 599:  # noqa: PLR2004 -- the range of HTTP statuses
            status = None
        key = (is_request, paths, listed, method, status)
        plan = self._plans.get(key)
        return self._compile_plan(key) if plan is None else plan

    def may_count_request(self, method: str, path: str, paths: Paths) -> bool:
        """Return True if a rule may count a request with this method and path, depending on its status."""
        method = method.upper()
        key = (method if method in METHODS or method in self._methods else "", paths)
        test = self._path_tests.get(key)
        if test is None:
            tests = (path_test(condition, key[0], paths) for condition in self._conditions)
            test = self._path_tests[key] = any_path(tests)
        return test(path) if callable(test) else test

    # --- groups of rule-equivalent events ---------------------------------------------------------

    def rules_plan(self) -> RulesPlan:
        """Return the fields by which rules distinguish events of one log, and those that the runtime sets."""
        by_value = {"event", "method", "status_code"}
        for rule in self._rules.values():
            by_value |= {label.field for case, _ in rule.cases for label in case.labels.values() if label.field}
            by_value |= {rule.rule.field} if rule.rule.field else set()
        all_fields = rule_fields(by_value, (*matchers_of(self._conditions), *RECORD_TESTS), by_type=("path",))
        return RulesPlan(
            tuple(field for field in all_fields if field.name not in RUNTIME_FIELDS),
            tuple(field for field in all_fields if field.name in RUNTIME_FIELDS),
            tuple(sorted(APPLICATION_KEYS)),
            tuple(sorted(PROXY_KEYS)),
            tuple(sorted(REMARKS)),
        )

    def group_effect(
        self,
        event: dict[str, Any],
        stream: str,
        http_source: HttpSource,
        undecided_fields: frozenset[str] = frozenset(),
        paths: Paths = "tolerant",
    ) -> GroupEffect:
        """Return the effect of all events that equal this one in the fields that rules read, and in their stream.

        Events are not grouped by `undecided_fields`: if a rule reads one of these, each event must be evaluated.
        """
        plan = self._plan_for(event, stream, http_source, paths)
        if any(rule.observed is not None for rule, _ in plan.rules) or not undecided_fields.isdisjoint(plan.fields):
            return "each"
        if any(test is True or _holds(test, event) for test in plan.at_most):
            return "each"
        tests = [test for _, cases in plan.rules for test, _ in cases]
        if not self._reads_runtime_fields and not any(test is True or _holds(test, event) for test in tests):
            return "none"
        return "constant"

    def contribution(  # noqa: PLR0913, PLR0917 -- the event and its log
        self,
        event: dict[str, Any],
        stream: str,
        service: str,
        http_source: HttpSource,
        container: str,
        paths: Paths = "tolerant",
    ) -> Contribution:
        """Return the increments of each event of a group, evaluated on one of them; overflows are not recorded yet."""
        before, self._overflows = self._overflows, Counter()
        added = self.increments(event, stream, service, http_source, container, paths)
        overflows, self._overflows = self._overflows, before
        return Contribution(tuple((increment.metric, increment.labels) for increment in added), tuple(overflows))

    def add_overflows(self, metrics: Iterable[str], number: int) -> None:
        """Count `number` events that each had a label value replaced by `other`."""
        for metric in metrics:
            self._overflows[metric] += number

    def bounded_series(self, key: SeriesKey) -> SeriesKey:
        """Return the admitted series for an increment that was computed elsewhere, without a bound on label values."""
        name, labels = key
        rule = self._rules.get(name)
        if rule is None or labels in rule.series:
            return key
        bounded = rule.bounded(labels, self._most)
        rule.admit(bounded)
        return name, bounded

    def take_overflows(self) -> dict[str, int]:
        """Return, by metric, the number of label values counted as `other` since the last call."""
        overflows, self._overflows = dict(self._overflows), Counter()
        return overflows

    def _compile_plan(self, key: Key) -> EventPlan:
        is_request, paths, name, method, status = key
        decided: dict[str, object] = {
            "event": UNLISTED if name is None else name,
            "method": UNLISTED if method is None else method,
        }
        if status is not None:
            decided["status_code"] = status
        plan = self._plans[key] = self._plan(Known(decided, is_request, paths))
        return plan

    def _plan(self, known: Known) -> EventPlan:
        """Return the rules that can hold once some fields are known, with the tests that remain.

        Most events are in no rule, and most requests change nothing: their plan is empty.
        """
        rules, fields, at_most = [], set[str](), list[Test | bool]()
        for rule in self._rules.values():
            left = [(remaining(case.when, known), case, values) for case, values in rule.cases]
            cases = tuple((part.test, values) for part, _, values in left if part.test is not False)
            if cases:
                rules.append((rule, cases))
                fields.update(*(part.fields for part, _, _ in left))
            assumed = known._replace(at_most=True)
            at_most += [
                remaining(case.when, assumed).test
                for part, case, _ in left
                if part.test is not False and id(case.when) in self._python_cases
            ]
        return EventPlan(tuple(rules), frozenset(fields), tuple(test for test in at_most if test is not False))

    def _added(self, plan: EventPlan, event: dict[str, Any], runtime: RuntimeValues) -> list[Increment]:
        added = []
        for rule, cases in plan.rules:
            for test, values in cases:
                if test is True or test(event, runtime):  # type: ignore[operator]  # False is in no plan
                    increment = self._increment(rule, values, event, runtime)
                    if increment is not None:
                        added.append(increment)
                    break
        return added

    def _increment(
        self, rule: CompiledRule, values: tuple[Value, ...], event: dict[str, Any], runtime: RuntimeValues
    ) -> Increment | None:
        amount = None
        if rule.observed is not None:
            amount = _observed(rule.observed(event, runtime), rule.rule.scale)
            if amount is None:
                return None
        labels = (
            (values[0](event, runtime),) if len(values) == 1 else tuple([value(event, runtime) for value in values])
        )
        increment = rule.series.get(labels)
        if increment is None:
            labels = tuple(map(self.mask, labels))
            bounded = rule.bounded(labels, self._most)
            if bounded != labels:
                self._overflows[rule.rule.name] += 1
            increment = rule.admit(bounded)
        return increment if amount is None else increment._replace(amount=amount)


class CountEvents:
    """Counts in an application's own structlog chain: passes increments to `add`, and the event on unchanged."""

    def __init__(self, counting: Counting, add: Callable[[list[Increment]], None], service: str) -> None:
        """`add` is called with the increments of each event that has any."""
        self._counting, self._add, self._service = counting, add, service

    def __call__(self, logger: object, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Count one entry of the application."""
        increments = self._counting.increments(event_dict, "stdout", self._service, "structured")
        if increments:
            self._add(increments)
        return event_dict


def _holds(test: Test | bool, event: dict[str, Any]) -> bool:
    return test(event, ("", "", "")) if callable(test) else test


# --- label values and observations ----------------------------------------------------------------


def _value(label: Label) -> Value:
    if label.value is not None:
        constant = label.value
        return lambda _event, _runtime: constant
    assert label.field is not None  # noqa: S101 -- the model requires one of both
    get, default = field_reader(label.field), label.default
    if label.map:
        return lambda event, runtime: _mapped(label, get(event, runtime))

    def value(event: dict[str, Any], runtime: RuntimeValues) -> str:
        text = get(event, runtime)
        return (text if type(text) is str else label_text(text)) or default

    return value


def _mapped(label: Label, logged: object) -> str:
    """Return a label's text for a logged value: mapped if there is a map, the default if the value is absent."""
    text = logged if type(logged) is str else label_text(logged)
    return label.map.get(text, label.default) if label.map else text or label.default


def _configured_values(label: Label, services: Iterable[str]) -> set[str]:
    """Return the label values that follow from the configuration; all others come from logs."""
    if label.value is not None:
        return {label.value}
    values = {*label.map.values(), label.default}
    return values | {_mapped(label, service) for service in services} if label.field == "service" else values


def is_valid_label(value: str) -> bool:
    """Return True if a text from a log may be a label value: short, and without control or format characters."""
    return len(value) <= LONGEST_LABEL and value.isprintable()


def _observed(value: object, scale: float) -> float | None:
    """Return a histogram's observation; None if the event has no valid number.

    Negative numbers are invalid, since a falling sum looks like a restart to Prometheus; so are those above
    `MOST_OBSERVED`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = value * scale
    except OverflowError:
        return None
    return number if 0 <= number <= MOST_OBSERVED else None
