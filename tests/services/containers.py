"""Servers in containers, if a Docker engine can pull their images."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import docker
from docker.errors import DockerException
from testcontainers.community.elasticsearch import ElasticSearchContainer
from testcontainers.community.kafka import KafkaContainer
from testcontainers.core.container import DockerContainer

from tests.services.elasticsearch_node import NEWEST

ELASTICSEARCH = f"docker.elastic.co/elasticsearch/elasticsearch:{NEWEST}"
KAFKA = "confluentinc/cp-kafka:7.9.0"


def can_pull(image: str) -> bool:
    """Return True if an engine answers that has the image or can pull it."""
    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    try:
        client.ping()
        client.images.pull(image)
    except DockerException:
        return False
    finally:
        client.close()
    return True


@contextmanager
def elasticsearch() -> Iterator[str]:
    """Yield its URL."""
    container = ElasticSearchContainer(ELASTICSEARCH, mem_limit="2g").with_env("xpack.security.enabled", "false")
    with running(container):
        yield f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9200)}"


@contextmanager
def kafka() -> Iterator[str]:
    """Yield its bootstrap address."""
    container = KafkaContainer(KAFKA).with_kraft().with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    with running(container):
        yield container.get_bootstrap_server()


@contextmanager
def running(container: DockerContainer) -> Iterator[None]:
    """Start a container, and remove it at the end."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # we remove what we started
    container.start()
    try:
        yield
    finally:
        container.stop()
