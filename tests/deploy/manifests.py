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
    (match,) = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return match


def pods(objects: Sequence[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Kind/name and pod of each workload."""
    for item in objects:
        if item["kind"] in WORKLOADS:
            yield f"{item['kind']}/{item['metadata']['name']}", item["spec"]["template"]["spec"]


def container(objects: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The only container of a workload."""
    (definition,) = one(objects, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(definition)


def variables(objects: Sequence[Manifest], definition: Manifest) -> dict[str, str]:
    """Return a container's environment as the kubelet resolves it; the node is called node-1."""
    environment: dict[str, str] = {}
    for source in definition.get("envFrom", ()):
        environment |= one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in definition.get("env", ()):
        node = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") == "spec.nodeName"
        value = "node-1" if node else entry["value"]
        for name, known in environment.items():
            value = value.replace(f"$({name})", known)
        environment[entry["name"]] = value
    return environment


def settings(objects: Sequence[Manifest], kind: str, name: str, folder: Path) -> Settings:
    """Return the settings of a workload's container; secrets are those of `folder`. Raises ConfigurationError."""
    definition = container(objects, kind, name)
    pod = one(objects, kind, name)["spec"]["template"]["spec"]
    (mounted,) = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    text = one(objects, "ConfigMap", mounted)["data"]["shipper.yaml"]
    file = folder / "shipper.yaml"
    file.write_text(text.replace(SECRETS, str(folder)), encoding="utf-8")
    environ = {key: value.replace(SECRETS, str(folder)) for key, value in variables(objects, definition).items()}
    return config.load(file, environ, {})
