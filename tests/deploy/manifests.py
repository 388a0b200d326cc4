"""Looking into rendered manifests, and loading the configuration of a container as its pod would."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shipper import config
from shipper.config.settings import Settings

Manifest = dict[str, Any]
SECRETS = "/etc/shipper-secrets"
WORKLOADS = ("DaemonSet", "Deployment", "Job")


def one(objects: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The object of that kind and name."""
    (found,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def pods(objects: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Kind/name and pod of each workload."""
    for item in objects:
        if item["kind"] in WORKLOADS:
            yield f"{item['kind']}/{item['metadata']['name']}", item["spec"]["template"]["spec"]


def container(objects: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The only container of a workload."""
    (found,) = one(objects, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def variables(objects: Sequence[Manifest], found: Manifest) -> dict[str, str]:
    """What a container's environment says, as the kubelet resolves it; the node is called node-1."""
    given: dict[str, str] = {}
    for source in found.get("envFrom", ()):
        given |= one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in found.get("env", ()):
        node = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") == "spec.nodeName"
        value = "node-1" if node else entry["value"]
        for name, known in given.items():
            value = value.replace(f"$({name})", known)
        given[entry["name"]] = value
    return given


def settings(objects: Sequence[Manifest], kind: str, name: str, folder: Path) -> Settings:
    """What a workload's container runs with; secrets are those of `folder`. Raises ConfigurationError."""
    found = container(objects, kind, name)
    pod = one(objects, kind, name)["spec"]["template"]["spec"]
    (mounted,) = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    text = one(objects, "ConfigMap", mounted)["data"]["shipper.yaml"]
    file = folder / "shipper.yaml"
    file.write_text(text.replace(SECRETS, str(folder)), encoding="utf-8")
    environ = {key: value.replace(SECRETS, str(folder)) for key, value in variables(objects, found).items()}
    return config.load(file, environ, {})
