"""Settings of the outputs: index names, the embedded store, Elasticsearch, Kafka."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shipper.config.output_kinds import KAFKA_TOPIC, http_url
from shipper.config.section import RESTART, Section
from shipper.config.units import Duration, Size

INDEX_PREFIX = r"^[a-z0-9][a-z0-9._-]{0,99}$"


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
