"""Counter rules: the part of the configuration that maps events to metrics.

counters:
  rules:
    - name: appointment_no_shows_total
      help: Missed appointments.
      when: {event: appointment_missed}
      labels: {department: {field: department, default: unknown}}
      declare: {department: [cardiology, radiology]}
    - name: request_duration_seconds
      type: histogram
      help: Duration of requests.
      when: {request: true}
      field: duration_ms
      scale: 0.001
      buckets: [0.1, 0.5, 1, 5]
"""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from shipper_schemas import lazy_re as re
from shipper_schemas.event import KNOWN_FIELDS
from shipper_schemas.invalid import Invalid
from shipper_schemas.personal_names import identifies_someone, is_health_data

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
ROUTE_PART = re.compile(r"[^{}]*|\{[^{}]*\}")
RESERVED = "shipper_"
MOST_DECLARED = 10_000
PresetTest = Literal[
    "keycloak_failure", "keycloak_success", "sshd_failure", "sshd_success", "postgresql_failure", "postgresql_success",
    "mongodb_rejected", "rabbitmq_failure", "rabbitmq_success", "vault_login", "not_empty",
]  # fmt: skip
"""Tests of whole lines that other systems write, see `shipper_processors.login_lines`."""
PROVENANCE = frozenset({"service", "stream", "container"})
Scalar = str | int | float | bool
LONGEST_DECIMAL = 2000
"""Most bits of a number with a decimal text; Python limits the conversion of longer ones."""


def label_text(value: object) -> str:
    """Return a scalar as the text of a label; the empty text for any other value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() < LONGEST_DECIMAL else hex(value)
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if isinstance(value, float) else ""


def read_text(value: object) -> object:
    """Return a scalar as text: YAML reads 401 as a number and yes as a boolean; labels are text."""
    return label_text(value) if isinstance(value, Scalar) else value


LabelText = Annotated[str, BeforeValidator(read_text)]


class Part(BaseModel):
    """A part of a rule; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Matcher(Part):
    """Tests of one field's value; all of them must hold."""

    equals: Scalar | None = Field(None, description="this value")
    one_of: tuple[Scalar, ...] | None = Field(None, min_length=1, description="one of these values")
    prefix: str | None = Field(None, description="text with this prefix")
    contains: str | None = Field(None, min_length=1, description="text that contains this")
    glob: str | None = Field(None, description="text that matches a shell pattern")
    route: str | None = Field(
        None, description="a path template: {…} matches one segment; compared as `paths` of the input says"
    )
    min: FiniteFloat | None = Field(None, description="a number not below this")
    max: FiniteFloat | None = Field(None, description="a number not above this")
    preset: PresetTest | None = Field(None, description="text that a test of `counters.presets` recognises")

    @model_validator(mode="before")
    @classmethod
    def _check_mapping(cls, matcher: object) -> object:
        if not isinstance(matcher, dict | cls):
            raise ValueError("expected a value, or a mapping such as {one_of: [a, b]}")  # noqa: TRY004 -- pydantic reports this one
        return matcher

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if all(operand is None for operand in self.__dict__.values()):
            raise ValueError("empty matcher; expected equals, one_of, prefix, contains, glob, route, min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` {self.min:g} is above `max` {self.max:g}")
        return self

    @field_validator("route")
    @classmethod
    def _check_template(cls, route: str | None) -> str | None:
        if route is None:
            return None
        if not route.startswith("/"):
            raise ValueError(f"invalid route `{route}`; a route begins with / (use {{equals: …}} for other text)")
        if not all(ROUTE_PART.fullmatch(part) for part in route.split("/")):
            raise ValueError(
                f"invalid route `{route}`; braces enclose a whole segment of the path, as in /patients/{{id}}"
            )
        return route


def read_matcher(value: object) -> object:
    """Return a matcher: a scalar means equality."""
    return {"equals": value} if isinstance(value, str | int | float | bool) else value


def read_path(value: object) -> object:
    """Return a matcher: a path as text is a route, since clients end paths with or without a slash."""
    return {"route": value} if isinstance(value, str) else value


