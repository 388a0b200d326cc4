"""Settings of an entry's way: schema, redaction, counters."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shipper.config.files.key_files import keys_in
from shipper.config.section import Section
from shipper.config.units import Duration
from shipper_processors.enforce import CORRELATION_SOURCES
from shipper_processors.redact import DEFAULT_FIELDS, Redactor
from shipper_processors.redact_patterns import PATTERNS
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.invalid import Invalid
from shipper_schemas.rules import Rule, one_metric_each
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy

TAKEN = ("process_", "python_")
"""Beginnings of the names under which the Prometheus client tells of the process; rules refuse our own themselves."""
SPARED = (Kind.UNSTRUCTURED, Kind.BLANK)
"""Kinds that may be allowed: they are no fault of a structured entry."""


class SchemaSettings(Section):
    """The correlation-ID schema and what becomes of violations."""

    correlation_sources: list[str] = Field(
        default=list(CORRELATION_SOURCES), min_length=1, description="fields that may hold the correlation id, in order"
    )
    policies: dict[Kind, Policy] = Field(
        default_factory=dict,
        description="quarantine, flag or drop by kind of violation; allow for unstructured and blank lines",
    )
    max_future: Duration = Field(3600.0, ge=0, description="how far an event's time may be after the runtime's")
    max_past: Duration = Field(7 * 86_400.0, ge=0, description="how far an event's time may be before the runtime's")
    max_age: Duration = Field(
        366 * 86_400.0, ge=0,
        description="how old a time may be that no runtime vouches for (plain logs, topics); replay takes any",
    )  # fmt: skip

    @field_validator("policies")
    @classmethod
    def _allow_only_what_is_no_fault(cls, policies: dict[Kind, Policy]) -> dict[Kind, Policy]:
        for kind, policy in policies.items():
            if policy is Policy.ALLOW and kind not in SPARED and DEFAULT_POLICIES[kind] is not Policy.ALLOW:
                raise Invalid(f"{kind} may be quarantine, flag or drop", "keep allow for unstructured and blank lines")
        return policies


class RedactSettings(Section):
    """What is masked before anything leaves the process."""

    fields: list[str] = Field(default=list(DEFAULT_FIELDS), description="fields whose value is masked whole")
    patterns: list[str] = Field(default=list(PATTERNS), description="built-in patterns looked for in all text")
    extra_patterns: dict[str, str] = Field(
        default_factory=dict, description="further patterns: name to regular expression, in the syntax of RE2"
    )
    mode: Literal["mask", "hash"] = Field("mask", description="mask, or a keyed hash that tells equal values")
    key: SecretStr | None = Field(
        None,
        min_length=1,
        description="keys of the hash, a line each, newest first; one is made and kept in the state directory where"
        " empty",
    )
    key_file: Path | None = Field(None, description="file that holds the keys")

    @field_validator("key")
    @classmethod
    def _keys_differ(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            keys_in(key.get_secret_value().encode())
        return key

    @field_validator("patterns")
    @classmethod
    def _patterns_are_there(cls, patterns: list[str]) -> list[str]:
        Redactor(patterns=patterns)
        return patterns

    @field_validator("extra_patterns")
    @classmethod
    def _patterns_work(cls, patterns: dict[str, str]) -> dict[str, str]:
        Redactor(extra_patterns=patterns)
        return patterns


class CounterSettings(Section):
    """Counters kept from events."""

    builtin: bool = Field(True, description="keep the built-in counters")
    rules: list[Rule] = Field(default_factory=list, description="further counters and histograms")
    business_events: list[str] = Field(
        default_factory=lambda: ["patient_created", "appointment_scheduled", "prescription_created"],
        description="events counted by business_events_total",
    )
    max_label_values: int = Field(100, ge=1, description="distinct values of a label; more are counted as `other`")
    services: list[str] = Field(
        default_factory=list, description="services whose counters start at zero before their first line"
    )

    @field_validator("rules")
    @classmethod
    def _names_are_free(cls, rules: list[Rule]) -> list[Rule]:
        for rule in rules:
            if rule.name.startswith(TAKEN):
                raise ValueError(f"{rule.name}: names that begin with {' or '.join(TAKEN)} tell of the process itself")
        return rules

    @model_validator(mode="after")
    def _one_rule_each(self) -> Self:
        one_metric_each([*(builtin_rules(self.business_events) if self.builtin else []), *self.rules])
        return self
