"""Settings: each option, declared once with type, default and description.

The command-line help, the configuration reference, the JSON schema and `shipper check` are derived from it. A key
`a: {b: …}` of the file is also the variable `SHIPPER_A__B`; flags override variables, variables override the file.
"""

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from shipper.config.input_kinds import input_kind
from shipper.config.output_kinds import forms, output_kind
from shipper.config.output_settings import ElasticsearchSettings, IndexSettings, KafkaSettings, LocalSettings
from shipper.config.pipeline_settings import CounterSettings, RedactSettings, SchemaSettings, TimeZone
from shipper.config.section import RESTART, Section
from shipper.config.units import Duration, Size
from shipper.system.url_secrets import without_secrets
from shipper_schemas.entry import HttpSource, Paths, RequireId
from shipper_schemas.invalid import Invalid


class InputSettings(Section):
    """One input: the logs to follow and their format."""

    type: Literal["docker", "cri", "plain", "kafka"] = Field(description="format of the lines; kafka: a topic")
    glob: str = Field(min_length=1, description="files to follow, rotated ones included; for kafka: //HOST:PORT/TOPIC")
    start: Literal["beginning", "end"] = Field(
        "beginning", alias="from", description="start offset of files never seen before"
    )
    http_source: HttpSource = Field(
        "structured", description="record that feeds request-based counters; a container label overrides it"
    )
    paths: Paths = Field(
        "tolerant",
        description="comparison of request paths with routes: tolerant counts every form that servers may route alike,"
        " strict the path as logged; a container label overrides it",
    )
    require_correlation_id: RequireId | None = Field(
        None,
        description="entries of this input that must carry a correlation id, instead of schema.require_correlation_id;"
        " the container label shipper.require-correlation-id overrides it",
    )
    service: str | None = Field(None, description="service name of all lines, instead of the container's labels")
    timezone: TimeZone | None = Field(
        None,
        description="zone of timestamps that name none, instead of schema.timezone; the container label"
        " shipper.timezone overrides it",
    )

    @property
    def url(self) -> str:
        """`TYPE:GLOB`, as on the command line."""
        return f"{self.type}:{self.glob}"

    @model_validator(mode="after")
    def _is_valid_for_its_type(self) -> Self:
        input_kind(self.type).validate(self.url)
        return self


def read_input(value: object) -> object:
    """Parse `TYPE:GLOB` into a mapping. Raises ValueError."""
    if not isinstance(value, str):
        return value
    kind, separator, glob = value.partition(":")
    if not separator or not glob:
        raise ValueError("expected TYPE:GLOB, such as docker:/var/lib/docker/containers/*/*-json.log")
    return {"type": kind, "glob": glob}


class JoinSettings(Section):
    """Joining of stack traces and partial lines."""

    max_lines: int = Field(1000, ge=1, description="maximum number of lines joined into one entry")
    max_bytes: Size = Field(256 * 1024, ge=1, description="maximum size of a joined entry")
    wait: Duration = Field(
        1.0,
        ge=0,
        le=60,
        description="maximum time between lines of one entry; parts of a line that the runtime cut wait on",
    )


class TailSettings(Section):
    """Reading files."""

    poll_interval: Duration = Field(0.25, gt=0, le=60, description="interval between checks of idle files")
    notify: bool = Field(
        True, description="be notified of changes by inotify, where the file system reports them; false: poll all files"
    )
    scan_interval: Duration = Field(1.0, gt=0, le=3600, description="interval between scans for new files")
    max_line_bytes: Size = Field(
        1024 * 1024, ge=1024, description="maximum message size; longer messages are truncated"
    )
    batch_bytes: Size = Field(
        4 * 1024 * 1024, ge=1024, description="maximum size of documents in flight, over all batches"
    )
    batch_age: Duration = Field(1.0, ge=0, le=60, description="maximum age of a batch before it is sent")
    rotate_wait: Duration = Field(
        5.0, ge=0, le=3600, description="how long a rotated file is read for late lines before the next file is read"
    )
    late_wait: Duration = Field(
        60.0,
        ge=0,
        le=86_400,
        description="how long a rotated plain file must not have grown before it is closed; while it has a name, later"
        " lines are read as well",
    )
    max_open_files: int | None = Field(
        None, ge=1, description="maximum number of open files; empty: derived from the process limit"
    )


class SpoolSettings(Section):
    """Rotated files while the output is unavailable: what would be lost is kept in the state directory."""

    max_bytes: Size = Field(
        1024 * 1024 * 1024, ge=0, description="maximum size of the spool on disk; 0: deleted files are only held open"
    )
    max_age: Duration = Field(7 * 86_400.0, gt=0, description="how long a file is kept in the spool")
    drop: Literal["oldest", "newest"] = Field(
        "oldest",
        description="files that are let go of where the spool has no room; oldest: after an outage the latest events"
        " matter most, and the oldest are the next that retention deletes",
    )
    after: Duration = Field(
        10.0, ge=0, le=3600, description="how long a deleted file is held open before its unshipped rest is spooled"
    )
    held_bytes: Size = Field(
        64 * 1024 * 1024, ge=0, description="maximum size of the unshipped rest of deleted files that are held open"
    )
    held_files: int | None = Field(
        None,
        ge=1,
        description="maximum number of unshipped rotated files held open; empty: a quarter of max_open_files",
    )


class DockerSettings(Section):
    """The Docker API, for container names if the runtime's own files cannot be read."""

    api: bool = Field(False, description="query the Docker API; access to its socket is equivalent to root")
    url: str | None = Field(None, description="address of the Docker API; empty: the default socket")