class Condition(Part):
    """The condition of a rule; all its parts must hold."""

    all: tuple["Condition", ...] = Field((), description="all of these hold")
    any: tuple["Condition", ...] = Field((), description="at least one of these holds")
    request: bool = Field(
        default=False, description="the entry records a request, from the source that counts for its container"
    )
    fields: dict[str, Annotated[Matcher, BeforeValidator(read_matcher)]] = Field(
        default_factory=dict, description="matchers by field; may be written without `fields`"
    )

    @model_validator(mode="before")
    @classmethod
    def _collect_fields(cls, condition: Any) -> Any:  # noqa: ANN401 -- whatever was configured
        if not isinstance(condition, dict):
            return condition
        own = {"all", "any", "request", "fields"}
        matchers = {name: matcher for name, matcher in condition.items() if name not in own}
        listed = condition.get("fields", {})
        if not isinstance(listed, dict):
            raise ValueError("`fields` must be a mapping of fields to matchers, such as {event: patient_created}")  # noqa: TRY004 -- pydantic reports this one
        fields = {
            name: read_path(matcher) if name == "path" else matcher for name, matcher in (listed | matchers).items()
        }
        return {**{name: condition[name] for name in own & condition.keys()}, "fields": fields}

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if not (self.all or self.any or self.request or self.fields):
            raise ValueError("empty condition; expected a field, `request: true`, `all` or `any`")
        return self


class Label(Part):
    """Source of a label's value: a field, optionally mapped, or a constant."""

    field: str | None = Field(None, description="field of the event; also service, stream, container")
    value: LabelText | None = Field(None, description="a constant")
    map: dict[LabelText, LabelText] = Field(default_factory=dict, description="replacement by value")
    default: LabelText = Field("", description="value if the field is absent, or not in `map`")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.field is None) == (self.value is None):
            raise ValueError("a label needs either `field` or `value`")
        return self

    @field_validator("field")
    @classmethod
    def _no_personal_data(cls, field: str | None) -> str | None:
        if field is None or field in PROVENANCE:
            return field
        known = KNOWN_FIELDS.get(field)
        if (known and known.personal) or identifies_someone(field):
            raise Invalid(
                f"`{field}` identifies people or single requests: as a label it would put personal data and unbounded"
                " series into Prometheus",
                "use a coarser field, such as a department or a kind of event",
            )
        if is_health_data(field):
            raise Invalid(
                f"`{field}` is health data of single people: as a label it would be in Prometheus, for everybody who"
                " can query it",
                "count without it, or by a coarser field that the application logs, such as its department",
            )
        if known and known.type == "text":
            raise Invalid(f"`{field}` is free text, which differs in each entry", "use a coarser field")
        return field


def read_label(value: object) -> object:
    """Return a label: a string is the name of a field."""
    return {"field": value} if isinstance(value, str) else value


class Case(Part):
    """One condition of a rule, with its labels."""

    when: Condition
    labels: dict[str, Annotated[Label, BeforeValidator(read_label)]] = Field(default_factory=dict)


