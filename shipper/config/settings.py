"""Settings: every option declared once, with type, default and meaning.

The command line's help, the configuration reference, the JSON schema and `shipper check` all come from here. A key
`a: {b: …}` of the file is also the variable `SHIPPER_A__B`; flags win over variables, variables over the file.
"""

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from shipper.config.input_kinds import input_kind
from shipper.config.output_kinds import forms, output_kind
from shipper.config.output_settings import ElasticsearchSettings, IndexSettings, KafkaSettings, LocalSettings
from shipper.config.pipeline_settings import CounterSettings, RedactSettings, SchemaSettings
from shipper.config.section import RESTART, Section
from shipper.config.units import Duration, Size
from shipper_schemas.entry import HttpSource


class InputSettings(Section):
    """One input: what to follow and how to read it."""

    type: Literal["docker", "cri", "plain", "kafka"] = Field(description="envelope of the lines; kafka: a topic")
    glob: str = Field(
        min_length=1, description="files to follow; rotated siblings belong to them; for kafka //HOST:PORT/TOPIC"
    )
    start: Literal["beginning", "end"] = Field("beginning", alias="from", description="where files never seen begin")
    http_source: HttpSource = Field(
        "structured", description="record that feeds request-based counters; a container's label overrides it"
    )
    service: str | None = Field(None, description="service name of all its lines, instead of the container's labels")

    @property
    def url(self) -> str:
        """`TYPE:GLOB`, as it is given on the command line."""
        return f"{self.type}:{self.glob}"

    @model_validator(mode="after")
    def _of_its_form(self) -> Self:
        input_kind(self.type).validate(self.url)
        return self


def read_input(value: object) -> object:
    """`TYPE:GLOB` as a mapping. Raises ValueError."""
    if not isinstance(value, str):
        return value
    kind, separator, glob = value.partition(":")
    if not separator or not glob:
        raise ValueError("expected TYPE:GLOB, such as docker:/var/lib/docker/containers/*/*-json.log")
    return {"type": kind, "glob": glob}


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
    batch_bytes: Size = Field(4 * 1024 * 1024, ge=1024, description="documents under way at once, over all batches")
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


class ReloadSettings(Section):
    """Taking over a changed configuration without a restart; SIGHUP asks for it at any time."""

    watch: bool = Field(True, description="reload where the content of the file, or of a `*_file` it names, changes")
    interval: Duration = Field(2.0, ge=0.1, le=3600, description="how often the files are looked at")


def node_name() -> str:
    """The machine's name, as events carry it."""
    return socket.gethostname()


class Settings(Section):
    """The whole configuration; `shipper.config` reads it from file, variables and flags."""

    inputs: list[Annotated[InputSettings, BeforeValidator(read_input, json_schema_input_type=str | InputSettings)]] = (
        Field(
            default_factory=lambda: [InputSettings(type="docker", glob="/var/lib/docker/containers/*/*-json.log")],
            description="what to follow: TYPE:GLOB, TYPE one of docker, cri, plain; or kafka://HOST:PORT/TOPIC alone",
        )
    )
    output: str = Field(
        "local:./shipper-data",
        min_length=1,
        description=f"where events go: {forms()}",
        json_schema_extra=RESTART,
    )
    state_dir: Path = Field(
        Path("./shipper-state"), description="positions and counters; one agent each", json_schema_extra=RESTART
    )
    state_key: SecretStr | None = Field(
        None,
        min_length=1,
        description="key that hides unfinished lines in the state; made and kept in the state directory where empty",
        json_schema_extra=RESTART,
    )
    state_key_file: Path | None = Field(None, description="file that holds that key", json_schema_extra=RESTART)
    listen: str = Field(
        "127.0.0.1:9108", description="HOST:PORT of metrics and health, or off", json_schema_extra=RESTART
    )
    log_format: Literal["console", "json"] | None = Field(
        None,
        description="the shipper's own log: console or json; console on a terminal",
        json_schema_extra=RESTART,
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity of its own log")
    host: str = Field(
        default_factory=node_name, min_length=1, description="name of this node in events", json_schema_extra=RESTART
    )
    compiled: bool = Field(
        default=True,
        description="whether ordinary lines go through the compiled extension, where it is installed",
        json_schema_extra=RESTART,
    )
    token: SecretStr | None = Field(
        None,
        min_length=1,
        description="bearer token that pages beyond metrics and health ask for",
        json_schema_extra=RESTART,
    )
    token_file: Path | None = Field(None, description="file that holds the token", json_schema_extra=RESTART)
    index: IndexSettings = Field(default_factory=IndexSettings, json_schema_extra=RESTART)
    local: LocalSettings = Field(default_factory=LocalSettings)
    elasticsearch: ElasticsearchSettings = Field(default_factory=ElasticsearchSettings)
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    schema_: SchemaSettings = Field(default_factory=SchemaSettings, alias="schema")
    redact: RedactSettings = Field(default_factory=RedactSettings)
    counters: CounterSettings = Field(default_factory=CounterSettings)
    join: JoinSettings = Field(default_factory=JoinSettings, json_schema_extra=RESTART)
    tail: TailSettings = Field(default_factory=TailSettings, json_schema_extra=RESTART)
    docker: DockerSettings = Field(default_factory=DockerSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    reload: ReloadSettings = Field(default_factory=ReloadSettings, json_schema_extra=RESTART)

    @field_validator("output")
    @classmethod
    def _a_known_output(cls, output: str) -> str:
        output_kind(output).validate(output)
        return output

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> Self:
        indexed = any(input_kind(source.type).process == "indexer" for source in self.inputs)
        if indexed and len(self.inputs) > 1:
            raise ValueError("kafka:// is the only input of an indexer; follow files with an agent of their own")
        if indexed and not output_kind(self.output).keeps:
            raise ValueError("input and output are both kafka://; an indexer writes to Elasticsearch or local:DIR")
        return self

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, separator, port = listen.rpartition(":")
        named = separator and host and host.isprintable() and " " not in host
        if listen != "off" and not (named and port.isdecimal() and int(port) < 65_536):  # noqa: PLR2004
            raise ValueError("expected HOST:PORT, such as 127.0.0.1:9108, or off")
        return listen