class KubernetesSettings(Section):
    """Labels of pods from the Kubernetes API server: settings of their logs, and fields of their entries."""

    metadata: bool = Field(
        False, description="read labels and annotations of the node's pods; needs get, list and watch of pods"
    )
    labels: list[str] = Field(
        default_factory=list, description="labels of pods that are stored with entries; `*` stands for any text"
    )
    wait: Duration = Field(
        5.0, ge=0, le=60, description="how long a new log waits for the metadata of its pod before it is read"
    )
    url: str | None = Field(None, description="address of the API server; empty: that of the cluster")

    @field_validator("url")
    @classmethod
    def _url_without_credentials(cls, url: str | None) -> str | None:
        if url is not None and without_secrets(url) != url:
            raise Invalid("credentials in the URL would appear in logs", "set kubernetes.token_file")
        return url

    node: str | None = Field(None, description="name of the node; empty: `host`")
    token_file: Path | None = Field(None, description="file that contains the token; empty: the service account's")
    ca_file: Path | None = Field(None, description="trusted CA certificates; empty: the service account's")


class HealthSettings(Section):
    """Health of the agent."""

    max_lag: Duration | None = Field(None, gt=0, description="lag above which the agent is degraded; empty: no limit")
    stuck_after: Duration = Field(
        60.0, gt=0, description="time without progress of the main loop after which the agent is stuck"
    )


class ReloadSettings(Section):
    """Reload of a changed configuration without a restart; SIGHUP triggers it at any time."""

    watch: bool = Field(True, description="reload when the file, or a file named by a `*_file` key, changes")
    interval: Duration = Field(2.0, ge=0.1, le=3600, description="interval between checks of the files")


def node_name() -> str:
    """Return the host name, as in events."""
    return socket.gethostname()


class Settings(Section):
    """The whole configuration; `shipper.config` reads it from file, variables and flags."""

    inputs: list[Annotated[InputSettings, BeforeValidator(read_input, json_schema_input_type=str | InputSettings)]] = (
        Field(
            default_factory=lambda: [InputSettings(type="docker", glob="/var/lib/docker/containers/*/*-json.log")],
            description="inputs to follow: TYPE:GLOB (docker, cri or plain), or a single kafka://HOST:PORT/TOPIC",
        )
    )
    output: str = Field(
        "local:./shipper-data",
        min_length=1,
        description=f"URL of the output: {forms()}",
        json_schema_extra=RESTART,
    )
    state_dir: Path = Field(
        Path("./shipper-state"),
        description="directory of checkpoints and counters, one per agent",
        json_schema_extra=RESTART,
    )
    state_key: SecretStr | None = Field(
        None,
        min_length=1,
        description="key that encrypts partial lines in the state; empty: generated in the state directory",
        json_schema_extra=RESTART,
    )
    state_key_file: Path | None = Field(None, description="file that contains the key", json_schema_extra=RESTART)
    listen: str = Field(
        "127.0.0.1:9108", description="HOST:PORT of metrics, health and web pages, or off", json_schema_extra=RESTART
    )
    log_format: Literal["console", "json"] | None = Field(
        None,
        description="format of the shipper's own log; empty: console on a terminal, else json",
        json_schema_extra=RESTART,
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="minimum severity of the shipper's own log"
    )
    host: str = Field(
        default_factory=node_name, min_length=1, description="name of this node in events", json_schema_extra=RESTART
    )
    compiled: bool = Field(
        default=True,
        description="process ordinary lines on the native path, if the extension is installed",
        json_schema_extra=RESTART,
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=64,
        description="threads of the native path; empty: one for each CPU that the process may use, at most 4",
        json_schema_extra=RESTART,
    )
    token: SecretStr | None = Field(
        None,
        min_length=1,
        description="bearer token required for everything except metrics and health",
        json_schema_extra=RESTART,
    )
    token_file: Path | None = Field(None, description="file that contains the token", json_schema_extra=RESTART)
    index: IndexSettings = Field(default_factory=IndexSettings, json_schema_extra=RESTART)
    local: LocalSettings = Field(default_factory=LocalSettings)
    elasticsearch: ElasticsearchSettings = Field(default_factory=ElasticsearchSettings)
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    schema_: SchemaSettings = Field(default_factory=SchemaSettings, alias="schema")
    redact: RedactSettings = Field(default_factory=RedactSettings)
    counters: CounterSettings = Field(default_factory=CounterSettings)
    join: JoinSettings = Field(default_factory=JoinSettings, json_schema_extra=RESTART)
    tail: TailSettings = Field(default_factory=TailSettings, json_schema_extra=RESTART)
    spool: SpoolSettings = Field(default_factory=SpoolSettings, json_schema_extra=RESTART)
    docker: DockerSettings = Field(default_factory=DockerSettings)
    kubernetes: KubernetesSettings = Field(default_factory=KubernetesSettings, json_schema_extra=RESTART)
    health: HealthSettings = Field(default_factory=HealthSettings)
    reload: ReloadSettings = Field(default_factory=ReloadSettings, json_schema_extra=RESTART)

    @field_validator("output")
    @classmethod
    def _output_is_known(cls, output: str) -> str:
        output_kind(output).validate(output)
        return output

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> Self:
        indexed = any(input_kind(source.type).process == "indexer" for source in self.inputs)
        if indexed and len(self.inputs) > 1:
            raise Invalid("kafka:// must be the only input", "follow files with a separate agent")
        if indexed and not output_kind(self.output).keeps:
            raise Invalid("input and output are both kafka://", "set the output to Elasticsearch or local:DIR")
        return self

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, separator, port = listen.rpartition(":")
        named = separator and host and host.isprintable() and " " not in host
        if listen != "off" and not (named and port.isdecimal() and int(port) < 65_536):  # noqa: PLR2004
            raise ValueError("expected HOST:PORT, such as 127.0.0.1:9108, or off")
        return listen
