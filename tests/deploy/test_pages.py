"""The pages on deployment: what they show is what there is."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.compose import ROOT
from tests.deploy.manifests import Manifest, container, one
from tests.deploy.pages import cells, examples, table

PAGES = [ROOT / "docs" / f"{name}.md" for name in ("compose", "kubernetes", "migrating-from-filebeat")]
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@BY_PAGE
def test_files_that_a_page_names_are_there(page: Path) -> None:
    """Paths under deploy/."""
    text = page.read_text(encoding="utf-8")
    named = {path.rstrip("/.") for path in re.findall(r"\bdeploy/[\w./-]+", text)}
    made = {"deploy/compose/secrets", "deploy/prometheus/rules"}
    assert [path for path in sorted(named - made) if not (ROOT / path).exists()] == []


def test_every_folder_of_the_deployment_says_what_it_is_and_how_to_try_it() -> None:
    """A row each, with a command; what it names of ours is there."""
    rows = table((ROOT / "deploy" / "README.md").read_text(encoding="utf-8"))
    folders = {path.name for path in (ROOT / "deploy").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert sorted(re.sub(r"\[(.+)/\]\(\1/\)", r"\1", folder) for folder, *_ in rows) == sorted(folders)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for _, what, how in rows:
        assert what
        assert "`" in how
        for target in re.findall(r"make (\w+)", how):
            assert f"\n{target}:" in makefile
        for path in re.findall(r"deploy[./][\w./*-]+", how):
            place = path if "/" in path else path.replace(".", "/")
            assert [*ROOT.glob(place), *ROOT.glob(f"{place}.py")], path
        for page in re.findall(r"\]\(([^)]+)\)", how):
            assert (ROOT / "deploy" / page).exists()


def test_every_line_of_the_filebeat_configuration_is_explained() -> None:
    """The table has a row for each, in order."""
    page = ROOT / "docs" / "migrating-from-filebeat.md"
    lines = [line.strip() for line in next(examples(page, "yml")).splitlines() if line.strip()]
    assert [row[0].strip("`") for row in cells(page, "Line by line")] == lines
    assert all(len(row) == 3 and all(row) for row in cells(page, "Line by line"))


def privileges(objects: list[Manifest]) -> list[str]:
    """Return the privileges of the agent's pod beyond any other pod, as the table names them."""
    pod = one(objects, "DaemonSet", "shipper")["spec"]["template"]["spec"]
    only = container(objects, "DaemonSet", "shipper")
    context, level = only["securityContext"], "pod-security.kubernetes.io/enforce"
    mounts = {mount["name"]: bool(mount.get("readOnly")) for mount in only["volumeMounts"]}
    return [
        f"runAsUser: {context['runAsUser']}",
        *(f"capabilities: {name}" for name in context["capabilities"]["add"]),
        *(
            f"hostPath: {volume['hostPath']['path']}, {'read only' if mounts[volume['name']] else 'read and write'}"
            for volume in pod["volumes"]
            if "hostPath" in volume
        ),
        *("tolerations: all" for toleration in pod["tolerations"] if toleration == {"operator": "Exists"}),
        f"priorityClassName: {pod['priorityClassName']}",
        f"namespace: {one(objects, 'Namespace', 'shipper')['metadata']['labels'][level]}",
        *(f"{key}: {pod[key]}" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)),
        *("token" for _ in [0] if pod.get("automountServiceAccountToken", True)),
        *("privileged" for _ in [0] if context.get("privileged") or context.get("allowPrivilegeEscalation", True)),
    ]


@pytest.mark.integration
@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", ["overlays/staging", "overlays/production"])
def test_every_privilege_has_its_row_and_every_row_its_privilege(
    render: Callable[[str], list[Manifest]], folder: str
) -> None:
    """Whoever gives the agent more has to say what for."""
    rows = cells(ROOT / "docs" / "kubernetes.md", "Privileges")
    assert [row[0].strip("`") for row in rows] == privileges(render(folder))
    assert all(len(row) == 4 and all(row) for row in rows)


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_table_of_overlays_tells_what_they_say(render: Callable[[str], list[Manifest]]) -> None:
    """Retention, shards and copies, labels: by overlay."""
    rows = {row[0]: row[1:] for row in cells(ROOT / "docs" / "kubernetes.md", "Overlays")}
    for column, name in enumerate(("staging", "production")):
        objects = render(f"overlays/{name}")
        variables = {
            key: value for item in objects if item["kind"] == "ConfigMap" for key, value in item["data"].items()
        }
        (endpoint,) = one(objects, "ServiceMonitor", "shipper")["spec"]["endpoints"]
        labels = {rule.get("targetLabel"): rule.get("replacement") for rule in endpoint["relabelings"]}
        shards = variables.get("SHIPPER_ELASTICSEARCH__SHARDS", "1")
        assert rows["kept for"][column] == variables["SHIPPER_ELASTICSEARCH__RETENTION"].replace("d", " days")
        assert rows["shards, copies"][column] == f"{shards}, {variables['SHIPPER_ELASTICSEARCH__REPLICAS']}"
        assert rows["own log from"][column] == variables["SHIPPER_LOG_LEVEL"]
        assert (
            rows["`cluster`, `environment` of metrics"][column] == f"`{labels['cluster']}`, `{labels['environment']}`"
        )
