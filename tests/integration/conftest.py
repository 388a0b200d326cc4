"""Real servers for the tests: existing ones, or started here; without one, a failure in CI and a skip with a hint elsewhere."""

import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import docker
import pytest
from docker.errors import DockerException

from benchmarks.lines import ensure
from deploy.services import docker_engine
from deploy.services.unavailable import Unavailable
from tests.integration.books import EVENTS
from tests.services import containers
from tests.services.elasticsearch_node import EIGHT, ElasticsearchNode
from tests.services.kafka_broker import KafkaBroker

IMAGE = "shipper-test:busybox"


def missing(what: str, hint: str) -> NoReturn:
    """Fail in CI; elsewhere skip, with the reason and the hint."""
    message = f"{what}; {hint}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@dataclass
class Engine:
    """A Docker engine whose log files this process can read."""

    client: Any
    root: Path
    containers: list[Any] = field(default_factory=list)

    @property
    def glob(self) -> str:
        """Return the logs of all its containers, as an input."""
        return f"docker:{self.root}/containers/*/*-json.log"

    def run(self, script: str, **options: str) -> Any:
        """Start a container that runs a shell script; `options` configure the json-file log driver."""
        config = docker.types.LogConfig(
            type="json-file", config={name.replace("_", "-"): value for name, value in options.items()}
        )
        container = self.client.containers.run(
            IMAGE, ["/bin/busybox", "sh", "-c", script], detach=True, network_mode="none", log_config=config,
            labels={"com.docker.compose.service": "backend"},
        )  # fmt: skip
        self.containers.append(container)
        return container

    def clean(self) -> None:
        """Remove every container that was started."""
        while self.containers:
            self.containers.pop().remove(force=True)


@pytest.fixture(scope="session")
def docker_address() -> Iterator[str]:
    """Yield an engine: SHIPPER_TEST_DOCKER_HOST, or one that is reachable and readable, or one started here."""
    named = os.environ.get("SHIPPER_TEST_DOCKER_HOST")
    for address in (named, os.environ.get("DOCKER_HOST"), "unix:///var/run/docker.sock"):
        if address and readable(address):
            yield address
            return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        missing("no Docker engine whose logs this user can read", "start one and run the tests as root")
    with ExitStack() as started:
        try:
            address = started.enter_context(docker_engine.private())
        except Unavailable as error:
            missing(str(error), f"see {docker_engine.SCRIPT}")
        yield address


def readable(address: str) -> bool:
    """Return True if an engine responds there and this process can read its log files."""
    try:
        client = docker.DockerClient(base_url=address, timeout=5)
        try:
            root = Path(client.info()["DockerRootDir"]) / "containers"
        finally:
            client.close()
    except (DockerException, OSError):
        return False
    return os.access(root, os.R_OK | os.X_OK)


@pytest.fixture(scope="session")
def docker_session(docker_address: str) -> Iterator[Engine]:
    """Yield the engine with an image that has a shell, built here: nothing is pulled."""
    client = docker.DockerClient(base_url=docker_address, timeout=60)
    busybox = shutil.which("busybox")
    if busybox is None:
        missing("no busybox for the test image", "apt-get install busybox-static")
    with tarfile.open(fileobj=(archive := io.BytesIO()), mode="w") as tar:
        tar.add(busybox, "bin/busybox")
    client.api.import_image_from_data(
        archive.getvalue(), repository=IMAGE.split(":", maxsplit=1)[0], tag=IMAGE.split(":")[1]
    )
    yield Engine(client, Path(client.info()["DockerRootDir"]))
    client.close()


@pytest.fixture
def engine(docker_session: Engine) -> Iterator[Engine]:
    """Yield the engine, without containers of other tests."""
    yield docker_session
    docker_session.clean()


JAVA_SERVERS = "install a JDK 21 and Maven, or a Docker engine that can pull, or name a server in"


def shared(
    variable: str,
    image: str,
    container: Callable[[], AbstractContextManager[str]],
    local: Callable[[], AbstractContextManager[str]],
) -> Iterator[str]:
    """Yield a server for all tests: the one a variable names, a container, or one started here from its jars."""
    if named := os.environ.get(variable):
        yield named
    elif containers.can_pull(image):
        with container() as address:
            yield address
    else:
        try:
            started = local()
        except Unavailable as error:
            missing(str(error), f"{JAVA_SERVERS} {variable}")
        with started as address:
            yield address


class Started:
    """A server's address; the server is stopped at the end."""

    def __init__(self, address: str, server: ElasticsearchNode | KafkaBroker) -> None:
        self.address, self.server = address, server

    def __enter__(self) -> str:
        return self.address

    def __exit__(self, *_: object) -> None:
        self.server.stop()


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a node that tests share: SHIPPER_TEST_ELASTICSEARCH, or one started here."""

    def local() -> Started:
        node = ElasticsearchNode(tmp_path_factory.mktemp("elasticsearch")).start()
        return Started(node.url, node)

    yield from shared("SHIPPER_TEST_ELASTICSEARCH", containers.ELASTICSEARCH, containers.elasticsearch, local)


@pytest.fixture(scope="session")
def elasticsearch_8(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a node of the major version before."""
    node = own(lambda: ElasticsearchNode(tmp_path_factory.mktemp("elasticsearch-8"), EIGHT).start())
    yield node.url
    node.stop()


@pytest.fixture
def own_elasticsearch(tmp_path: Path) -> Iterator[ElasticsearchNode]:
    """Yield the test's own node, not started: it may be killed and given settings."""
    (tmp_path / "node").mkdir()
    node = own(lambda: ElasticsearchNode(tmp_path / "node"))
    yield node
    node.kill()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a broker that tests share: SHIPPER_TEST_KAFKA, or one started here."""

    def local() -> Started:
        broker = KafkaBroker(tmp_path_factory.mktemp("kafka")).start()
        return Started(broker.address, broker)

    yield from shared("SHIPPER_TEST_KAFKA", containers.KAFKA, containers.kafka, local)


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Yield the test's own broker, started: it may be killed."""
    broker = own(lambda: KafkaBroker(tmp_path_factory.mktemp("own-kafka")).start())
    yield broker
    broker.kill()


Server = TypeVar("Server", ElasticsearchNode, KafkaBroker)


def own(start: Callable[[], Server]) -> Server:
    """Return the server that `start` gives; `missing` if it is unavailable."""
    try:
        return start()
    except Unavailable as error:
        missing(str(error), "install a JDK 21 and Maven")


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write four json-file logs with EVENTS lines in all."""
    return ensure(tmp_path_factory.mktemp("logs"), EVENTS, 4)
