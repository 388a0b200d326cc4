"""Settings: every option declared once, with type, default and meaning.

The command line's help, the configuration reference, the JSON schema and `shipper check` all come from here. A key
`a: {b: …}` of the file is also the variable `SHIPPER_A__B`; flags win over variables, variables over the file.
"""

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from processors.enforce import CORRELATION_SOURCES
from processors.redact import DEFAULT_FIELDS, PATTERNS, Redactor
from schemas.builtin_rules import builtin_rules
from schemas.entry import HttpSource
from schemas.rules import Rule, one_metric_each
from schemas.violation import DEFAULT_POLICIES, Kind, Policy
from shipper.units import Duration, Size

INDEX_PREFIX = r"^[a-z0-9][a-z0-9._-]{0,99}$"
TAKEN = ("process_", "python_")
"""Beginnings of the names under which the Prometheus client tells of the process; rules refuse our own themselves."""
SPARED = (Kind.UNSTRUCTURED, Kind.BLANK)
"""Kinds that may be allowed: they are no fault of a structured entry."""


class Section(BaseModel):
    """A part of the file; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class InputSettings(Section):
    """One input: what to follow and how to read it."""

    type: Literal["docker", "cri", "plain"] = Field(description="envelope of the lines")
    glob: str = Field(min_length=1, description="files to follow; rotated siblings belong to them")
    start: Literal["beginning", "end"] = Field("beginning", alias="from", description="where files never seen begin")
    http_source: HttpSource = Field(
        "structured", description="record that feeds request-based counters; a container's label overrides it"
    )
    service: str | None = Field(None, description="service name of all its lines, instead of the container's labels")


def read_input(value: object) -> object:
    """`TYPE:GLOB` as a mapping. Raises ValueError."""
    if not isinstance(value, str):
        return value
    kind, separator, glob = value.partition(":")
    if not separator or not glob:
        raise ValueError("expected TYPE:GLOB, such as docker:/var/lib/docker/containers/*/*-json.log")
    return {"type": kind, "glob": glob}


class IndexSettings(Section):
    """Names of the daily indices."""

    prefix: str = Field("keneyapp-logs", pattern=INDEX_PREFIX, description="events go to PREFIX-YYYY.MM.dd")
    quarantine_prefix: str = Field(
        "keneyapp-quarantine", pattern=INDEX_PREFIX, description="refused entries go to PREFIX-YYYY.MM.dd"
    )

    @model_validator(mode="after")
    def _two_indices(self) -> Self:
        if self.prefix == self.quarantine_prefix:
            raise ValueError("prefix and quarantine_prefix are the same; events and refused entries go apart")
        return self


class LocalSettings(Section):
    """The embedded store."""

    retention_days: int | None = Field(None, ge=1, description="days kept; all where empty")
    retention_bytes: Size | None = Field(None, ge=1, description="oldest days go while the store is larger")


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

    @field_validator("policies")
    @classmethod
    def _allow_only_what_is_no_fault(cls, policies: dict[Kind, Policy]) -> dict[Kind, Policy]:
        for kind, policy in policies.items():
            if policy is Policy.ALLOW and kind not in SPARED and DEFAULT_POLICIES[kind] is not Policy.ALLOW:
                raise ValueError(f"{kind} may be quarantine, flag or drop; allow is for unstructured and blank lines")
        return policies


class RedactSettings(Section):
    """What is masked before anything leaves the process."""

    fields: list[str] = Field(default=list(DEFAULT_FIELDS), description="fields whose value is masked whole")
    patterns: list[str] = Field(default=list(PATTERNS), description="built-in patterns looked for in all text")
    extra_patterns: dict[str, str] = Field(
        default_factory=dict, description="further patterns: name to regular expression"
    )
    mode: Literal["mask", "hash"] = Field("mask", description="mask, or a keyed hash that tells equal values")
    key: SecretStr | None = Field(
        None, min_length=1, description="key of the hash; made and kept in the state directory where empty"
    )
    key_file: Path | None = Field(None, description="file that holds the key")

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


class JoinSettings(Section):
    """Stack traces and parts of messages."""

    max_lines: int = Field(1000, ge=1, description="lines joined into one entry")
    max_bytes: Size = Field(256 * 1024, ge=1, description="text joined into one entry")
    wait: Duration = Field(1.0, ge=0, le=60, description="how far apart lines of one entry may be")


class TailSettings(Section):
    """Reading files."""

    poll_interval: Duration = Field(0.25, gt=0, le=60, description="how often quiet files are looked at")
    scan_interval: Duration = Field(1.0, gt=0, le=3600, description="how often folders are looked at for new files")
    max_line_bytes: Size = Field(1024 * 1024, ge=1024, description="longest message kept whole; longer ones are cut")
    batch_bytes: Size = Field(4 * 1024 * 1024, ge=1024, description="documents written and committed together")
    batch_age: Duration = Field(1.0, ge=0, le=60, description="how long a batch may wait to be full")
    rotate_wait: Duration = Field(5.0, ge=0, le=3600, description="how long a rotated file is watched for late lines")
    max_open_files: int | None = Field(None, ge=1, description="files kept open; from the process limit where empty")


class DockerSettings(Section):
    """The Docker API, for container names where the runtime's own files cannot be read."""

    api: bool = Field(False, description="ask the Docker API; its socket is as good as root")
    url: str | None = Field(None, description="address of the API; the usual socket where empty")


