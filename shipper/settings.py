"""Settings: every option declared once, with type, default and meaning.

The command line's help, the configuration reference, the JSON schema and `shipper check` all come from here. A key
`a: {b: …}` of the file is also the variable `SHIPPER_A__B`; flags win over variables, variables over the file.
"""

import re
import socket
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic.config import JsonDict

from processors.enforce import CORRELATION_SOURCES
from processors.redact import DEFAULT_FIELDS, PATTERNS, Redactor
from schemas.builtin_rules import builtin_rules
from schemas.entry import HttpSource
from schemas.rules import Rule, one_metric_each
from schemas.violation import DEFAULT_POLICIES, Kind, Policy
from shipper.keys import keys_in
from shipper.units import Duration, Size

INDEX_PREFIX = r"^[a-z0-9][a-z0-9._-]{0,99}$"
KAFKA_TOPIC = r"^[A-Za-z0-9._-]{1,249}$"
KAFKA_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
TAKEN = ("process_", "python_")
"""Beginnings of the names under which the Prometheus client tells of the process; rules refuse our own themselves."""
RESTART: JsonDict = {"x-restart": True}
"""Marks a setting, or a section with all its settings, that a running agent does not take over: it needs a restart."""
SPARED = (Kind.UNSTRUCTURED, Kind.BLANK)
"""Kinds that may be allowed: they are no fault of a structured entry."""


class Section(BaseModel):
    """A part of the file; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


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

    @model_validator(mode="after")
    def _a_topic(self) -> Self:
        if self.type == "kafka":
            kafka_url(f"kafka:{self.glob}")
        return self


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


class ElasticsearchSettings(Section):
    """The Elasticsearch output."""

    hosts: list[str] = Field(
        default_factory=list, description="further nodes of the same cluster, as URLs; the output's URL is the first"
    )
    api_key: SecretStr | None = Field(None, min_length=1, description="API key, as the server prints it encoded")
    api_key_file: Path | None = Field(None, description="file that holds the API key")
    username: str | None = Field(None, min_length=1, description="user of basic authentication")
    password: SecretStr | None = Field(None, min_length=1, description="password of that user")
    password_file: Path | None = Field(None, description="file that holds the password")
    ca_file: Path | None = Field(None, description="certificates of the authorities to trust; the system's where empty")
    certificate_file: Path | None = Field(None, description="client certificate")
    key_file: Path | None = Field(None, description="key of the client certificate")
    verify: bool = Field(True, description="whether the server's certificate is verified; switch off for tests alone")
    compress: bool = Field(True, description="gzip request bodies")
    in_flight: int = Field(4, ge=1, le=64, description="batches on their way at once")
    request_bytes: Size = Field(5 * 1024 * 1024, ge=1024, description="longest body of a bulk request, uncompressed")
    request_timeout: Duration = Field(30.0, gt=0, le=600, description="how long a request may take")
    retry_for: Duration = Field(
        60.0, ge=0, le=3600, description="how long documents are sent again before the output counts as away"
    )
    require_template: bool = Field(
        True, description="refuse to write before `shipper setup` has installed the index templates"
    )
    data_stream: bool = Field(
        False,
        description="write to a data stream named by index.prefix, not to daily indices",
        json_schema_extra=RESTART,
    )
    retention: Duration | None = Field(
        None, ge=86_400, description="age at which `shipper setup` has the server delete an index; never where empty"
    )
    shards: int = Field(1, ge=1, le=1024, description="primary shards of an index")
    replicas: int = Field(1, ge=0, le=16, description="copies of each shard")

    @field_validator("hosts")
    @classmethod
    def _hosts_are_urls(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            http_url(host)
        return hosts

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        if self.api_key is not None and self.username is not None:
            raise ValueError("api_key and username are both given; keep one of them")
        if (self.username is None) != (self.password is None and self.password_file is None):
            raise ValueError("username and password belong together; give both")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file without certificate_file; give both, or neither")
        return self


def http_url(url: str) -> str:
    """`url`, which names a server and neither a user nor a question. Raises ValueError."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError as error:
        raise ValueError(f"expected http(s)://HOST:PORT: {error}") from error
    if found.username is not None or found.password is not None:
        raise ValueError("a user in the URL would be shown and logged; give elasticsearch.username and password_file")
    if found.scheme not in ("http", "https") or not found.hostname or found.query or found.fragment or port == 0:
        raise ValueError("expected http(s)://HOST:PORT, such as https://elasticsearch:9200")
    return url


