"""Pod metadata: labels and annotations of this node's pods, from the Kubernetes API server.

A thread lists the node's pods and watches them from there on; only their metadata is transferred. What is known of a
deleted pod is kept for a while, since its logs are still read. The thread ends with the process.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from shipper.config.settings import KubernetesSettings
from shipper.system.backoff import Backoff
from shipper.system.errors import ConfigurationError
from shipper.system.own_log import own_log
from shipper.system.url_secrets import without_secrets
from shipper_schemas.container_labels import OWN

if TYPE_CHECKING:
    import urllib3

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
METADATA_ONLY = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
"""Media type of objects without specification and status."""
PAGE = 500
WATCH_S = 300
"""Longest time of one watch request; the server ends it, and the next one continues."""
TIMEOUT_S = 10.0
LONGEST_EVENT = 4 * 1024 * 1024
KEEP_S = 600.0
"""Time for which a deleted pod is remembered, in seconds."""
MOST_DELETED = 1024
GONE = 410
FORBIDDEN = (401, 403)
MIRROR = "kubernetes.io/config.mirror"
"""Annotation of a static pod: the uid under which the kubelet writes its logs."""
MOST_VALUES, LONGEST_VALUE = 64, 4096


class ApiError(Exception):
    """The server cannot be reached, or rejects a request."""

    def __init__(self, what: str, hint: str = "") -> None:
        """Set what happened and the fix."""
        super().__init__(what)
        self.hint = hint


class ExpiredVersion(ApiError):
    """The server no longer has the changes since the version that was asked for: the pods must be listed again."""

    def __init__(self) -> None:
        """Take no details."""
        super().__init__("the pods changed too often while they were listed", "run the command again")


@dataclass(slots=True)
class PodApi:
    """Reads the metadata of the pods of one node."""

    url: str
    node: str
    token_file: Path | None = None
    """Read for each request, since the kubelet replaces its content."""
    ca_file: Path | None = None
    _pool: "urllib3.PoolManager | None" = None

    def list(self) -> tuple[list[dict[str, Any]], str]:
        """Return the node's pods and the version of the list. Raises ApiError or ExpiredVersion."""
        pods: list[dict[str, Any]] = []
        token = ""
        while True:
            more = f"&continue={quote(token)}" if token else ""
            answer = self._request(f"&limit={PAGE}{more}", "List")
            try:
                content = orjson.loads(answer.data)
                pods += content["items"] or []  # null without pods
                about = content["metadata"]
                token, version = about.get("continue") or "", str(about["resourceVersion"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ApiError(f"unexpected answer from {self.url}: {error!r}") from error
            if not token:
                return pods, version

    def watch(self, version: str) -> Iterator[dict[str, Any]]:
        """Yield the changes since a version until the server ends the request. Raises ApiError or ExpiredVersion."""
        import urllib3  # noqa: PLC0415 -- loaded only where it is used

        query = f"&watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_S}&resourceVersion={quote(version)}"
        answer = self._request(query, "", stream=True)
        rest = b""
        try:
            for chunk in answer.stream(64 * 1024):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LONGEST_EVENT:
                    raise ApiError("an event of the watch is too long")
                yield from (_event(line) for line in lines if line)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ApiError(f"the watch ended: {error}") from error
        finally:
            answer.close()

    def _request(self, query: str, kind: str, *, stream: bool = False) -> "urllib3.BaseHTTPResponse":
        import urllib3  # noqa: PLC0415

        if self._pool is None:
            ca = None if self.ca_file is None else str(self.ca_file)
            self._pool = urllib3.PoolManager(ca_certs=ca, cert_reqs="CERT_REQUIRED", retries=False)
        headers = {"Accept": METADATA_ONLY.format(kind), "User-Agent": "shipper"}
        selector = quote(f"spec.nodeName={self.node}")
        read_s = WATCH_S + TIMEOUT_S if stream else TIMEOUT_S
        try:
            if self.token_file is not None:
                headers["Authorization"] = f"Bearer {self.token_file.read_text(encoding='utf-8').strip()}"
            answer = self._pool.request(
                "GET",
                f"{self.url}/api/v1/pods?fieldSelector={selector}{query}",
                headers=headers,
                timeout=urllib3.Timeout(connect=TIMEOUT_S, read=read_s),
                preload_content=not stream,
            )
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise ApiError(f"cannot read pods from {self.url}: {without_secrets(str(error))}") from error
        if answer.status == 200:  # noqa: PLR2004
            return answer
        answer.close()
        if answer.status == GONE:
            raise ExpiredVersion
        hint = "allow the service account get, list and watch of pods" if answer.status in FORBIDDEN else ""
        raise ApiError(f"{self.url} answers {answer.status} to a list of pods", hint)


def pod_api(section: KubernetesSettings, node: str) -> PodApi:
    """Return the client of the settings: by default with the service account of this pod. Raises ConfigurationError."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if section.url is None and host is None:
        raise ConfigurationError(
            "kubernetes.metadata: outside of a pod there is no API server to find",
            "set kubernetes.url with kubernetes.token_file and kubernetes.ca_file, or turn kubernetes.metadata off",
        )
    url = section.url or f"https://{f'[{host}]' if host and ':' in host else host}:{port}"
    token_file = section.token_file or _present(SERVICE_ACCOUNT / "token")
    return PodApi(
        url.rstrip("/"), section.node or node, token_file, section.ca_file or _present(SERVICE_ACCOUNT / "ca.crt")
    )


def _present(path: Path) -> Path | None:
    return path if path.exists() else None


@dataclass(slots=True)
class PodMetadata:
    """Labels of the pods of one node, by uid; may be read from any thread."""

    api: PodApi
    wait_s: float = 5.0
    """Longest time for which a new log waits for the metadata of its pod."""
    monotonic: Callable[[], float] = time.monotonic
    backoff: Backoff = field(default_factory=Backoff)
    _pods: dict[str, dict[str, str]] = field(default_factory=dict)
    _deleted: dict[str, float] = field(default_factory=dict)
    """Time of deletion by uid, oldest first."""
    _listed: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _log: Any = field(default_factory=lambda: own_log("shipper.metadata"))

    def start(self) -> "PodMetadata":
        """Start the thread, and wait for the first list, at most `wait_s`."""
        threading.Thread(target=self._run, name="pod-metadata", daemon=True).start()
        if not self._listed.wait(self.wait_s):
            self._log.warning("pods_unknown", wait_s=self.wait_s, hint="logs are followed without labels of their pods")
        return self

    def close(self) -> None:
        """Let the thread end."""
        self._stopping.set()

    def labels(self, uid: str) -> Mapping[str, str] | None:
        """Return the labels of a pod, and of its annotations those of the shipper; None for an unknown pod."""
        return self._pods.get(uid)

    # --- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        failures, jitter = 0, random.Random()  # noqa: S311 -- not for secrets
        while not self._stopping.is_set():
            try:
                for _ in self.follow():
                    failures = 0
            except ApiError as error:
                if failures == 0:
                    self._log.warning("pods_unavailable", error=str(error), hint=error.hint or None)
                failures += 1
            except Exception as error:  # noqa: BLE001 -- metadata is optional; logs are followed without
                self._log.warning("pods_unavailable", error=repr(error))
                failures += 1
            self._stopping.wait(self.backoff.delay(failures, jitter) if failures else 0.0)

    def follow(self) -> Iterator[None]:
        """List the pods, then apply their changes until they must be listed again; yield after each request.

        Raises ApiError.
        """
        with suppress(ExpiredVersion):
            pods, version = self.api.list()
            self._replace(pods)
            self._listed.set()
            yield
            while not self._stopping.is_set():
                for event in self.api.watch(version):
                    version = self._apply(event) or version
                yield

    def _replace(self, pods: list[dict[str, Any]]) -> None:
        present = {uid for pod in pods for uid in self._add(pod)}
        for uid in self._pods.keys() - present - self._deleted.keys():
            self._deleted[uid] = self.monotonic()
        self._forget()

    def _apply(self, event: dict[str, Any]) -> str | None:
        """Apply one change; return the version after it."""
        kind, pod = event["type"], event["object"]
        if kind in {"ADDED", "MODIFIED"}:
            self._add(pod)
        elif kind == "DELETED":
            self._deleted.update(dict.fromkeys(self._add(pod), self.monotonic()))
        self._forget()
        version = _metadata(pod).get("resourceVersion")
        return version if isinstance(version, str) else None

    def _add(self, pod: dict[str, Any]) -> list[str]:
        """Record a pod; return the uids under which it is known."""
        about = _metadata(pod)
        annotations = _texts(about.get("annotations"), OWN, MIRROR)
        uids = [uid for uid in (about.get("uid"), annotations.pop(MIRROR, None)) if isinstance(uid, str) and uid]
        labels = {**annotations, **_texts(about.get("labels"))}
        for uid in uids:
            self._pods[uid] = labels
            self._deleted.pop(uid, None)
        return uids

    def _forget(self) -> None:
        """Forget pods that were deleted long ago, and the oldest beyond the bound."""
        now = self.monotonic()
        while self._deleted:
            uid, since = next(iter(self._deleted.items()))
            if now - since <= KEEP_S and len(self._deleted) <= MOST_DELETED:
                return
            del self._deleted[uid]
            self._pods.pop(uid, None)


def _event(line: bytes) -> dict[str, Any]:
    """Return an event of a watch with its type and object. Raises ValueError, ApiError or ExpiredVersion."""
    event = orjson.loads(line)
    about = event.get("object") if isinstance(event, dict) else None
    if not isinstance(about, dict) or not isinstance(event.get("type"), str):
        raise ApiError("the watch sent something else than an event")
    if event["type"] != "ERROR":
        return {"type": event["type"], "object": about}
    if about.get("code") == GONE:
        raise ExpiredVersion
    raise ApiError(f"the watch ended: {about.get('message')}")


def _metadata(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    about = pod.get("metadata")
    return about if isinstance(about, dict) else {}


def _texts(values: object, *beginnings: str) -> dict[str, str]:
    """Return values that are text, a bounded number; with `beginnings`, of names that begin so."""
    items = values.items() if isinstance(values, dict) else ()
    named = ((name, value) for name, value in items if not beginnings or name.startswith(beginnings))
    return {name: value[:LONGEST_VALUE] for name, value in islice(named, MOST_VALUES) if isinstance(value, str)}
