"""Container metadata, from the path of a log and the runtime's files."""

import json
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.settings import InputSettings
from shipper.inputs.files.container_metadata import DockerApi, Provenance, plain_identity
from shipper_schemas.entry import Origin

ID = "4f" * 32


def origin(kind: str, path: Path, real: Path | None = None, **settings: str) -> Origin:
    """Return the origin of a log of an input of that type."""
    source = InputSettings.model_validate({"type": kind, "glob": str(path), **settings})
    return Provenance("node-1").of(source)(str(path), str(real or path))


def container(folder: Path, config: object) -> Path:
    """Create a container's folder; return the path of its log."""
    folder = folder / ID
    folder.mkdir()
    if config is not None:
        (folder / "config.v2.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder / f"{ID}-json.log"


def config(**labels: str) -> dict[str, object]:
    """Return the engine's configuration of a container."""
    return {
        "ID": ID,
        "Name": "/keneyapp-backend-1",
        "Image": "sha256:0",
        "Config": {"Image": "keneyapp:2.0.0", "Labels": labels},
    }


def test_docker_metadata_has_name_image_and_labels(tmp_path: Path) -> None:
    """From `config.v2.json` beside the log; the socket is not used."""
    container_origin = origin("docker", container(tmp_path, config(tier="api")))
    assert (container_origin.source, container_origin.container_id, container_origin.container_name) == (
        ID,
        ID,
        "keneyapp-backend-1",
    )
    assert (container_origin.image, container_origin.labels, container_origin.host) == (
        "keneyapp:2.0.0",
        {"tier": "api"},
        "node-1",
    )
    assert container_origin.service == "keneyapp-backend-1"


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"com.docker.compose.service": "backend"}, "backend"),
        ({"app.kubernetes.io/name": "api"}, "api"),
        ({"com.docker.compose.service": "backend", "shipper.service": "gateway"}, "gateway"),
    ],
)
def test_labels_name_the_service(tmp_path: Path, labels: dict[str, str], service: str) -> None:
    """Ours, Compose's, Kubernetes', in this order."""
    assert origin("docker", container(tmp_path, config(**labels))).service == service


def test_the_inputs_service_wins(tmp_path: Path) -> None:
    """The configured service takes precedence over labels."""
    assert origin("docker", container(tmp_path, config(**{"shipper.service": "x"})), service="y").service == "y"


@pytest.mark.parametrize(
    ("label", "expected"), [("access", "access"), ("off", "off"), ("nonsense", "structured"), (None, "structured")]
)
def test_a_label_selects_the_record_of_a_request_that_counts(tmp_path: Path, label: str | None, expected: str) -> None:
    """It overrides the input; invalid values are ignored."""
    labels = {} if label is None else {"shipper.http-source": label}
    assert origin("docker", container(tmp_path, config(**labels))).http_source == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [("Europe/Paris", "Europe/Paris"), ("Nowhere/At_All", "Asia/Tokyo"), ("", "Asia/Tokyo"), (None, "Asia/Tokyo")],
)
def test_a_label_names_the_zone_of_times_without_one(tmp_path: Path, label: str | None, expected: str) -> None:
    """It overrides the input; invalid values are ignored."""
    labels = {} if label is None else {"shipper.timezone": label}
    assert origin("docker", container(tmp_path, config(**labels)), timezone="Asia/Tokyo").timezone == expected


@pytest.mark.parametrize(
    ("label", "setting", "expected"),
    [
        ("strict", "tolerant", "strict"),
        ("tolerant", "strict", "tolerant"),
        ("x", "strict", "strict"),
        (None, "tolerant", "tolerant"),
    ],
)
def test_a_label_selects_the_comparison_of_paths(
    tmp_path: Path, label: str | None, setting: str, expected: str
) -> None:
    """It overrides the input; invalid values are ignored."""
    labels = {} if label is None else {"shipper.paths": label}
    assert origin("docker", container(tmp_path, config(**labels)), paths=setting).paths == expected


@pytest.mark.parametrize(
    "damaged", [None, "", "{", "[1]", '{"Config": 5}', '{"Name": 5, "Config": {"Labels": [1], "Image": {}}}']
)
def test_a_log_without_usable_configuration_is_followed_anyway(tmp_path: Path, damaged: str | None) -> None:
    """The path contains the container's id."""
    container_origin = origin("docker", container(tmp_path, damaged))
    assert (container_origin.container_id, container_origin.container_name, container_origin.labels) == (ID, None, {})


def test_a_pipe_in_place_of_the_configuration_does_not_block(tmp_path: Path) -> None:
    """No process writes to it."""
    log = container(tmp_path, None)
    os.mkfifo(log.parent / "config.v2.json")
    assert origin("docker", log).container_id == ID


@pytest.mark.timeout(20)
def test_an_engine_that_does_not_respond_times_out(tmp_path: Path) -> None:
    """The library's default timeout of a minute would block all logs."""
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(tmp_path / "docker.sock"))
        engine.listen()
        api = DockerApi(f"unix://{tmp_path}/docker.sock", 1)
        with pytest.raises(Exception, match="timed out"):
            api.lookup(ID)


def test_labels_are_bounded(tmp_path: Path) -> None:
    """A container cannot fill every document."""
    container_origin = origin("docker", container(tmp_path, config(**{f"label{n}": "x" * 500 for n in range(1000)})))
    assert len(container_origin.labels) == 64
    assert {len(value) for value in container_origin.labels.values()} == {256}


def test_kubernetes_paths_have_pod_namespace_and_container(tmp_path: Path) -> None:
    """From the link and from the folder of its target."""
    link = tmp_path / f"web-5d_prod_app-{ID}.log"
    real = tmp_path / "pods" / "prod_web-5d_0a1b" / "app" / "0.log"
    container_origin = origin("cri", link, real)
    assert container_origin.kubernetes == {"namespace": "prod", "pod": "web-5d", "container": "app", "uid": "0a1b"}
    assert (container_origin.container_id, container_origin.service, container_origin.source) == (
        ID,
        "app",
        "0a1b/app/0.log",
    )


def test_a_plain_file_is_identified_by_host_and_path(tmp_path: Path) -> None:
    """Rotated, it is the same log; in another folder or on another host it is another."""
    first, second = (origin("plain", tmp_path / name) for name in ("access.log", "access.log.1"))
    assert first.source == second.source == f"file://node-1{tmp_path}/access.log"
    assert first.service == "access"
    assert origin("plain", tmp_path / "b" / "access.log").source != first.source
    assert plain_identity("node-2", f"{tmp_path}/access.log") != first.source


PATHS = st.text("ab/.é\udcff%?", max_size=4).map("/{}".format).filter(lambda path: "//" not in path)
HOSTS_AND_PATHS = st.tuples(st.text("ab/:?#%é\udcff", max_size=3), PATHS)


@given(HOSTS_AND_PATHS, HOSTS_AND_PATHS)
def test_identities_of_plain_files_are_equal_if_host_and_path_are_equal(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    """For any spelling of hosts and paths, also if they are invalid UTF-8."""
    first, second = (plain_identity(host, path) for host, path in (one, other))
    assert (first == second) == (one == other)
    assert first.isascii()
