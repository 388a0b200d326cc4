"""Container metadata: the origin of a log, from its path and from the runtime's files beside it.

Docker: `config.v2.json` in the container's folder (ID, Name, Config.Image, Config.Labels). CRI: the kubelet's names,
`<pod>_<namespace>_<container>-<id>.log` and `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<n>.log`.
The Docker socket, which grants root access, is never required; if allowed, it replaces an unreadable file. Labels of
pods are not in these files: they come from the API server, if that is allowed.
"""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import orjson

from shipper.config.settings import DockerSettings, InputSettings
from shipper.inputs.files.handles import PlainHandle
from shipper.inputs.files.pod_metadata import PodMetadata
from shipper.inputs.files.rotated_names import base_name
from shipper.system.own_log import own_log
from shipper.system.url_secrets import without_secrets
from shipper_processors.envelope import without_surrogates
from shipper_processors.redact import Redactor
from shipper_processors.time_zones import named_zone
from shipper_schemas.container_labels import OWN, paths_of, require_of
from shipper_schemas.entry import HttpSource, Origin, Paths

CONFIG = "config.v2.json"
LARGEST_CONFIG = 1024 * 1024
MOST_LABELS, LONGEST_VALUE, LONGEST_READ = 64, 256, 4096
"""Labels kept, characters of a value kept, and characters read, since redaction needs more than is kept."""
API_TIMEOUT_S = 5
"""Timeout of Docker API requests in seconds: all logs wait for them."""
SERVICE_LABELS = ("shipper.service", "com.docker.compose.service", "app.kubernetes.io/name")
HTTP_SOURCE_LABEL = "shipper.http-source"
TIMEZONE_LABEL = "shipper.timezone"
HTTP_SOURCES = ("structured", "access", "off")
PATHS_LABEL = "shipper.paths"
PATHS = ("tolerant", "strict")
MOST_WAITING = 10_000
SHORT_ID = 12
"""Digits of a container id that Docker shows."""
CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
CONTAINER_LINK = re.compile(r"(?P<pod>[^_]+)_(?P<namespace>[^_]+)_(?P<container>.+)-(?P<id>[0-9a-f]{64})\.log")
POD_FOLDER = re.compile(r"(?P<namespace>[^_]+)_(?P<pod>[^_]+)_(?P<uid>[^_]+)")


def path_names_container(kind: str, path: str) -> bool:
    """Return True if a log's real path identifies its container; otherwise its events get different ids."""
    place = Path(path)
    if kind == "docker":
        return bool(CONTAINER_ID.search(place.name) or CONTAINER_ID.fullmatch(place.parent.name))
    if kind == "cri":
        return bool(POD_FOLDER.fullmatch(place.parent.parent.name) or CONTAINER_LINK.fullmatch(place.name))
    return True


def plain_identity(host: str | None, path: str) -> str:
    """Return the identity of a log without a container: host and path of its live file, as a `file` URL.

    A rotated file has the identity of its log. Non-ASCII is percent-encoded, so that different paths stay different.
    """
    folder, name = os.path.split(path)
    live = os.fsencode(os.path.join(folder, base_name(name) or name))
    return f"file://{quote(host or '', safe='', errors='surrogatepass')}{quote(live)}"


def signature(real: str) -> tuple[int, int, int] | None:
    """Return a value that changes with the runtime's file beside a log of Docker; None if there is none.

    The engine writes the file again when a container is renamed.
    """
    try:
        stat = os.stat(f"{os.path.dirname(real)}/{CONFIG}")
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@dataclass(frozen=True, slots=True)
class Container:
    """Name, image and labels of a container."""

    name: str | None = None
    image: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


Lookup = Callable[[str], Container]
"""Lookup of a container by its id."""