class KafkaSettings(Section):
    """Kafka, as output of node agents and as input of the indexer."""

    client: Literal["auto", "kafka-python", "confluent"] = Field(
        "auto", description="client library; auto takes confluent-kafka where it is installed"
    )
    group: str = Field("shipper", min_length=1, max_length=249, description="consumer group of the indexers")
    quarantine_topic: str | None = Field(
        None, pattern=KAFKA_TOPIC, description="topic of refused entries; TOPIC-quarantine where empty"
    )
    compression: Literal["auto", "none", "gzip", "lz4", "zstd"] = Field(
        "auto", description="compression of messages; auto takes lz4 where the client can, else gzip"
    )
    linger: Duration = Field(0.02, ge=0, le=10, description="how long a message may wait for others to go with it")
    request_bytes: Size = Field(
        4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024,
        description="largest message that is tried, uncompressed; the topic's max.message.bytes bounds it too",
    )  # fmt: skip
    events_per_record: int = Field(
        1, ge=1, le=1000, description="events framed in one message, a line each; other tools expect one"
    )
    in_flight: int = Field(4, ge=1, le=64, description="batches on their way at once")
    delivery_timeout: Duration = Field(
        30.0, ge=1, le=3600, description="how long a message may wait for its acknowledgement before the broker is away"
    )
    session_timeout: Duration = Field(
        45.0, ge=6, le=1800, description="silence after which the group gives an indexer's partitions to another"
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="how brokers are talked to"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="how user and password are proved, where the protocol begins with sasl"
    )
    username: str | None = Field(None, min_length=1, description="user of SASL")
    password: SecretStr | None = Field(None, min_length=1, description="password of that user")
    password_file: Path | None = Field(None, description="file that holds the password")
    ca_file: Path | None = Field(None, description="certificates of the authorities to trust; the system's where empty")
    certificate_file: Path | None = Field(None, description="client certificate")
    key_file: Path | None = Field(None, description="key of the client certificate")
    verify: bool = Field(True, description="whether the broker's certificate is verified; switch off for tests alone")

    @model_validator(mode="after")
    def _security_fits(self) -> Self:
        sasl, tls = self.security_protocol.startswith("sasl"), self.security_protocol.endswith("ssl")
        password = self.password is not None or self.password_file is not None
        if sasl and not (self.username and password):
            raise ValueError(f"security_protocol {self.security_protocol} needs username and password")
        if not sasl and (self.username or password):
            raise ValueError("username or password without SASL; give security_protocol: sasl_ssl")
        if not tls and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("ca_file, certificate_file or key_file without TLS; give security_protocol: ssl")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file without certificate_file; give both, or neither")
        return self


class KafkaUrl(NamedTuple):
    """A `kafka:` URL: the brokers to ask first, as HOST:PORT, and the topic."""

    servers: tuple[str, ...]
    topic: str


def kafka_url(url: str) -> KafkaUrl:
    """Brokers and topic of `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`. Raises ValueError."""
    if "@" in url:
        raise ValueError("a user in the URL would be shown and logged; give kafka.username and password_file")
    scheme, _, rest = url.partition("://")
    servers, _, topic = rest.partition("/")
    found = tuple(servers.split(","))
    if scheme != "kafka" or not all(KAFKA_SERVER.fullmatch(server) for server in found):
        raise ValueError("expected kafka://HOST:PORT[,HOST:PORT]/TOPIC, such as kafka://kafka:9092/logs")
    if not re.fullmatch(KAFKA_TOPIC, topic) or topic in (".", ".."):
        raise ValueError("expected a topic of letters, digits, `.`, `_` and `-`, as in kafka://kafka:9092/logs")
    return KafkaUrl(found, topic)


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
                raise ValueError(f"{kind} may be quarantine, flag or drop; allow is for unstructured and blank lines")
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
    """The whole configuration; `shipper.configuration` reads it from file, variables and flags."""

    inputs: list[Annotated[InputSettings, BeforeValidator(read_input, json_schema_input_type=str | InputSettings)]] = (
        Field(
            default_factory=lambda: [InputSettings(type="docker", glob="/var/lib/docker/containers/*/*-json.log")],
            description="what to follow: TYPE:GLOB, TYPE one of docker, cri, plain; or kafka://HOST:PORT/TOPIC alone",
        )
    )
    output: str = Field(
        "local:./shipper-data",
        min_length=1,
        description="where events go: local:DIR, http(s)://HOST:PORT or kafka://HOST:PORT/TOPIC",
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
        scheme, _, rest = output.partition(":")
        if scheme in ("http", "https"):
            return http_url(output)
        if scheme == "kafka":
            kafka_url(output)
        elif scheme != "local" or not rest:
            raise ValueError(
                "expected local:DIR (a folder), http(s)://HOST:PORT (Elasticsearch) or"
                " kafka://HOST:PORT/TOPIC (a topic)"
            )
        return output

    @model_validator(mode="after")
    def _one_kind_of_input(self) -> Self:
        topics = [found for found in self.inputs if found.type == "kafka"]
        if topics and len(self.inputs) > 1:
            raise ValueError("kafka:// is the only input of an indexer; follow files with an agent of their own")
        if topics and self.output.startswith("kafka:"):
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
