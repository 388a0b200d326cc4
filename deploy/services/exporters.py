"""The real exporters of Prometheus: the node's, Redis's and PostgreSQL's."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from deploy.services.debian import program
from deploy.services.http import answers
from deploy.services.processes import ServerProcess, free_port


@contextmanager
def exporter(folder: Path, package: str, *flags: str, **env: str) -> Iterator[str]:
    """One exporter, running; gives HOST:PORT of its /metrics. Raises Unavailable."""
    binary, address = program(package, package), f"127.0.0.1:{free_port()}"
    process = ServerProcess(folder, package)
    command = [binary, f"--web.listen-address={address}", *flags]
    process.start(command, lambda: answers(f"http://{address}/metrics"), env, seconds=30)
    try:
        yield address
    finally:
        process.stop()


def node(folder: Path) -> AbstractContextManager[str]:
    """Of this machine."""
    return exporter(folder, "prometheus-node-exporter")


def redis(folder: Path, url: str) -> AbstractContextManager[str]:
    """Of a Redis server, with the length of the task queue."""
    flags = (f"-redis.addr={url}", "-check-single-keys=db0=celery")
    return exporter(folder, "prometheus-redis-exporter", *flags)


def postgres(folder: Path, url: str) -> AbstractContextManager[str]:
    """Of a PostgreSQL server."""
    return exporter(folder, "prometheus-postgres-exporter", DATA_SOURCE_NAME=f"{url}?sslmode=disable")
