"""The images are built from their Dockerfiles and started by Compose on a real engine: the agent counts what is logged."""

import http.client
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from docker.errors import BuildError, DockerException

from deploy.services.processes import free_port
from deploy.services.unavailable import Unavailable
from tests.deploy.compose import FILE, ROOT, Prepared, compose
from tests.integration.conftest import missing
from tests.services.python_image import import_python
from tests.services.rust_image import import_rust
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
IMAGES = {"shipper": "Dockerfile", "shipper-sample-app": "deploy/sample-app/Dockerfile"}
BASES = {"PYTHON": import_python, "RUST": import_rust}
"""The base images of the Dockerfiles by their variables, and what makes one where none can be pulled."""
TAG = "compose-test"
SOURCES = [path.read_text(encoding="utf-8") for path in (ROOT / "deploy" / "sample-app").glob("*.py")]
LABELS: dict[str, Any] = (
    {} if any("patient_created" in text for text in SOURCES) else {"labels": {"shipper.http-source": "structured"}}
)
"""An application that logs no domain events is counted by its requests, other than the Compose file says."""
ONLY_READING = "0000000000000004"
"""CAP_DAC_READ_SEARCH is the third capability (capabilities(7))."""


@pytest.fixture(scope="module")
def client(docker_address: str) -> Iterator[Any]:
    """An engine that has both images, built from their Dockerfiles under a tag of the tests' own."""
    with closing(docker.DockerClient(base_url=docker_address, timeout=300)) as docker_client:
        bases = {variable: base_of(docker_client, variable) for variable in BASES}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: build(docker_client, name, bases), IMAGES))
        yield docker_client
        for name in IMAGES:
            docker_client.images.remove(f"{name}:{TAG}", force=True)


def base_of(client: Any, variable: str) -> str:
    """The tag of a base to build from: the Dockerfile's, or that of one made from this machine's own programs."""
    pinned = re.search(rf"^ARG {variable}=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None
    try:
        client.images.pull(variable.lower(), pinned[1])
    except DockerException:
        try:
            BASES[variable](client, f"{variable.lower()}:{TAG}")
        except Unavailable as error:
            missing(str(error), "apt-get install busybox-static and a Rust toolchain, or have an engine that can pull")
        return TAG
    return pinned[1]


def build(client: Any, name: str, bases: dict[str, str]) -> None:
    """Build an image as `docker build` does, by the classic builder."""
    try:
        client.images.build(
            path=str(ROOT), dockerfile=IMAGES[name], tag=f"{name}:{TAG}", buildargs=bases, network_mode="host", rm=True,
        )  # fmt: skip
    except BuildError as error:
        said = "".join(str(part.get("stream") or part.get("error") or "") for part in error.build_log)
        pytest.fail(f"{name}: {said[-4000:]}")


@dataclass
class Stack:
    """The application and the agent, run by Compose on the machine's own network."""

    prepared: Prepared
    client: Any
    address: str
    override: Path
    backend_port: int
    shipper_port: int

    def compose(self, *arguments: str) -> str:
        """Run Compose and return its output."""
        root = self.client.info()["DockerRootDir"]
        variables = {
            **self.prepared.variables(),
            "DOCKER_HOST": self.address,
            "DOCKER_CONTAINERS": f"{root}/containers",
            "COMPOSE_PROJECT_NAME": "shipper-test",
        }
        done = compose(variables, *arguments, files=(FILE, self.override))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, *services: str) -> None:
        """Start them alone, and wait until they are healthy."""
        self.compose("up", "--detach", "--no-deps", "--no-build", "--pull", "never", *services)
        until(lambda: self.healthy(*services), 180)

    def container(self, service: str) -> Any:
        """The engine's object."""
        (match,) = self.client.containers.list(
            all=True, filters={"label": ["com.docker.compose.project=shipper-test", f"com.docker.compose.service={service}"]}
        )  # fmt: skip
        return match

    def metric(self, series: str) -> float:
        """A sample of the agent's; -1 where there is none."""
        status, text = ask(self.shipper_port, "GET", "/metrics")
        sample = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
        return float(sample[1]) if status == 200 and sample else -1

    def healthy(self, *services: str) -> bool:
        """Return True if the engine reports each of them healthy, by the check of its image."""
        states = [self.container(service).attrs["State"] for service in services]
        return all(state.get("Health", {}).get("Status") == "healthy" for state in states)


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, str]:
    """Status and text of an answer; 0 where there is none."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""


def overridden(client: Any, name: str, port: int, own: dict[str, Any]) -> dict[str, Any]:
    """Overrides on an engine without a bridge: the machine's network, a free port, and the health check of that port."""
    image = client.images.get(f"{name}:{TAG}")
    check = [re.sub(r"\b(8000|9108)\b", str(port), part) for part in image.attrs["Config"]["Healthcheck"]["Test"]]
    return {
        "image": f"{name}:{TAG}",
        "network_mode": "host",
        "healthcheck": {"test": check, "interval": "1s", "start_period": "1s"},
        **own,
    }


