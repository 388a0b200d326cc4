"""The manifests as kustomize renders them: valid, least privileged, and with a configuration that the shipper takes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from deploy.kubernetes import rules
from shipper import __version__
from tests.deploy.compose import ROOT
from tests.deploy.manifests import Manifest, container, one, pods, settings, variables

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
OVERLAYS = ("overlays/staging", "overlays/production")
FOLDERS = ("base", *OVERLAYS, "app")
OLDEST, NEWEST = "1.30", "1.37"
OPERATOR = {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}
CONTAINERS = [("DaemonSet", "shipper"), ("Deployment", "shipper-indexer"), ("Job", "shipper-setup")]
Render = Callable[[str], list[Manifest]]


@pytest.fixture
def production(render: Render) -> list[Manifest]:
    """The overlay with every part."""
    return render("overlays/production")


@pytest.fixture
def agent(production: list[Manifest]) -> Manifest:
    """The agent's container."""
    return container(production, "DaemonSet", "shipper")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("folder", FOLDERS)
def test_objects_are_valid_for_kubernetes(render: Render, folder: str, version: str) -> None:
    """By the schemas of the oldest and the newest supported version; a key that these do not know is an error."""
    for item in render(folder):
        if item["kind"] not in OPERATOR:
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_objects_are_valid_for_the_prometheus_operator(
    render: Render, kustomize_tool: Callable[[str], str], folder: str
) -> None:
    """By its own resource definitions, keys that they do not know refused."""
    crds = Path(kustomize_tool("crds"))
    for kind, plural in OPERATOR.items():
        definition = yaml.safe_load((crds / f"monitoring.coreos.com_{plural}.yaml").read_text(encoding="utf-8"))
        (version,) = [known for known in definition["spec"]["versions"] if known["name"] == "v1"]
        schema = strict(version["schema"]["openAPIV3Schema"])
        Draft202012Validator(schema).validate(one(render(folder), kind, "shipper"))


def strict(schema: Any, *, top: bool = True) -> Any:
    """A definition's schema that refuses what it does not name, but for what every object has."""
    if isinstance(schema, list):
        return [strict(part, top=False) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value, top=False) for key, value in schema.items()}
    if not top and isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result["additionalProperties"] = False
    return result