class DockerApi:
    """Docker API client over the `docker` package, which is imported on first use."""

    def __init__(self, url: str | None, timeout_s: int = API_TIMEOUT_S) -> None:
        """Set the address of the engine (`url`; None for the default socket) and the timeout of requests."""
        self._url, self._timeout_s = url, timeout_s
        self._client: Any = None

    def lookup(self, container_id: str) -> Container:
        """Return name, image and labels. Raises OSError, ImportError or docker's own errors."""
        import docker  # noqa: PLC0415 -- optional, and slow to load

        if self._client is None:
            create = partial(docker.DockerClient, base_url=self._url) if self._url else docker.from_env
            self._client = create(timeout=self._timeout_s)
        details = self._client.api.inspect_container(container_id)
        return _container({"Name": details.get("Name"), "Config": details.get("Config")})


@dataclass(slots=True)
class Provenance:
    """Builds the origin of logs from their paths and container metadata."""

    host: str | None
    docker: DockerSettings = field(default_factory=DockerSettings)
    redactor: Redactor = field(default_factory=Redactor)
    """Masks labels and names, which are chosen by whoever runs the container, as it masks log text."""
    pods: PodMetadata | None = None
    """Labels of pods; None if the API server is not read."""
    pod_labels: Sequence[str] = ()
    """Patterns of the labels of pods that are stored."""
    _api: DockerApi | None = None
    _waiting: dict[str, float] = field(default_factory=dict)
    """Time since which a log waits for the metadata of its pod, by real path."""
    _log: Any = field(default_factory=lambda: own_log("shipper.metadata"))

    def of(self, settings: InputSettings) -> Callable[[str, str], Origin]:
        """Return the function from the path of a log in the glob of an input, and its real path, to its origin."""
        finders = {"docker": self._docker_origin, "cri": self._cri_origin, "plain": self._plain_origin}
        finder = finders[settings.type]
        return lambda path, real: finder(settings, path, real)

    def is_described(self, real: str) -> bool:
        """Return True if the metadata of a new log is known, or was waited for long enough."""
        if self.pods is None:
            return True
        match = POD_FOLDER.fullmatch(Path(real).parent.parent.name)
        if match is None or self.pods.labels(match["uid"]) is not None:
            self._waiting.pop(real, None)
            return True
        now = self.pods.monotonic()
        if len(self._waiting) > MOST_WAITING:
            self._waiting.clear()
        if now - self._waiting.setdefault(real, now) < self.pods.wait_s:
            return False
        del self._waiting[real]
        self._log.info("pod_unknown", pod=match["pod"], namespace=match["namespace"])
        return True

    def _docker_origin(self, settings: InputSettings, path: str, real: str) -> Origin:  # noqa: ARG002 -- one signature
        folder, file = os.path.split(real)  # `Path` would keep each part of it for good
        name = os.path.basename(folder)
        match = CONTAINER_ID.search(file) or CONTAINER_ID.fullmatch(name)
        container_id = match[0] if match else name
        container = self._container(folder, container_id)
        return self._origin(settings, real, container_id, container, container_id=container_id)

    def _container(self, folder: str, container_id: str) -> Container:
        try:
            with closing(PlainHandle(f"{folder}/{CONFIG}")) as file:
                return _container(orjson.loads(file.read(0, LARGEST_CONFIG)))
        except FileNotFoundError:
            why = f"{CONFIG} does not exist"
        except (OSError, ValueError) as error:
            why = str(error)
        if self.docker.api:
            try:
                self._api = self._api or DockerApi(self.docker.url)
                return self._api.lookup(container_id)
            except Exception as error:  # noqa: BLE001 -- metadata is optional; a log without it is followed anyway
                why = f"{why}; Docker API: {without_secrets(str(error))}"
        self._log.info("container_unknown", container=container_id[:12], why=why)
        return Container()

    def _cri_origin(self, settings: InputSettings, path: str, real: str) -> Origin:
        kubernetes: dict[str, str] = {}
        container_id = None
        link = CONTAINER_LINK.fullmatch(os.path.basename(path))
        if link:
            kubernetes = {"namespace": link["namespace"], "pod": link["pod"], "container": link["container"]}
            container_id = link["id"]
        place = Path(real)
        pod = POD_FOLDER.fullmatch(place.parent.parent.name)
        if pod:
            kubernetes |= {**pod.groupdict(), "container": place.parent.name}
        name = kubernetes.get("container")
        source = f"{kubernetes['uid']}/{name}/{place.name}" if "uid" in kubernetes else container_id or place.name
        container = Container(name=name, labels=self._pod_labels(kubernetes.get("uid")))
        return self._origin(settings, real, source, container, container_id=container_id, kubernetes=kubernetes)

    def _pod_labels(self, uid: str | None) -> dict[str, str]:
        """Return the labels of a pod that are stored, and those that say how its logs are read."""
        labels = self.pods.labels(uid) if self.pods is not None and uid is not None else None
        return {
            name: value
            for name, value in (labels or {}).items()
            if name.startswith(OWN) or any(fnmatchcase(name, pattern) for pattern in self.pod_labels)
        }

    def _plain_origin(self, settings: InputSettings, path: str, real: str) -> Origin:  # noqa: ARG002 -- one signature
        return self._origin(settings, real, plain_identity(self.host, real), Container())

    def _origin(  # noqa: PLR0913 -- the columns of an origin
        self,
        settings: InputSettings,
        real: str,
        source: str,
        container: Container,
        *,
        container_id: str | None = None,
        kubernetes: dict[str, str] | None = None,
    ) -> Origin:
        """Return the origin; names of files may be invalid UTF-8."""
        container, mask = self._masked(container), self.redactor.redact_text
        labels = container.labels
        http_source, zone = labels.get(HTTP_SOURCE_LABEL), labels.get(TIMEZONE_LABEL)
        names = SERVICE_LABELS[:1] if kubernetes else SERVICE_LABELS  # a pod's other labels hold for all its containers
        labelled = next((labels[name] for name in names if labels.get(name)), None)
        return Origin(
            path=without_surrogates(real),
            source=without_surrogates(source),
            service=without_surrogates(
                settings.service or labelled or container.name or mask(_default_service(real, container_id))
            ),
            host=self.host,
            container_id=container_id and without_surrogates(container_id),
            container_name=container.name and without_surrogates(container.name),
            image=container.image,
            labels=labels,
            kubernetes={name: without_surrogates(value) for name, value in (kubernetes or {}).items()},
            timezone=zone if zone and named_zone(zone) else settings.timezone,
            http_source=cast("HttpSource", http_source) if http_source in HTTP_SOURCES else settings.http_source,
            paths=cast("Paths", labels[PATHS_LABEL]) if labels.get(PATHS_LABEL) in PATHS else settings.paths,
            require_correlation_id=require_of(labels) or settings.require_correlation_id,
            fields=paths_of(labels),
        )

    def _masked(self, container: Container) -> Container:
        mask = self.redactor.redact_text
        labels: dict[str, str] = self.redactor.redact_event({"labels": container.labels})["labels"]
        return Container(
            container.name and mask(container.name)[:LONGEST_VALUE],
            container.image and mask(container.image)[:LONGEST_VALUE],
            {name[:LONGEST_VALUE]: value[:LONGEST_VALUE] for name, value in labels.items()},
        )


def _default_service(real: str, container_id: str | None) -> str:
    """Return the default service name: the short id of the container, or the name of the file."""
    if container_id is not None and CONTAINER_ID.fullmatch(container_id):
        return container_id[:SHORT_ID]
    return Path(real).name.split(".", 1)[0][:LONGEST_VALUE]


def _container(config: Any) -> Container:  # noqa: ANN401 -- the runtime's JSON
    """Return name, image and labels of the runtime's description, truncated; omit missing and malformed values."""
    if not isinstance(config, dict):
        return Container()
    inner = config.get("Config")
    inner = inner if isinstance(inner, dict) else {}
    labels = inner.get("Labels")
    kept = list(labels.items())[:MOST_LABELS] if isinstance(labels, dict) else []
    return Container(
        _text(config.get("Name"), "/"),
        _text(inner.get("Image")),
        {str(name)[:LONGEST_READ]: value[:LONGEST_READ] for name, value in kept if isinstance(value, str)},
    )


def _text(value: object, prefix: str = "") -> str | None:
    return value.removeprefix(prefix)[:LONGEST_READ] or None if isinstance(value, str) else None
