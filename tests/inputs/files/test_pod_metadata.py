"""Labels of pods, from answers as a Kubernetes API server 1.34 gives them."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shipper.config.settings import InputSettings
from shipper.inputs.files.container_metadata import Provenance
from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.pod_metadata import KEEP_S, MOST_DELETED, ApiError, PodApi, PodMetadata
from shipper.inputs.files.tailer import Input, Tail
from shipper.system.backoff import Backoff
from shipper_processors.assemble import Bounds

UID, OTHER = "a419f74b-cffe-472b-aefd-36893a3ad381", "11111111-2222-3333-4444-555555555555"
Answer = tuple[int, Any]


def pod(uid: str = UID, version: str = "242", **about: Any) -> dict[str, Any]:
    """Return a pod's metadata as the server sends it, without what the field managers did."""
    metadata = {
        "name": "web-0", "namespace": "shop", "uid": uid, "resourceVersion": version, "generation": 1,
        "creationTimestamp": "2026-11-30T22:06:25Z", "labels": {"app.kubernetes.io/name": "web", "shipper.paths": "strict"},
        "annotations": {"shipper.timezone": "Europe/Paris", "kubernetes.io/psp": "x"},
    }  # fmt: skip
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata | about}


def listed(*items: dict[str, Any], version: str = "242", **about: Any) -> Answer:
    """Return the answer to a list."""
    metadata = {"resourceVersion": version, **about}
    return 200, {
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": list(items) or None,
    }  # fmt: skip


def changes(*events: tuple[str, dict[str, Any]]) -> Answer:
    """Return the answer to a watch that then ends."""
    return 200, "".join(json.dumps({"type": kind, "object": about}) + "\n" for kind, about in events)


GONE = {
    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
    "message": "too old resource version: 1 (242)", "reason": "Expired", "code": 410,
}  # fmt: skip
BOOKMARK = {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "300", "creationTimestamp": None}}