def test_kubernetes_would_refuse_a_key_that_does_not_exist(production: list[Manifest]) -> None:
    """The validation is strict: a misspelled key does not pass for an unknown one."""
    item = one(production, "DaemonSet", "shipper")
    wrong = {**item, "spec": {**item["spec"], "updateStrategie": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


def test_labels_of_pods_need_the_least_rights(render: Render, tmp_path: Path) -> None:
    """Reading pods, a token, and the way to the API server; and the setting that uses them."""
    base, component = (
        os.path.relpath(ROOT / "deploy/kubernetes" / name, tmp_path) for name in ("base", "components/pod-metadata")
    )
    text = yaml.safe_dump({"resources": [base], "components": [component]})
    (tmp_path / "kustomization.yaml").write_text(text, encoding="utf-8")
    objects = render(str(tmp_path))
    for item in objects:
        kubernetes_validate.validate(item, NEWEST, strict=True)
    role = one(objects, "ClusterRole", "shipper-pod-metadata")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    binding = one(objects, "ClusterRoleBinding", "shipper-pod-metadata")
    assert [subject["name"] for subject in binding["subjects"]] == [
        one(objects, "ServiceAccount", "shipper")["metadata"]["name"]
    ]
    assert binding["subjects"][0]["namespace"] == "shipper"
    automounted = {name: pod["automountServiceAccountToken"] for name, pod in pods(objects)}
    assert automounted == {"DaemonSet/shipper": True, "Job/shipper-setup": False}
    assert variables(objects, container(objects, "DaemonSet", "shipper"))["SHIPPER_KUBERNETES__METADATA"] == "true"
    egress = one(objects, "NetworkPolicy", "shipper")["spec"]["egress"]
    assert {"ports": [{"protocol": "TCP", "port": 6443}]} in egress


def test_prometheus_rule_is_current() -> None:
    """It holds the rules of deploy/prometheus/rules as they are now."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.kubernetes.rules", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_groups_of_all_rule_files_are_in_the_object(tmp_path: Path) -> None:
    """In the order of the files' names."""
    for name in ("b", "a"):
        group = {"name": name, "rules": [{"alert": f"Alert{name}", "expr": "up == 0"}]}
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    groups = yaml.safe_load(rules.prometheus_rule(tmp_path))["spec"]["groups"]
    assert [group["name"] for group in groups] == ["a", "b"]


def test_the_agents_security_is_the_least_it_needs(agent: Manifest, production: list[Manifest]) -> None:
    """User 0 with one capability, a root file system that is read only, no way to more."""
    assert agent["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]},
    }
    pod = one(production, "DaemonSet", "shipper")["spec"]["template"]["spec"]
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_other_pod_is_nobody_without_capabilities(render: Render, folder: str) -> None:
    """A pod that reads no files of the node runs as an unprivileged user, without capabilities."""
    for name, pod in pods(render(folder)):
        (only,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False, name
        assert only["resources"].keys() == {"requests", "limits"}
        assert only["image"].rpartition(":")[2] == __version__
        if name != "DaemonSet/shipper":
            assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 65532)
            assert only["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip


def test_the_agent_writes_to_its_state_alone(agent: Manifest, production: list[Manifest]) -> None:
    """Folders of the node are logs, read only, and the state; the runtime's socket is not among them."""
    volumes = one(production, "DaemonSet", "shipper")["spec"]["template"]["spec"]["volumes"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume}
    assert set(paths.values()) == {"/var/log/containers", "/var/log/pods", "/var/lib/shipper"}
    writable = {mount["name"] for mount in agent["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"state", "tmp"}
    assert {mount["mountPath"] for mount in agent["volumeMounts"] if mount["name"] in paths} == set(paths.values())
    assert ".sock" not in yaml.safe_dump(production)


def test_the_agent_is_on_every_node_and_told_its_name(agent: Manifest, production: list[Manifest]) -> None:
    """Whatever taint a node has; one agent at a time, before other pods; events carry the node's name."""
    spec = one(production, "DaemonSet", "shipper")["spec"]
    assert spec["template"]["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert spec["updateStrategy"]["rollingUpdate"]["maxSurge"] == 0
    assert one(production, "PriorityClass", spec["template"]["spec"]["priorityClassName"])["value"] > 0
    assert variables(production, agent)["SHIPPER_HOST"] == "node-1"


@pytest.mark.parametrize(("folder", "kind", "name"), [
    ("overlays/production", "DaemonSet", "shipper"),
    ("overlays/production", "Deployment", "shipper-indexer"),
    ("app", "Deployment", "backend"),
])  # fmt: skip
def test_liveness_and_readiness_are_two_questions(render: Render, folder: str, kind: str, name: str) -> None:
    """Apart, since a restart does not bring back what a pod waits for; the timings are those of the guide."""
    definition = container(render(folder), kind, name)
    assert definition["livenessProbe"] == {
        "httpGet": {"path": "/live", "port": "http"},
        "initialDelaySeconds": 30, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3,
    }  # fmt: skip
    assert definition["readinessProbe"] == {
        "httpGet": {"path": "/ready", "port": "http"},
        "initialDelaySeconds": 10, "periodSeconds": 5, "timeoutSeconds": 3, "successThreshold": 1,
        "failureThreshold": 3,
    }  # fmt: skip


def test_configuration_is_accepted_and_leads_where_it_should(production: list[Manifest], secret_folder: Path) -> None:
    """Files to the topic, the topic to the index, templates to the index by another key; each read as its pod does."""
    agent, indexer, setup = (settings(production, kind, name, secret_folder) for kind, name in CONTAINERS)
    assert [(item.type, item.http_source) for item in agent.inputs] == [("cri", "off")], "it logs events, too"
    assert [item.type for item in indexer.inputs] == ["kafka"]
    assert agent.output == f"kafka:{indexer.inputs[0].glob}"
    assert indexer.output == setup.output == "https://elasticsearch-0.keneyapp.com:9200"
    assert (len(indexer.elasticsearch.hosts), setup.elasticsearch.retention) == (2, 90 * 86_400)
    assert agent.token is not None


def test_staging_goes_to_the_index_without_kafka(render: Render, secret_folder: Path) -> None:
    """Options are options: the overlay without them has neither indexers nor a topic."""
    objects = render("overlays/staging")
    assert settings(objects, "DaemonSet", "shipper", secret_folder).output.startswith("https://elasticsearch.staging.")
    assert settings(objects, "Job", "shipper-setup", secret_folder).elasticsearch.retention == 14 * 86_400
    assert "Deployment" not in {item["kind"] for item in objects}


def test_one_indexer_at_a_time_may_be_moved(production: list[Manifest]) -> None:
    """The budget is about the indexers' pods; there are several."""
    deployment = one(production, "Deployment", "shipper-indexer")
    budget = one(production, "PodDisruptionBudget", "shipper-indexer")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["spec"]["selector"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= budget["selector"]["matchLabels"].items()
    assert deployment["spec"]["replicas"] == 6


def test_metrics_arrive_under_the_names_that_rules_ask_for(production: list[Manifest]) -> None:
    """The job is `shipper`, and no label of a target hides one of a counter's own."""
    (endpoint,) = one(production, "ServiceMonitor", "shipper")["spec"]["endpoints"]
    labels = {rule["targetLabel"]: rule.get("replacement") for rule in endpoint["relabelings"] if "targetLabel" in rule}
    assert labels.items() >= {"job": "shipper", "cluster": "production", "environment": "prod"}.items()
    assert {"action": "labeldrop", "regex": "service|endpoint|container"} in endpoint["relabelings"]
    (port,) = one(production, "Service", "shipper")["spec"]["ports"]
    assert endpoint["port"] == port["name"]


def test_only_prometheus_may_ask_and_events_may_go_where_they_go(production: list[Manifest]) -> None:
    """Ingress is one namespace at one port; egress is the ports of DNS, index, Kibana and Kafka."""
    spec = one(production, "NetworkPolicy", "shipper")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (into,) = spec["ingress"]
    assert into["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {53, 443, 5601, 9092, 9200}


def test_selectors_find_their_pods(production: list[Manifest]) -> None:
    """Service and NetworkPolicy select every pod of the shipper's."""
    selectors = [
        one(production, "Service", "shipper")["spec"]["selector"],
        one(production, "NetworkPolicy", "shipper")["spec"]["podSelector"]["matchLabels"],
    ]
    for item in workloads(production):
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert all(labels.items() >= selector.items() for selector in selectors), item["metadata"]["name"]


def workloads(objects: list[Manifest]) -> Iterator[Manifest]:
    """Objects that make pods."""
    return (item for item in objects if "template" in item.get("spec", {}))
