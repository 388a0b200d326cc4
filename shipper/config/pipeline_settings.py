"""Settings of the pipeline: schema, redaction, counters."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from shipper.config.files.key_files import parse_keys
from shipper.config.section import Section
from shipper.config.units import Duration
from shipper_processors.redact_names import DEFAULT_FIELDS, PATTERN_NAMES
from shipper_processors.time_zones import named_zone
from shipper_schemas.builtin_rules import builtin_rules, preset_rules
from shipper_schemas.entry import RequireId
from shipper_schemas.event import KNOWN_FIELDS
from shipper_schemas.field_sources import TIME_FIELD
from shipper_schemas.invalid import Invalid
from shipper_schemas.presets import Preset
from shipper_schemas.rules import Rule, unique_metrics
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy

RESERVED_PREFIXES = ("process_", "python_")
"""Prefixes of the Prometheus client's process metrics; rules check our own prefix themselves."""
MAY_BE_ALLOWED = (Kind.UNSTRUCTURED, Kind.BLANK)
"""Kinds for which the policy `allow` is valid: they are not defects of a structured entry."""


def known_zone(name: str) -> str:
    """Return the name of a time zone. Raises Invalid if the database has none of that name."""
    if named_zone(name) is None:
        raise Invalid(
            f"unknown time zone {name!r}", "use a name of the IANA time zone database, such as Europe/Paris or UTC"
        )
    return name


TimeZone = Annotated[str, AfterValidator(known_zone)]
"""Name of a zone in the IANA time zone database."""


class SchemaSettings(Section):
    """The correlation-id schema and the policies of violations."""

    require_correlation_id: RequireId = Field(
        "requests",
        description="entries that must carry a correlation id: requests (events `request_*`, and those that counter"
        " rules name), always, or never; other entries are stored without",
    )
    namespaces: dict[str, RequireId] = Field(
        default_factory=dict,
        description="require_correlation_id by Kubernetes namespace; inputs and container labels override it",
    )
    fields: dict[str, list[str]] = Field(
        default_factory=dict,
        description="further places of known fields: paths such as ctx.order_ref, tried before the usual ones; a"
        " container sets its own by the label shipper.fields.FIELD: PATH, PATH",
    )
    policies: dict[Kind, Policy] = Field(
        default_factory=dict,
        description="policy by kind of violation: quarantine, flag or drop; allow for unstructured and blank lines",
    )
    max_future: Duration = Field(
        3600.0, ge=0, description="maximum time an event may be dated after the runtime's timestamp"
    )
    max_past: Duration = Field(
        7 * 86_400.0, ge=0, description="maximum time an event may be dated before the runtime's timestamp"
    )
    max_age: Duration = Field(
        366 * 86_400.0, ge=0,
        description="maximum age of a timestamp that no runtime confirms (plain logs, topics); replay accepts any",
    )  # fmt: skip
    timezone: TimeZone = Field("UTC", description="zone of timestamps that name none, such as Europe/Paris")

    @field_validator("fields")
    @classmethod
    def _fields_are_known(cls, fields: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, paths in fields.items():
            if name not in KNOWN_FIELDS and name != TIME_FIELD:
                raise Invalid(f"`{name}` is not a known field", f"use one of {', '.join([*KNOWN_FIELDS, TIME_FIELD])}")
            if not paths or not all(paths):
                raise Invalid(f"`{name}` has an empty path", "list paths such as [ctx.order_ref, order_ref]")
        return fields

    def field_paths(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the configured paths of fields, as the chain takes them."""
        return tuple((name, tuple(paths)) for name, paths in self.fields.items())

    @field_validator("policies")
    @classmethod
    def _allow_is_permitted(cls, policies: dict[Kind, Policy]) -> dict[Kind, Policy]:
        for kind, policy in policies.items():
            if policy is Policy.ALLOW and kind not in MAY_BE_ALLOWED and DEFAULT_POLICIES[kind] is not Policy.ALLOW:
                raise Invalid(
                    f"{kind} must be quarantine, flag or drop", "use allow only for unstructured and blank lines"
                )
        return policies


class RedactSettings(Section):
    """Redaction, before anything leaves the process."""

    fields: list[str] = Field(
        default=list(DEFAULT_FIELDS), description="names of fields to mask, also as words in longer names"
    )
    patterns: list[str] = Field(default=list(PATTERN_NAMES), description="built-in patterns to mask in all text")
    extra_patterns: dict[str, str] = Field(
        default_factory=dict, description="additional patterns by name, as RE2 regular expressions"
    )
    mode: Literal["mask", "hash"] = Field("mask", description="mask, or a keyed hash; equal values stay comparable")
    key: SecretStr | None = Field(
        None,
        min_length=1,
        description="keys of the hash, one per line, newest first; empty: generated in the state directory",
    )
    key_file: Path | None = Field(None, description="file that contains the keys")

    @field_validator("key")
    @classmethod
    def _keys_differ(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            parse_keys(key.get_secret_value().encode())
        return key

    @field_validator("patterns")
    @classmethod
    def _patterns_exist(cls, patterns: list[str]) -> list[str]:
        from shipper_processors.redact import Redactor  # noqa: PLC0415 -- compiles many patterns

        Redactor(patterns=patterns)
        return patterns

    @field_validator("extra_patterns")
    @classmethod
    def _patterns_compile(cls, patterns: dict[str, str]) -> dict[str, str]:
        from shipper_processors.redact import Redactor  # noqa: PLC0415 -- as above

        Redactor(extra_patterns=patterns)
        return patterns


class CounterSettings(Section):
    """Counters computed from events."""

    builtin: bool = Field(True, description="enable the built-in counters")
    rules: list[Rule] = Field(default_factory=list, description="additional counters and histograms")
    presets: list[Preset] = Field(
        default_factory=list, description="systems whose logins the login counters include, found by their log lines"
    )
    business_events: list[str] = Field(
        default_factory=lambda: ["patient_created", "appointment_scheduled", "prescription_created"],
        description="events counted by business_events_total",
    )
    max_label_values: int = Field(
        100, ge=1, description="maximum distinct values per label; further values are counted as `other`"
    )
    services: list[str] = Field(
        default_factory=list, description="services whose counters start at zero before their first line"
    )

    @field_validator("rules")
    @classmethod
    def _names_are_free(cls, rules: list[Rule]) -> list[Rule]:
        for rule in rules:
            if rule.name.startswith(RESERVED_PREFIXES):
                raise ValueError(f"{rule.name}: names that start with {' or '.join(RESERVED_PREFIXES)} are reserved")
        return rules

    @model_validator(mode="after")
    def _metrics_are_unique(self) -> Self:
        unique_metrics(self.all_rules())
        return self

    def all_rules(self) -> list[Rule]:
        """Return the built-in rules, those of the presets, and the configured ones."""
        if self.builtin:
            return [*builtin_rules(self.business_events, self.presets), *self.rules]
        return [*(preset_rules(tuple(self.presets)) if self.presets else ()), *self.rules]
