"""Schema of a test file: each key with its type, default and description."""

from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from shipper.diagnose.rule_tests.series import Series, parse_series
from shipper_processors.times import parse_ms
from shipper_schemas.entry import HttpSource, Paths
from shipper_schemas.violation import Kind

NOW = "2026-01-01T00:00:00Z"


class Part(BaseModel):
    """A part of the file; unknown keys are invalid."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_reasons(value: object) -> object:
    """Accept a single reason without brackets."""
    return [value] if isinstance(value, str) else value


def _as_json(value: Any) -> Any:  # noqa: ANN401 -- any value of YAML
    """Convert a YAML value to JSON, all keys to text. Raises ValueError for bytes, sets and times."""
    try:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        raise ValueError(f"cannot be converted to JSON: {error}") from error


class Expected(Part):
    """Expected result. Only what is listed is compared; each listed part must be complete."""

    events: list[dict[str, Any]] | None = Field(
        None, description="stored events in order, each with the fields to compare; null: absent"
    )
    counters: dict[str, FiniteFloat] | None = Field(
        None,
        description='increments by series: NAME{label="value"}; histograms as NAME_count, NAME_sum, NAME_bucket',
    )
    quarantine: (
        list[Annotated[list[Kind], BeforeValidator(read_reasons, json_schema_input_type=Kind | list[Kind])]] | None
    ) = Field(None, description="quarantined entries in order, each with its reasons")
    dropped: int | None = Field(None, ge=0, description="number of dropped entries")

    @field_validator("events")
    @classmethod
    def _are_json(cls, events: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        plain: list[dict[str, Any]] | None = _as_json(events)
        return plain

    @field_validator("counters")
    @classmethod
    def _are_series(cls, counters: dict[str, float] | None) -> dict[str, float] | None:
        for text in counters or ():
            parse_series(text)
        return counters

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if all(value is None for value in self.__dict__.values()):
            raise ValueError("expected at least one of events, counters, quarantine, dropped")
        return self

    def series(self) -> dict[Series, float]:
        """Return the expected increments by series."""
        return {parse_series(text): value for text, value in (self.counters or {}).items()}


class Case(Part):
    """One test."""

    name: str = Field(min_length=1, description="name of the test, as a sentence")
    type: Literal["payload", "docker", "cri", "plain"] = Field(
        "payload", description="format of the lines; payload: application output, wrapped in a docker envelope"
    )
    lines: list[Any] = Field(min_length=1, description="lines; a mapping becomes JSON")
    service: str = Field("backend", min_length=1, description="service of the lines")
    container: str | None = Field(None, description="container name")
    stream: Literal["stdout", "stderr"] = Field("stdout", description="stream of payloads")
    http_source: HttpSource = Field("structured", description="record that feeds request-based counters")
    paths: Paths = Field("tolerant", description="comparison of request paths with routes")
    now: str = Field(NOW, description="time of payloads, and of lines without one")
    expect: Expected = Field(description="expected result")

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
                raise ValueError("expected text or a mapping; put the line in quotes")  # noqa: TRY004 -- pydantic reports ValueError
        return [line if isinstance(line, str) else _as_json(line) for line in lines]


class Suite(Part):
    """A file of tests."""

    tests: list[Case] = Field(min_length=1, description="tests; each runs separately")
