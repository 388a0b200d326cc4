"""Labels of pods from a real API server, with the rights that the manifests give, decide how a log is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.services.unavailable import Unavailable
from deploy.services.waiting import waited
from shipper.inputs.files.pod_metadata import ApiError, ExpiredVersion, PodApi, PodMetadata
from shipper.system.backoff import Backoff
from tests.services.kube_api_server import KubeApiServer
from tests.shapes.agent_run import running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
ROLE = Path(__file__).parents[2] / "deploy/kubernetes/components/pod-metadata/cluster-role.yaml"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
LINE = '2026-11-30T12:00:00.126Z stdout F {"level":"info","event":"tick"}\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiServer]:
    """Yield a server with the role of the manifests, two namespaces and the agent's account."""
    try:
        running_server = KubeApiServer(tmp_path_factory.mktemp("kubernetes")).start()
    except Unavailable as error:
        pytest.skip(str(error))
    for name in ("shop", "shipper"):
        running_server.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    account = {"metadata": {"name": "shipper"}}
    running_server.request("POST", "/api/v1/namespaces/shipper/serviceaccounts", account)
    for item in yaml.safe_load_all(ROLE.read_text(encoding="utf-8")):
        running_server.request("POST", f"{RBAC}/{item['kind'].lower()}s", item)
    yield running_server
    running_server.stop()


@pytest.fixture
def token_file(server: KubeApiServer, tmp_path: Path) -> Path:
    """Return a file with a token of the agent's account, as the kubelet would mount it."""
    answer = server.request("POST", "/api/v1/namespaces/shipper/serviceaccounts/shipper/token", {"spec": {}})
    file = tmp_path / "token"
    file.write_text(answer["status"]["token"], encoding="utf-8")
    return file


@pytest.fixture
def api(server: KubeApiServer, token_file: Path) -> PodApi:
    """Return the agent's client for the node node-1."""
    return PodApi(server.url, "node-1", token_file, server.ca_file)


def create(server: KubeApiServer, name: str, node: str = "node-1", **about: Any) -> str:
    """Create a pod on a node, and return its uid."""
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [{"name": "web", "image": "x"}]}
    pod = {"metadata": {"name": name, **about}, "spec": spec}
    return str(server.request("POST", "/api/v1/namespaces/shop/pods", pod)["metadata"]["uid"])


def test_pods_of_the_node_are_listed_and_followed(server: KubeApiServer, api: PodApi) -> None:
    """With labels and own annotations, as they are created, changed and deleted; those of other nodes are unknown."""
    early = create(
        server, "followed-early", labels={"app": "a"}, annotations={"shipper.timezone": "Europe/Paris", "other": "x"}
    )
    other = create(server, "followed-elsewhere", "node-2", labels={"app": "a"})
    pods = PodMetadata(api).start()
    assert pods.labels(early) == {"app": "a", "shipper.timezone": "Europe/Paris"}
    assert pods.labels(other) is None
    late = create(server, "followed-late", labels={"shipper.require-correlation-id": "always"})
    assert waited(lambda: pods.labels(late) == {"shipper.require-correlation-id": "always"}, 30)
    server.request("DELETE", "/api/v1/namespaces/shop/pods/followed-late?gracePeriodSeconds=0")
    again = create(server, "followed-late", labels={"app": "b"})
    assert waited(lambda: pods.labels(again) == {"app": "b"}, 30)
    assert pods.labels(late), "its log is still read"
    pods.close()


def test_the_watch_survives_a_restart_of_the_server(server: KubeApiServer, api: PodApi) -> None:
    """And reads what was created meanwhile."""
    pods = PodMetadata(api, backoff=Backoff(0.1, 0.5)).start()
    server.process.stop()
    server.start_server()
    uid = create(server, "after", labels={"app": "c"})
    assert waited(lambda: pods.labels(uid) == {"app": "c"}, 60)
    pods.close()


def test_a_version_that_is_gone_is_reported(server: KubeApiServer, api: PodApi) -> None:
    """The server answers 410 Gone, and the pods are listed again."""
    _, version = api.list()
    for number in range(3):
        create(server, f"gone-{number}")
    server.compact()
    with pytest.raises(ExpiredVersion):
        list(api.watch(version))


def test_without_rights_the_reason_names_them(server: KubeApiServer, tmp_path: Path) -> None:
    """The agent follows logs all the same."""
    file = tmp_path / "token"
    file.write_text("none", encoding="utf-8")
    with pytest.raises(ApiError) as caught:
        PodApi(server.url, "node-1", file, server.ca_file).list()
    assert "get, list and watch of pods" in caught.value.hint


def test_labels_of_a_pod_decide_how_its_log_is_read(server: KubeApiServer, token_file: Path, tmp_path: Path) -> None:
    """From the first entry on, for pods that exist at the start and later ones; a restart keeps those of a deleted pod."""
    always = {"shipper.require-correlation-id": "always", "app": "web", "team": "x"}
    strict, free = create(server, "strict", labels=always), create(server, "free", labels={"app": "free"})
    kubernetes = {
        "metadata": True, "url": server.url, "token_file": str(token_file), "ca_file": str(server.ca_file),
        "labels": ["app"],
    }  # fmt: skip

    def write(name: str, uid: str) -> None:
        path = tmp_path / "pods" / f"shop_{name}_{uid}" / "web" / "0.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(LINE)

    def outcomes() -> dict[str, list[tuple[bool, Any]]]:
        by_pod: dict[str, list[tuple[bool, Any]]] = {}
        for one in run.output.stored():
            labels = one.body["kubernetes"].get("labels")
            by_pod.setdefault(one.body["kubernetes"]["pod"], []).append((one.quarantined, labels))
        return by_pod

    inputs = [f"cri:{tmp_path}/pods/*/*/*.log"]
    required = (True, {"app": "web", "shipper.require-correlation-id": "always"})
    write("strict", strict)
    write("free", free)
    with running(tmp_path, inputs, "python", kubernetes=kubernetes) as run:
        run.read()
        assert outcomes() == {"strict": [required], "free": [(False, {"app": "free"})]}
        late = create(server, "late", labels=always)
        pods = run.agent.tail.pods
        assert pods is not None
        assert waited(lambda: pods.labels(late) is not None, 30)
        write("late", late)
        write("unknown", "11111111-2222-3333-4444-555555555555")
        run.read()
        assert outcomes()["late"] == [required]
        server.request("DELETE", "/api/v1/namespaces/shop/pods/strict")
    write("strict", strict)
    with running(tmp_path, inputs, "python", kubernetes=kubernetes) as run:
        run.read()
        assert outcomes()["strict"] == [required], "of the deleted pod"