class Rule(Part):
    """One metric, and when to increment it. Only the first of `cases` that holds counts, so an entry counts once."""

    name: str = Field(description="Prometheus name; a counter's ends in _total")
    type: Literal["counter", "histogram"] = Field("counter", description="counter, or histogram of a field")
    help: str = Field(min_length=1, description="description of the metric")
    when: Condition | None = Field(None, description="condition to increment it")
    labels: dict[str, Annotated[Label, BeforeValidator(read_label)]] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field((), description="instead of `when`: several conditions, each with its labels")
    declare: dict[str, list[LabelText]] = Field(default_factory=dict, description="label values that start at 0")
    field: str | None = Field(None, description="histogram: field with the observed number")
    scale: FiniteFloat = Field(1.0, gt=0, description="histogram: factor for the number")
    buckets: tuple[FiniteFloat, ...] = Field((), description="histogram: upper bounds, ascending")
    correlation_id: Literal["required", "optional"] = Field(
        "required", description="whether the events that the rule names must carry a correlation id"
    )

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not METRIC_NAME.fullmatch(name) or not name.removesuffix("_total").strip("_"):
            raise ValueError(
                f"invalid metric name `{name}`; expected letters, digits and _, no digit first, such as no_shows_total"
            )
        if name.startswith(RESERVED):
            raise ValueError(f"metric names that begin with {RESERVED} are reserved")
        return name

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if (self.when is None) == (not self.cases):
            raise ValueError(f"{self.name}: set either `when` or `cases`")
        if self.type == "counter" and not self.name.endswith("_total"):
            raise ValueError(f"{self.name}: a counter's name ends in _total")
        if self.type == "counter" and (self.field or self.buckets):
            raise ValueError(f"{self.name}: `field` and `buckets` belong to a histogram")
        if self.type == "histogram" and (self.field is None or not self.buckets):
            raise ValueError(f"{self.name}: a histogram needs `field` and `buckets`")
        if self.type == "histogram" and self.name.endswith(("_total", "_bucket", "_sum", "_count", "_created")):
            raise ValueError(
                f"{self.name}: remove the suffix from the histogram's name; Prometheus adds _bucket, _sum and _count"
            )
        if self.buckets and self.buckets[0] < 0:
            raise ValueError(f"{self.name}: buckets must not be negative")
        if any(low >= high for low, high in zip(self.buckets, self.buckets[1:], strict=False)):
            raise ValueError(f"{self.name}: buckets must be in ascending order, without duplicates")
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        names = self.label_names()
        for case in self.all_cases():
            if tuple(case.labels) != names:
                raise ValueError(f"{self.name}: all cases need the same labels in the same order")
        for name in names:
            if not LABEL_NAME.fullmatch(name) or name == "le":
                raise ValueError(
                    f"{self.name}: invalid label name `{name}`; expected letters, digits and _, a letter first, not le"
                )
        for name in self.declare:
            if name not in names:
                raise ValueError(f"{self.name}: `declare` names `{name}`, which is not one of its labels")
        series = math.prod(len(values) for values in self.declare.values())
        if series > MOST_DECLARED:
            raise ValueError(f"{self.name}: `declare` would create {series} series; the limit is {MOST_DECLARED}")

    def all_cases(self) -> tuple[Case, ...]:
        """Return the cases; `when` and `labels` are the only case if they are set."""
        return self.cases or (Case(when=self.when, labels=self.labels),) if self.when or self.cases else ()

    def label_names(self) -> tuple[str, ...]:
        """Return the names of the labels, in their order."""
        return tuple(self.all_cases()[0].labels)


def unique_metrics(rules: list[Rule]) -> list[Rule]:
    """Return the rules. Raises ValueError if two of them share a metric."""
    families: dict[str, str] = {}
    for rule in rules:
        family = rule.name.removesuffix("_total")
        other = families.get(family)
        if other == rule.name:
            raise Invalid(f"two rules have the name {rule.name}", "use one rule with `cases`")
        if other is not None:
            raise Invalid(f"{other} and {rule.name} are both {family} in OpenMetrics", "rename one")
        families[family] = rule.name
    return rules


SHIPPER_EVENTS = frozenset({"unstructured", "http_access"})
"""Events that the shipper names itself: plain text and access lines, which carry no id of a request."""


def events_requiring_id(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the names of events that must carry a correlation id: those that the rules name, unless it is optional."""
    required = [rule for rule in rules if rule.correlation_id == "required"]
    return named_events(case.when for rule in required for case in rule.all_cases()) - SHIPPER_EVENTS


def named_events(conditions: Iterable[Condition]) -> frozenset[str]:
    """Return the texts that the conditions list for `event`, by `equals` or `one_of`."""
    names: set[str] = set()
    for condition in conditions:
        matcher = condition.fields.get("event")
        if matcher is not None:
            names.update(name for name in (matcher.equals, *(matcher.one_of or ())) if isinstance(name, str))
        names |= named_events((*condition.all, *condition.any))
    return frozenset(names)