class Server:
    """Gives one answer after another, and keeps the requests."""

    def __init__(self) -> None:
        """Listen on loopback."""
        self.answers: list[Answer] = []
        self.requests: list[tuple[dict[str, list[str]], dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((parse_qs(urlsplit(self.path).query), dict(self.headers)))
                status, content = server.answers.pop(0) if server.answers else (503, {"code": 503})
                data = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a server without answers."""
    scripted = Server()
    yield scripted
    scripted.close()


class Now:
    """A clock that is set."""

    s = 0.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.s


def pods_of(
    server: Server, token_file: Path | None = None, monotonic: Callable[[], float] | None = None
) -> PodMetadata:
    """Return the metadata of the pods of node-1."""
    return PodMetadata(
        PodApi(server.url, "node-1", token_file), monotonic=monotonic or Now(), backoff=Backoff(0.0, 0.0)
    )


def follow(pods: PodMetadata, requests: int) -> None:
    """Make a number of requests."""
    for _, _ in zip(range(requests), pods.follow(), strict=False):
        pass


def test_pods_of_one_node_are_listed_with_labels_and_own_annotations(server: Server, tmp_path: Path) -> None:
    """Only their metadata is asked for, with the present token."""
    token = tmp_path / "token"
    server.answers = [listed(pod(), **{"continue": "more/1"}), listed(pod(OTHER, labels=None, annotations=None))]
    token.write_text("secret\n", encoding="utf-8")
    pods = pods_of(server, token)
    follow(pods, 1)
    assert pods.labels(UID) == {
        "shipper.timezone": "Europe/Paris", "app.kubernetes.io/name": "web", "shipper.paths": "strict",
    }  # fmt: skip
    assert pods.labels(OTHER) == {}
    assert pods.labels("unknown") is None
    (first, headers), (second, _) = server.requests
    assert first["fieldSelector"] == ["spec.nodeName=node-1"]
    assert headers["Authorization"] == "Bearer secret"
    assert "PartialObjectMetadataList" in headers["Accept"]
    assert second["continue"] == ["more/1"]


def test_changes_are_applied_from_the_version_of_the_list_on(server: Server) -> None:
    """Each watch continues where the one before ended, also after a bookmark alone."""
    server.answers = [
        listed(version="242"),
        changes(("ADDED", pod(version="250")), ("MODIFIED", pod(version="260", labels={"app": "b"})), ("BOOKMARK", BOOKMARK)),
        changes(),
        changes(("ADDED", pod(OTHER, "301"))),
    ]  # fmt: skip
    pods = pods_of(server)
    follow(pods, 4)
    assert pods.labels(UID) == {"app": "b", "shipper.timezone": "Europe/Paris"}
    assert pods.labels(OTHER) is not None
    assert [query["resourceVersion"] for query, _ in server.requests[1:]] == [["242"], ["300"], ["300"]]
    assert {query["watch"][0] for query, _ in server.requests[1:]} == {"1"}


@pytest.mark.parametrize("gone", [changes(("ERROR", GONE)), (410, GONE)], ids=["event", "status"])
def test_a_version_that_is_gone_lists_the_pods_again(server: Server, gone: Answer) -> None:
    """A pod that is missing in the second list was deleted meanwhile: it is kept for its log, for a while."""
    now = Now()
    server.answers = [listed(pod(), version="1"), gone, listed(pod(OTHER)), listed(pod(OTHER))]
    pods = pods_of(server, monotonic=now)
    follow(pods, 9)  # ends where the version is gone
    follow(pods, 1)
    assert pods.labels(UID) is not None
    now.s += KEEP_S + 1
    follow(pods, 1)
    assert pods.labels(UID) is None
    assert pods.labels(OTHER) is not None


def test_deleted_pods_are_bounded(server: Server) -> None:
    """The oldest is forgotten."""
    uids = [f"{number:08d}" for number in range(MOST_DELETED + 1)]
    server.answers = [listed(*map(pod, uids)), changes(*[("DELETED", pod(uid)) for uid in uids])]
    pods = pods_of(server)
    follow(pods, 2)
    assert pods.labels(uids[0]) is None
    assert pods.labels(uids[1]) is not None


def test_a_static_pod_is_known_by_the_uid_of_its_folder(server: Server) -> None:
    """The kubelet names the folder after the pod's file; the server's mirror of it has another uid."""
    mirrored = {"kubernetes.io/config.mirror": "8a5ac4c8fb0e45f8a5ac4c8fb0e45f8a", "shipper.timezone": "UTC"}
    server.answers = [listed(pod(annotations=mirrored, labels={}))]
    pods = pods_of(server)
    follow(pods, 1)
    assert pods.labels("8a5ac4c8fb0e45f8a5ac4c8fb0e45f8a") == pods.labels(UID) == {"shipper.timezone": "UTC"}


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ((403, {"code": 403}), "answers 403"), ((500, "x"), "answers 500"), ((200, "<html>"), "unexpected answer"),
        ((200, {"items": 7, "metadata": {}}), "unexpected answer"), ((200, []), "unexpected answer"),
    ],
)  # fmt: skip
def test_a_rejected_list_has_a_reason(server: Server, answer: Answer, what: str) -> None:
    """And a hint where rights are missing."""
    server.answers = [answer]
    with pytest.raises(ApiError, match=what) as caught:
        follow(pods_of(server), 1)
    assert ("get, list and watch" in caught.value.hint) == (answer[0] == 403)


@pytest.mark.parametrize(
    "event", ["<html>\n", '{"type":"ADDED"}\n', "[]\n", '{"type":"ERROR","object":{"code":500}}\n']
)
def test_a_strange_event_ends_the_watch(server: Server, event: str) -> None:
    """The pods are listed again."""
    server.answers = [listed(pod()), (200, event)]
    pods = pods_of(server)
    with pytest.raises(ApiError):
        follow(pods, 2)
    assert pods.labels(UID) is not None


def test_the_thread_goes_on_after_failures(server: Server) -> None:
    """And the start waits for the first list."""
    server.answers = [(500, "x"), (200, "<"), listed(pod())]
    pods = pods_of(server).start()
    assert pods.labels(UID) is not None
    pods.close()


def test_without_a_server_the_start_waits_for_a_bounded_time() -> None:
    """Logs are followed without labels."""
    pods = PodMetadata(PodApi("http://127.0.0.1:9", "node-1"), wait_s=0.01).start()
    assert pods.labels(UID) is None
    pods.close()


def test_a_log_waits_for_the_metadata_of_its_pod(server: Server) -> None:
    """For a bounded time; others never wait."""
    now = Now()
    server.answers = [listed(pod())]
    pods = pods_of(server, monotonic=now)
    provenance = Provenance("node-1", pods=pods, pod_labels=["app.*"])
    path = f"/var/log/pods/shop_web-0_{UID}/web/0.log"
    assert not provenance.is_described(path)
    assert provenance.is_described("/var/log/app.log")
    assert Provenance("node-1").is_described(path)
    now.s = pods.wait_s
    assert provenance.is_described(path)
    follow(pods, 1)
    assert provenance.is_described(path)


def test_labels_decide_how_a_log_is_read(server: Server) -> None:
    """Those of the shipper; the allowed others are stored, and none of them names the service."""
    about = {"shipper.http-source": "access", "shipper.require-correlation-id": "always"}
    server.answers = [
        listed(pod(labels={**about, "app.kubernetes.io/name": "shop", "team": "x"}, annotations={"shipper.fields.level": "a,b", "n": "x"}))
    ]  # fmt: skip
    pods = pods_of(server)
    follow(pods, 1)
    origin_of = Provenance("node-1", pods=pods, pod_labels=["app.kubernetes.io/*"]).of(
        InputSettings(type="cri", glob="*")
    )
    path = f"/var/log/pods/shop_web-0_{UID}/web/0.log"
    origin = origin_of(path, path)
    assert (origin.require_correlation_id, origin.http_source, origin.service) == ("always", "access", "web")
    assert origin.fields == (("level", ("a", "b")),)
    assert origin.labels == {**about, "shipper.fields.level": "a,b", "app.kubernetes.io/name": "shop"}


def test_a_new_log_is_followed_once_it_is_described(server: Server, tmp_path: Path) -> None:
    """No entry is read before; at the start, and with a checkpoint, nothing waits."""
    now = Now()
    pods = pods_of(server, monotonic=now)
    provenance = Provenance("node-1", pods=pods)
    section = InputSettings(type="cri", glob=f"{tmp_path}/*/*/*.log")

    def write(uid: str) -> str:
        path = tmp_path / f"shop_web-0_{uid}" / "web" / "0.log"
        path.parent.mkdir(parents=True)
        path.write_text("2026-11-30T12:00:00.126Z stdout F x\n", encoding="utf-8")
        return str(path)

    source = Input(
        "cri", Scanner(section.glob, Folders()), provenance.of(section), is_described=provenance.is_described
    )
    tail = Tail([source], Bounds(), Limits(), {})
    first = write("first")
    assert [reader.path for reader in tail.scan()] == [first]
    second, third = write(UID), write(OTHER)
    assert tail.scan() == []
    server.answers = [listed(pod())]
    follow(pods, 1)
    (reader,) = tail.scan()
    assert (reader.path, reader.source.origin.paths) == (second, "strict")
    now.s = pods.wait_s
    assert [reader.path for reader in tail.scan()] == [third]
    saved = {reader.path: reader.checkpoint()}
    tail.close()
    again = Tail([replace(source, origin=Provenance("node-1").of(section))], Bounds(), Limits(), saved)
    kept = {reader.path: reader.source.origin for reader in again.scan()}
    assert kept[second].paths == "strict", "of a pod that is gone"
    again.close()
