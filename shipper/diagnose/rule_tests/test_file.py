"""Declared: the shape of a file of tests, each key with its type, default and meaning."""

from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from shipper.diagnose.rule_tests.series import Series, parse_series
from shipper_processors.times import parse_ms
from shipper_schemas.entry import HttpSource
from shipper_schemas.violation import Kind

NOW = "2026-01-01T00:00:00Z"


class Part(BaseModel):
    """A part of the file; an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_reasons(value: object) -> object:
    """One reason may stand without brackets."""
    return [value] if isinstance(value, str) else value


def _as_json(value: Any) -> Any:  # noqa: ANN401 -- any value of YAML
    """What JSON makes of it, all keys texts. Raises ValueError for what it has no place for: bytes, sets, times."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        raise ValueError(f"no JSON can be made of it: {error}") from error


class Expected(Part):
    """What has to come of the lines. What is not given is not looked at; what is given has to be all there is."""

    events: list[dict[str, Any]] | None = Field(
        None, description="stored events in order, each by the fields that matter; null means absent"
    )
    counters: dict[str, FiniteFloat] | None = Field(
        None,
        description='additions by series, as in NAME{label="value"}; a histogram is NAME_count, NAME_sum, NAME_bucket',
    )
    quarantine: (
        list[Annotated[list[Kind], BeforeValidator(read_reasons, json_schema_input_type=Kind | list[Kind])]] | None
    ) = Field(None, description="refused entries in order, each by its reasons")
    dropped: int | None = Field(None, ge=0, description="how many entries are dropped")

    @field_validator("events")
    @classmethod
    def _are_json(cls, events: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] | None = _as_json(events)
        return found

    @field_validator("counters")
    @classmethod
    def _are_series(cls, counters: dict[str, float] | None) -> dict[str, float] | None:
        for text in counters or ():
            parse_series(text)
        return counters

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if all(value is None for value in self.__dict__.values()):
            raise ValueError("a test expects something: events, counters, quarantine or dropped")
        return self

    def series(self) -> dict[Series, float]:
        """The expected additions by series."""
        return {parse_series(text): value for text, value in (self.counters or {}).items()}


class Case(Part):
    """One test."""

    name: str = Field(min_length=1, description="what is tested, as a sentence")
    type: Literal["payload", "docker", "cri", "plain"] = Field(
        "payload", description="envelope of the lines; payload: what an application writes, in an envelope made here"
    )
    lines: list[Any] = Field(min_length=1, description="the lines; a mapping is written as JSON")
    service: str = Field("backend", min_length=1, description="service that the lines are of")
    container: str | None = Field(None, description="name of its container")
    stream: Literal["stdout", "stderr"] = Field("stdout", description="stream of payloads")
    http_source: HttpSource = Field("structured", description="record that feeds request-based counters")
    now: str = Field(NOW, description="time of payloads, and of lines that have none")
    expect: Expected = Field(description="what has to come of them")

    @field_validator("now")
    @classmethod
    def _is_a_time(cls, now: str) -> str:
        if parse_ms(now) is None:
            raise ValueError("expected a time such as 2026-01-01T00:00:00Z")
        return now

    @field_validator("lines")
    @classmethod
    def _are_texts(cls, lines: list[Any]) -> list[Any]:
        for line in lines:
            if not isinstance(line, str | dict):
                raise ValueError("a line is text, or a mapping that is written as JSON; put it in quotes")  # noqa: TRY004 -- pydantic reports this one
        return [line if isinstance(line, str) else _as_json(line) for line in lines]


class Suite(Part):
    """A file of tests."""

    tests: list[Case] = Field(min_length=1, description="the tests, each on its own")
