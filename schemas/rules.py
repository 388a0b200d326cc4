"""Counter rules: which events add to which metric, as configuration says it.

counters:
  rules:
    - name: appointment_no_shows_total
      help: Appointments that nobody came to.
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

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from schemas.event import KNOWN_FIELDS

METRIC_NAME = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
LABEL_NAME = r"^[a-zA-Z][a-zA-Z0-9_]*$"
RESERVED = "shipper_"
IDENTIFYING = re.compile(
    r"(?:^|[_.-])(?:id|uuid|ip|email|e_?mail|phone|ssn|token|session|address)$|correlation|patient_?name|password",
    re.IGNORECASE,
)
PROVENANCE = frozenset({"service", "stream", "container"})
Scalar = str | int | float | bool


class Part(BaseModel):
    """A part of a rule; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Matcher(Part):
    """What a field must be; all that are given must hold."""

    equals: Scalar | None = Field(None, description="this value")
    one_of: frozenset[Scalar] | None = Field(None, description="one of these values")
    prefix: str | None = Field(None, description="text that begins so")
    glob: str | None = Field(None, description="text that matches a shell pattern")
    route: str | None = Field(None, description="a path template: {…} stands for one part, a trailing slash is ignored")
    min: float | None = Field(None, description="a number not below this")
    max: float | None = Field(None, description="a number not above this")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("a matcher asks for equals, one_of, prefix, glob, route, min or max")
        return self


def read_matcher(value: object) -> object:
    """A scalar means equality."""
    return {"equals": value} if isinstance(value, str | int | float | bool) else value


class Condition(Part):
    """When a rule applies; all parts that are given must hold."""

    all: tuple["Condition", ...] = Field((), description="every one of these holds")
    any: tuple["Condition", ...] = Field((), description="at least one of these holds")
    request: bool = Field(
        default=False, description="the entry is the record of a request that counts for its container"
    )
    fields: dict[str, Annotated[Matcher, BeforeValidator(read_matcher)]] = Field(
        default_factory=dict, description="matchers by field; may be written without `fields`"
    )

    @model_validator(mode="before")
    @classmethod
    def _fields_beside(cls, given: Any) -> Any:  # noqa: ANN401 -- whatever was configured
        if not isinstance(given, dict):
            return given
        own = {"all", "any", "request", "fields"}
        beside = {name: matcher for name, matcher in given.items() if name not in own}
        if not beside:
            return given
        return {**{name: given[name] for name in own & given.keys()}, "fields": {**given.get("fields", {}), **beside}}

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.all or self.any or self.request or self.fields):
            raise ValueError("a condition asks for something: a field, `request: true`, `all` or `any`")
        return self


class Label(Part):
    """Where a label's value comes from: a field, mapped, or a constant."""

    field: str | None = Field(None, description="field of the event; also service, stream, container")
    value: str | None = Field(None, description="a constant")
    map: dict[str, str] = Field(default_factory=dict, description="values replaced")
    default: str = Field("", description="where the field is absent, or not in a map that is given")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.field is None) == (self.value is None):
            raise ValueError("a label has either `field` or `value`")
        return self

    @field_validator("field")
    @classmethod
    def _no_personal_data(cls, field: str | None) -> str | None:
        known = KNOWN_FIELDS.get(field or "")
        if field is not None and field not in PROVENANCE and ((known and known.personal) or IDENTIFYING.search(field)):
            raise ValueError(
                f"`{field}` tells people or single requests apart: as a label it would put personal data and endless"
                " series into Prometheus; count by something coarser"
            )
        return field


def read_label(value: object) -> object:
    """A string names a field."""
    return {"field": value} if isinstance(value, str) else value


class Case(Part):
    """One way in which a rule applies, with labels of its own."""

    when: Condition
    labels: dict[str, Annotated[Label, BeforeValidator(read_label)]] = Field(default_factory=dict)


class Rule(Part):
    """One metric and when it is added to. The first of `cases` that holds counts, so an entry adds at most once."""

    name: str = Field(pattern=METRIC_NAME, description="Prometheus name; a counter's ends in _total")
    type: Literal["counter", "histogram"] = Field("counter", description="counter, or histogram of a field")
    help: str = Field(min_length=1, description="what the metric tells")
    when: Condition | None = Field(None, description="when it is added to")
    labels: dict[str, Annotated[Label, BeforeValidator(read_label)]] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field((), description="instead of `when`: several conditions with labels of their own")
    declare: dict[str, list[str]] = Field(default_factory=dict, description="label values that start at 0")
    field: str | None = Field(None, description="histogram: the number observed")
    scale: float = Field(1.0, gt=0, description="histogram: what the number is multiplied by")
    buckets: tuple[float, ...] = Field((), description="histogram: upper bounds, rising")

    @field_validator("name")
    @classmethod
    def _own_name(cls, name: str) -> str:
        if name.startswith(RESERVED):
            raise ValueError(f"names that begin with {RESERVED} are the shipper's own")
        return name

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.when is None) == (not self.cases):
            raise ValueError(f"{self.name}: give either `when` or `cases`")
        if self.type == "counter" and not self.name.endswith("_total"):
            raise ValueError(f"{self.name}: a counter's name ends in _total")
        if self.type == "counter" and (self.field or self.buckets):
            raise ValueError(f"{self.name}: `field` and `buckets` belong to a histogram")
        if self.type == "histogram" and (self.field is None or not self.buckets):
            raise ValueError(f"{self.name}: a histogram has `field` and `buckets`")
        if any(low >= high for low, high in zip(self.buckets, self.buckets[1:], strict=False)):
            raise ValueError(f"{self.name}: buckets rise")
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        names = self.label_names()
        for case in self.all_cases():
            if tuple(case.labels) != names:
                raise ValueError(f"{self.name}: every case has the same labels in the same order")
        for name in names:
            if not re.fullmatch(LABEL_NAME, name) or name == "le":
                raise ValueError(f"{self.name}: `{name}` is no name for a label")
        for name in self.declare:
            if name not in names:
                raise ValueError(f"{self.name}: `declare` names `{name}`, which is no label of it")

    def all_cases(self) -> tuple[Case, ...]:
        """The cases, `when` and `labels` being the only one where they are given."""
        return self.cases or (Case(when=self.when, labels=self.labels),) if self.when or self.cases else ()

    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in their order."""
        return tuple(self.all_cases()[0].labels)


def one_metric_each(rules: list[Rule]) -> list[Rule]:
    """The rules, if no two have one name. Raises ValueError."""
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise ValueError(f"two rules are called {rule.name}; give each metric one rule, with `cases`")
        seen.add(rule.name)
    return rules
