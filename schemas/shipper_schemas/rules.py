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

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from shipper_schemas.event import KNOWN_FIELDS
from shipper_schemas.invalid import Invalid

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
ROUTE_PART = re.compile(r"[^{}]*|\{[^{}]*\}")
RESERVED = "shipper_"
MOST_DECLARED = 10_000
WORDS = re.compile(r"[A-Z]{1,64}(?![a-z])|[A-Z]?[a-z]+")
PERSON = r"(?:user|patient|person|client|customer|account|employee|doctor|member|e?mail|contact)"
REQUEST = r"(?:request|correlation|trace|span|session|transaction|message|req)"
IDENTIFYING = re.compile(
    rf"(?:^| )(?:ids?|uu?id|guid|ip|e?mail|phone|mobile|ssn|token|session|address|addr|cookie|forwarded for)$"
    rf"|(?:^| )(?:{PERSON}|{REQUEST}) ?(?:ids?|uuid|ip|name|login|address|number)$"
    rf"|(?:^| )(?:first|last|full|family|given|maiden|sur) ?name$|(?:^| )(?:user|patient|username|surname)$"
    rf"|correlation|traceparent|password|passwd|secret|birth"
)
"""Of a field's name in lower case, its words apart: `userId`, `user_id` and `user.id` are all `user id`."""
PROVENANCE = frozenset({"service", "stream", "container"})
Scalar = str | int | float | bool
LONGEST_DECIMAL = 2000
"""Bits; what is longer has no decimal text in Python, and no place in a label either."""


def label_text(value: object) -> str:
    """A scalar as the text of a label; anything else is absence, the empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() < LONGEST_DECIMAL else hex(value)
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if isinstance(value, float) else ""


def read_text(value: object) -> object:
    """YAML makes numbers of 401 and truth of yes; as labels they are text."""
    return label_text(value) if isinstance(value, Scalar) else value


LabelText = Annotated[str, BeforeValidator(read_text)]


def identifying(field: str) -> bool:
    """Whether a field's name says that its values tell people or single requests apart."""
    return IDENTIFYING.search(" ".join(WORDS.findall(field)).lower()) is not None


