"""Settings of the outputs: index names, local store, Elasticsearch, Kafka."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shipper.config.output_kinds import KAFKA_TOPIC, http_url
from shipper.config.section import RESTART, Section
from shipper.config.units import Duration, Size
from shipper_schemas.invalid import Invalid

INDEX_PREFIX = r"^[a-z0-9][a-z0-9._-]{0,99}$"


class IndexSettings(Section):
    """Names of the daily indices."""

    prefix: str = Field("keneyapp-logs", pattern=INDEX_PREFIX, description="prefix of event indices: PREFIX-YYYY.MM.dd")
    quarantine_prefix: str = Field(
        "keneyapp-quarantine", pattern=INDEX_PREFIX, description="prefix of quarantine indices: PREFIX-YYYY.MM.dd"
    )

    @model_validator(mode="after")
    def _two_indices(self) -> Self:
        if self.prefix == self.quarantine_prefix:
            raise Invalid(
                "prefix and quarantine_prefix are the same", "use two: quarantined entries have separate indices"
            )
        return self


class LocalSettings(Section):
    """The local store."""

    retention_days: int | None = Field(None, ge=1, description="days to keep; empty: unlimited")
    retention_bytes: Size | None = Field(
        None, ge=1, description="maximum size of the store, the oldest days are deleted first; empty: unlimited"
    )


class ElasticsearchSettings(Section):
    """The Elasticsearch output."""

    hosts: list[str] = Field(
        default_factory=list, description="URLs of additional nodes of the cluster; `output` is the first"
    )
    api_key: SecretStr | None = Field(
        None, min_length=1, description="API key in the encoded form that Elasticsearch returns"
    )
    api_key_file: Path | None = Field(None, description="file that contains the API key")
    username: str | None = Field(None, min_length=1, description="user name for basic authentication")
    password: SecretStr | None = Field(None, min_length=1, description="password for basic authentication")
    password_file: Path | None = Field(None, description="file that contains the password")
    ca_file: Path | None = Field(None, description="trusted CA certificates; empty: those of the system")
    certificate_file: Path | None = Field(None, description="client certificate")
    key_file: Path | None = Field(None, description="private key of the client certificate")
    verify: bool = Field(True, description="verify the server certificate; disable only for tests")
    compress: bool = Field(True, description="compress request bodies with gzip")
    in_flight: int = Field(4, ge=1, le=64, description="maximum number of batches in flight")
    request_bytes: Size = Field(
        5 * 1024 * 1024, ge=1024, description="maximum size of a bulk request body, uncompressed"
    )
    request_timeout: Duration = Field(30.0, gt=0, le=600, description="timeout of a request")
    retry_for: Duration = Field(
        60.0, ge=0, le=3600, description="how long documents are retried before the output counts as unavailable"
    )
    require_template: bool = Field(
        True, description="write only after `shipper setup` has installed the index templates"
    )
    data_stream: bool = Field(
        False,
        description="write to a data stream named by index.prefix instead of daily indices",
        json_schema_extra=RESTART,
    )
    retention: Duration | None = Field(
        None,
        ge=86_400,
        description="age at which the server deletes an index, applied by `shipper setup`; empty: never",
    )
    shards: int = Field(1, ge=1, le=1024, description="primary shards per index")
    replicas: int = Field(1, ge=0, le=16, description="replicas per shard")

    @field_validator("hosts")
    @classmethod
    def _hosts_are_urls(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            http_url(host)
        return hosts

    @model_validator(mode="after")
    def _one_authentication_method(self) -> Self:
        if self.api_key is not None and self.username is not None:
            raise Invalid("api_key and username are both set", "keep one of them")
        if (self.username is None) != (self.password is None and self.password_file is None):
            raise Invalid("username and password must be set together", "set both")
        if self.key_file is not None and self.certificate_file is None:
            raise Invalid("key_file without certificate_file", "set both, or neither")
        return self


class KafkaSettings(Section):
    """Kafka, as the output of agents and the input of the indexer."""

    client: Literal["auto", "kafka-python", "confluent"] = Field(
        "auto", description="client library; auto: confluent-kafka if installed"
    )
    group: str = Field("shipper", min_length=1, max_length=249, description="consumer group of the indexers")
    quarantine_topic: str | None = Field(
        None, pattern=KAFKA_TOPIC, description="topic of quarantined entries; empty: TOPIC-quarantine"
    )
    compression: Literal["auto", "none", "gzip", "lz4", "zstd"] = Field(
        "auto", description="message compression; auto: lz4 if the client supports it, else gzip"
    )
    linger: Duration = Field(
        0.02, ge=0, le=10, description="maximum time a message waits for others to be batched with it"
    )
    request_bytes: Size = Field(
        4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024,
        description="maximum message size, uncompressed; the topic's max.message.bytes applies as well",
    )  # fmt: skip
    events_per_record: int = Field(
        1, ge=1, le=1000, description="events per message, one per line; other consumers expect one"
    )
    in_flight: int = Field(4, ge=1, le=64, description="maximum number of batches in flight")
    delivery_timeout: Duration = Field(
        30.0, ge=1, le=3600, description="maximum wait for an acknowledgement before the broker counts as unavailable"
    )
    session_timeout: Duration = Field(
        45.0,
        ge=6,
        le=1800,
        description="session timeout of the group; then the partitions of a silent indexer are reassigned",
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="security protocol of the brokers"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, if the security protocol starts with sasl"
    )
    username: str | None = Field(None, min_length=1, description="SASL user name")
    password: SecretStr | None = Field(None, min_length=1, description="SASL password")
    password_file: Path | None = Field(None, description="file that contains the password")
    ca_file: Path | None = Field(None, description="trusted CA certificates; empty: those of the system")
    certificate_file: Path | None = Field(None, description="client certificate")
    key_file: Path | None = Field(None, description="private key of the client certificate")
    verify: bool = Field(True, description="verify the broker certificate; disable only for tests")

    @model_validator(mode="after")
    def _security_is_consistent(self) -> Self:
        sasl, tls = self.security_protocol.startswith("sasl"), self.security_protocol.endswith("ssl")
        password = self.password is not None or self.password_file is not None
        if sasl and not (self.username and password):
            raise ValueError(f"security_protocol {self.security_protocol} needs username and password")
        if not sasl and (self.username or password):
            raise Invalid("username or password without SASL", "set security_protocol: sasl_ssl")
        if not tls and (self.ca_file or self.certificate_file or self.key_file):
            raise Invalid("ca_file, certificate_file or key_file without TLS", "set security_protocol: ssl")
        if self.key_file is not None and self.certificate_file is None:
            raise Invalid("key_file without certificate_file", "set both, or neither")
        return self