class HealthSettings(Section):
    """When the agent calls itself unwell."""

    max_lag: Duration | None = Field(None, gt=0, description="lag that makes it degraded; none where empty")
    stuck_after: Duration = Field(60.0, gt=0, description="time without a turn of the loop that makes it stuck")


def node_name() -> str:
    """The machine's name, as events carry it."""
    return socket.gethostname()


class Settings(Section):
    """The whole configuration; `shipper.configuration` reads it from file, variables and flags."""

    inputs: list[Annotated[InputSettings, BeforeValidator(read_input, json_schema_input_type=str | InputSettings)]] = (
        Field(
            default_factory=lambda: [InputSettings(type="docker", glob="/var/lib/docker/containers/*/*-json.log")],
            description="what to follow: TYPE:GLOB, TYPE one of docker, cri and plain",
        )
    )
    output: str = Field("local:./shipper-data", min_length=1, description="where events go: local:DIR")
    state_dir: Path = Field(Path("./shipper-state"), description="positions and counters; one agent each")
    listen: str = Field("127.0.0.1:9108", description="HOST:PORT of metrics and health, or off")
    log_format: Literal["console", "json"] | None = Field(
        None, description="the shipper's own log: console or json; console on a terminal"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity of its own log")
    host: str = Field(default_factory=node_name, min_length=1, description="name of this node in events")
    token: SecretStr | None = Field(
        None, min_length=1, description="bearer token that pages beyond metrics and health ask for"
    )
    token_file: Path | None = Field(None, description="file that holds the token")
    index: IndexSettings = Field(default_factory=IndexSettings)
    local: LocalSettings = Field(default_factory=LocalSettings)
    schema_: SchemaSettings = Field(default_factory=SchemaSettings, alias="schema")
    redact: RedactSettings = Field(default_factory=RedactSettings)
    counters: CounterSettings = Field(default_factory=CounterSettings)
    join: JoinSettings = Field(default_factory=JoinSettings)
    tail: TailSettings = Field(default_factory=TailSettings)
    docker: DockerSettings = Field(default_factory=DockerSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)

    @field_validator("output")
    @classmethod
    def _a_known_output(cls, output: str) -> str:
        if not output.removeprefix("local:") or not output.startswith("local:"):
            raise ValueError("expected local:DIR, a folder")
        return output

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, separator, port = listen.rpartition(":")
        if listen != "off" and not (separator and host and port.isdecimal() and int(port) < 65_536):  # noqa: PLR2004
            raise ValueError("expected HOST:PORT, such as 127.0.0.1:9108, or off")
        return listen
