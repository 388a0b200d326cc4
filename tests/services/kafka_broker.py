"""A real Kafka broker for the tests, from the published jars."""

import base64
import os
import socket
import struct
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from deploy.services.processes import ServerProcess, free_port
from deploy.services.waiting import waited
from tests.services.certificates import Authority
from tests.services.java import HERE, jars, java, prepared, run

FILES = HERE / "kafka"
JAVA = 17
HEAP = "512m"
API_VERSIONS = struct.pack(">ihhih2s", 12, 18, 0, 1, 2, b"up")
"""A request of the Kafka protocol that a broker answers once it is up: length, key 18, version 0, correlation id."""


KNOWN_S = 120.0


def create_topics(address: str, *names: str, partitions: int = 1, **configs: str) -> None:
    """Create topics and wait until they can be used: a broker learns of a new topic a moment after it is created."""

    def led(description: Mapping[str, Any]) -> bool:
        leaders = [place["leader_id"] for place in description["partitions"] if place["leader_id"] >= 0]
        return description["error_code"] == 0 and len(leaders) == partitions

    with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
        admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs) for name in names])
        assert waited(lambda: all(map(led, admin.describe_topics(list(names)))), KNOWN_S), names


class KafkaBroker:
    """A broker on loopback that is its own controller, whose data outlives its process."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        """Prepare the jars; start nothing. Raises Unavailable.

        With an authority it also speaks TLS: for everybody at `tls`, for holders of its certificates at `mutual`.

        """
        self._authority, self.tls, self.mutual = authority, f"localhost:{free_port()}", f"localhost:{free_port()}"
        self._jdk = java(JAVA)
        pom = FILES / "pom.xml"
        self._jars = prepared("kafka", lambda into: jars(pom, into), pom)
        self._folder, self._port = folder, free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.process = ServerProcess(folder, "kafka")

    def start(self) -> "KafkaBroker":
        """Start it over its existing data. Raises Unavailable."""
        configuration, logging = self._configured()
        java_ = [str(self._jdk / "bin/java"), f"-Dlog4j2.configurationFile={logging}", "-XX:+UseSerialGC"]
        jar_files = ":".join(map(str, sorted(self._jars.glob("*.jar"))))
        if not (self._folder / "log" / "meta.properties").exists():
            cluster = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")[1:]
            run(
                *java_, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", jar_files, "kafka.tools.StorageTool",
                "format", "--standalone", "-t", cluster, "-c", str(configuration),
            )  # fmt: skip
        self.process.start(
            [*java_, f"-Xms{HEAP}", f"-Xmx{HEAP}", "-cp", jar_files, "kafka.Kafka", str(configuration)], self._answers
        )
        return self

    def _configured(self) -> tuple[Path, Path]:
        controller = self._folder / "controller.port"
        if not controller.exists():
            controller.write_text(str(free_port()))
        broker, quorum = f"PLAINTEXT://{self.address}", f"CONTROLLER://127.0.0.1:{controller.read_text()}"
        options = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": quorum.removeprefix("CONTROLLER://"),
            "listeners": f"{broker},{quorum}",
            "advertised.listeners": f"{broker},{quorum}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self._folder / "log"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            "num.network.threads": "2",
            "num.io.threads": "2",
            "log.cleaner.dedupe.buffer.size": "8388608",
        }
        if self._authority is not None:
            options |= self._speaking_tls(options, self._authority)
        configuration, logging = self._folder / "server.properties", self._folder / "log4j2.properties"
        configuration.write_text("".join(f"{key}={value}\n" for key, value in options.items()))
        logging.write_text(
            "appender.out.type = Console\nappender.out.name = out\n"
            "appender.out.layout.type = PatternLayout\nappender.out.layout.pattern = %d %p %c - %m%n\n"
            "rootLogger.level = warn\nrootLogger.appenderRef.out.ref = out\n"
        )
        return configuration, logging

    def _speaking_tls(self, plain: dict[str, str], authority: Authority) -> dict[str, str]:
        more = f",TLS://{self.tls},MUTUAL://{self.mutual}"
        options = {name: f"{plain[name]}{more}" for name in ("listeners", "advertised.listeners")}
        options["listener.security.protocol.map"] = f"{plain['listener.security.protocol.map']},TLS:SSL,MUTUAL:SSL"
        own = authority.sign("broker")
        for listener, clients in (("tls", "none"), ("mutual", "required")):
            options |= {
                f"listener.name.{listener}.ssl.keystore.type": "PEM",
                f"listener.name.{listener}.ssl.keystore.location": str(own.both),
                f"listener.name.{listener}.ssl.truststore.type": "PEM",
                f"listener.name.{listener}.ssl.truststore.location": str(authority.certificate),
                f"listener.name.{listener}.ssl.client.auth": clients,
            }
        return options

    def _answers(self) -> bool:
        """Return True if the broker answers; a port that only accepts is not enough."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(API_VERSIONS)
                return len(connection.recv(8)) == 8
        except OSError:
            return False

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """Send SIGTERM."""
        self.process.stop()