@pytest.fixture(scope="module")
def stack(
    client: Any, docker_address: str, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Both started; removed with their volumes at the end."""
    backend, shipper = free_port(), free_port()
    uvicorn = ["uvicorn", "--app-dir", "/app", "app:app", "--host", "127.0.0.1", "--port", str(backend)]
    services = {
        "backend": overridden(client, "shipper-sample-app", backend, {"command": uvicorn, **LABELS}),
        "shipper": overridden(client, "shipper", shipper, {"environment": {
            "SHIPPER_OUTPUT": "local:/var/lib/shipper/store", "SHIPPER_LISTEN": f"127.0.0.1:{shipper}"}}),
    }  # fmt: skip
    text = yaml.safe_dump({"services": services})
    for service in services:
        text = text.replace(f"  {service}:\n", f"  {service}:\n    networks: !reset null\n    ports: !reset []\n")
    text = text.replace(
        "  backend:\n", "  backend:\n    environment: {DATABASE_URL: !reset null, REDIS_URL: !reset null}\n"
    )
    override = tmp_path_factory.mktemp("stack") / "override.yml"
    override.write_text(text, encoding="utf-8")
    running = Stack(prepared, client, docker_address, override, backend, shipper)
    try:
        running.up(*services)
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout", "20")


def test_what_the_application_logs_is_counted_and_found(stack: Stack) -> None:
    """Requests through the container's log into counters and index, each line once, and once only after a restart."""
    for _ in range(3):
        assert ask(stack.backend_port, "POST", "/api/v1/auth/login", {"user": "nurse", "password": "no"})[0] == 401
    for _ in range(2):
        assert ask(stack.backend_port, "POST", "/api/v1/patients", {"name": "A"})[0] == 201
    until(lambda: stack.metric('patient_operations_total{operation="create"}') == 2)
    failed = 'failed_login_attempts_total{service="backend"}'
    until(lambda: stack.metric(failed) == 3)
    output = stack.compose(
        "exec", "-T", "shipper", "shipper", "search", "--event", "request_complete", "--format", "json"
    )
    paths = [json.loads(line)["path"] for line in output.splitlines()]
    assert (paths.count("/api/v1/auth/login"), paths.count("/api/v1/patients")) == (3, 2)
    stack.compose("restart", "shipper")
    until(lambda: stack.metric("shipper_state_commits_total") >= 0)
    until(lambda: stack.healthy("shipper"))
    assert (stack.metric(failed), stack.metric('patient_operations_total{operation="create"}')) == (3, 2)


def test_the_agent_in_its_image_takes_the_native_path(stack: Stack) -> None:
    """The image holds the extension, compiled in a stage of its own, and the running agent uses it."""
    status, text = ask(stack.shipper_port, "GET", "/metrics")
    assert status == 200
    assert re.search(r'^shipper_build_info\{.*path="native".*\} 1', text, re.MULTILINE)
    assert "path: native" in stack.compose("exec", "-T", "shipper", "shipper", "--version").splitlines()


def test_the_agent_has_of_root_only_that_it_may_read(stack: Stack) -> None:
    """In the running process: one capability and no way to more, nothing to write to but its state."""
    status = stack.compose("exec", "-T", "shipper", "cat", "/proc/1/status")
    fields = dict(re.findall(r"^(\w+):\s*(\S+)", status, re.MULTILINE))
    assert {fields[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {ONLY_READING}
    assert fields["NoNewPrivs"] == "1"
    script = "import os; print([p for p in ('/', '/opt', '/etc/shipper', '/var/lib/docker/containers', '/var/lib/shipper') if os.access(p, os.W_OK)])"
    assert stack.compose("exec", "-T", "shipper", "python", "-c", script).strip() == "['/var/lib/shipper']"


def test_the_application_runs_as_nobody(stack: Stack) -> None:
    """No capability, no root, nothing to write to."""
    status = stack.compose("exec", "-T", "backend", "cat", "/proc/1/status")
    fields = dict(re.findall(r"^(\w+):\s*(\S+)", status, re.MULTILINE))
    assert (fields["Uid"], fields["CapEff"]) == ("65532", "0" * 16)
    assert stack.container("backend").attrs["HostConfig"]["ReadonlyRootfs"] is True


def test_the_agent_ends_in_order(stack: Stack) -> None:
    """SIGTERM reaches it, since it is the first process of its container; it commits and exits with 0."""
    stack.compose("stop", "shipper")
    assert stack.container("shipper").attrs["State"]["ExitCode"] == 0
    stack.up("shipper")
