"""Prometheus exporters of the node, Redis and PostgreSQL."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from deploy.services.debian import program
from deploy.services.http import answers
from deploy.services.processes import ServerProcess, free_port


@contextmanager
def exporter(folder: Path, package: str, *flags: str, **env: str) -> Iterator[str]:
    """Run one exporter; yields HOST:PORT of its /metrics. Raises Unavailable."""
    binary, address = program(package, package), f"127.0.0.1:{free_port()}"
    process = ServerProcess(folder, package)
    command = [binary, f"--web.listen-address={address}", *flags]
    process.start(command, lambda: answers(f"http://{address}/metrics"), env, seconds=30)
    try:
        yield address
    finally:
        process.stop()


def node(folder: Path) -> AbstractContextManager[str]:
    """The node exporter of this machine."""
    return exporter(folder, "prometheus-node-exporter")


def redis(folder: Path, url: str) -> AbstractContextManager[str]:
    """The exporter of a Redis server, with the length of the task queue."""
    flags = (f"-redis.addr={url}", "-check-single-keys=db0=celery")
    return exporter(folder, "prometheus-redis-exporter", *flags)


def postgres(folder: Path, url: str) -> AbstractContextManager[str]:
    """The exporter of a PostgreSQL server."""
    return exporter(folder, "prometheus-postgres-exporter", DATA_SOURCE_NAME=f"{url}?sslmode=disable")