class Part(BaseModel):
    """A part of a rule; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Matcher(Part):
    """What a field must be; all that are given must hold."""

    equals: Scalar | None = Field(None, description="this value")
    one_of: tuple[Scalar, ...] | None = Field(None, min_length=1, description="one of these values")
    prefix: str | None = Field(None, description="text that begins so")
    glob: str | None = Field(None, description="text that matches a shell pattern")
    route: str | None = Field(None, description="a path template: {…} stands for one part, a trailing slash is ignored")
    min: FiniteFloat | None = Field(None, description="a number not below this")
    max: FiniteFloat | None = Field(None, description="a number not above this")

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, given: object) -> object:
        if not isinstance(given, dict | cls):
            raise ValueError("a field is compared with a value, or with a mapping such as {one_of: [a, b]}")  # noqa: TRY004 -- pydantic reports this one
        return given

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if all(asked is None for asked in self.__dict__.values()):
            raise ValueError("a matcher asks for equals, one_of, prefix, glob, route, min or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"no number is at least {self.min:g} and at most {self.max:g}")
        return self

    @field_validator("route")
    @classmethod
    def _is_a_template(cls, route: str | None) -> str | None:
        if route is None:
            return None
        if not route.startswith("/"):
            raise ValueError(f"`{route}` is no route: it begins with / (for other text ask {{equals: …}})")
        if not all(ROUTE_PART.fullmatch(part) for part in route.split("/")):
            raise ValueError(f"`{route}` is no route: braces hold a whole part of the path, as in /patients/{{id}}")
        return route


def read_matcher(value: object) -> object:
    """A scalar means equality."""
    return {"equals": value} if isinstance(value, str | int | float | bool) else value


def read_path(value: object) -> object:
    """A path given as text is a route: requests end in a slash or not as the client likes."""
    return {"route": value} if isinstance(value, str) else value


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
        asked = given.get("fields", {})
        if not isinstance(asked, dict):
            raise ValueError("`fields` holds matchers by field, such as {event: patient_created}")  # noqa: TRY004 -- pydantic reports this one
        fields = {name: read_path(matcher) if name == "path" else matcher for name, matcher in (asked | beside).items()}
        return {**{name: given[name] for name in own & given.keys()}, "fields": fields}

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.all or self.any or self.request or self.fields):
            raise ValueError("a condition asks for something: a field, `request: true`, `all` or `any`")
        return self


class Label(Part):
    """Where a label's value comes from: a field, mapped, or a constant."""

    field: str | None = Field(None, description="field of the event; also service, stream, container")
    value: LabelText | None = Field(None, description="a constant")
    map: dict[LabelText, LabelText] = Field(default_factory=dict, description="values replaced")
    default: LabelText = Field("", description="where the field is absent, or not in a map that is given")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.field is None) == (self.value is None):
            raise ValueError("a label has either `field` or `value`")
        return self

    @field_validator("field")
    @classmethod
    def _no_personal_data(cls, field: str | None) -> str | None:
        if field is None or field in PROVENANCE:
            return field
        known = KNOWN_FIELDS.get(field)
        if (known and known.personal) or identifying(field):
            raise Invalid(
                f"`{field}` tells people or single requests apart: as a label it would put personal data and endless"
                " series into Prometheus",
                "count by something coarser",
            )
        if known and known.type == "text":
            raise Invalid(f"`{field}` is text for people, different each time", "count by something coarser")
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

    name: str = Field(description="Prometheus name; a counter's ends in _total")
    type: Literal["counter", "histogram"] = Field("counter", description="counter, or histogram of a field")
    help: str = Field(min_length=1, description="what the metric tells")
    when: Condition | None = Field(None, description="when it is added to")
    labels: dict[str, Annotated[Label, BeforeValidator(read_label)]] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field((), description="instead of `when`: several conditions with labels of their own")
    declare: dict[str, list[LabelText]] = Field(default_factory=dict, description="label values that start at 0")
    field: str | None = Field(None, description="histogram: the number observed")
    scale: FiniteFloat = Field(1.0, gt=0, description="histogram: what the number is multiplied by")
    buckets: tuple[FiniteFloat, ...] = Field((), description="histogram: upper bounds, rising")

    @field_validator("name")
    @classmethod
    def _own_name(cls, name: str) -> str:
        if not METRIC_NAME.fullmatch(name) or not name.removesuffix("_total").strip("_"):
            raise ValueError(
                f"`{name}` is no name for a metric: letters, digits and _, no digit first, such as no_shows_total"
            )
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
        if self.type == "histogram" and self.name.endswith(("_total", "_bucket", "_sum", "_count", "_created")):
            raise ValueError(f"{self.name}: a histogram's name has no ending; Prometheus adds _bucket, _sum and _count")
        if self.buckets and self.buckets[0] < 0:
            raise ValueError(f"{self.name}: buckets begin at 0 or above")
        if any(low >= high for low, high in zip(self.buckets, self.buckets[1:], strict=False)):
            raise ValueError(f"{self.name}: buckets rise, each above the one before")
        self._check_labels()
        return self

    def _check_labels(self) -> None:
        names = self.label_names()
        for case in self.all_cases():
            if tuple(case.labels) != names:
                raise ValueError(f"{self.name}: every case has the same labels in the same order")
        for name in names:
            if not LABEL_NAME.fullmatch(name) or name == "le":
                raise ValueError(
                    f"{self.name}: `{name}` is no name for a label: letters, digits and _, a letter first, not le"
                )
        for name in self.declare:
            if name not in names:
                raise ValueError(f"{self.name}: `declare` names `{name}`, which is no label of it")
        series = math.prod(len(values) for values in self.declare.values())
        if series > MOST_DECLARED:
            raise ValueError(f"{self.name}: `declare` would start {series} series; at most {MOST_DECLARED}")

    def all_cases(self) -> tuple[Case, ...]:
        """The cases, `when` and `labels` being the only one where they are given."""
        return self.cases or (Case(when=self.when, labels=self.labels),) if self.when or self.cases else ()

    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in their order."""
        return tuple(self.all_cases()[0].labels)


def one_metric_each(rules: list[Rule]) -> list[Rule]:
    """The rules, if no two have one name. Raises ValueError."""
    families: dict[str, str] = {}
    for rule in rules:
        family = rule.name.removesuffix("_total")
        other = families.get(family)
        if other == rule.name:
            raise Invalid(f"two rules are called {rule.name}", "give each metric one rule, with `cases`")
        if other is not None:
            raise Invalid(f"{other} and {rule.name} are both {family} in OpenMetrics", "rename one")
        families[family] = rule.name
    return rules
