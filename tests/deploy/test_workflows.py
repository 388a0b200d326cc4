"""The workflows: valid, pinned, with no more rights than each job needs, and running the scripts of this repository."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.supply.wheels import TARGETS
from tests.deploy.compose import ROOT
from tests.integration.conftest import missing

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
ACTIONLINT = ROOT / "tests" / "services" / "actionlint.sh"


def loaded(name: str) -> dict[str, Any]:
    """Return a workflow."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    return content


def commands(workflow: dict[str, Any]) -> str:
    """Return what all jobs run, as one text."""
    return "\n".join(step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"])


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_actionlint_finds_nothing() -> None:
    """Syntax, expressions, names of runners, inputs of actions, needs of jobs."""
    placed = subprocess.run([ACTIONLINT], capture_output=True, text=True, timeout=280, check=False)
    if placed.returncode:
        missing(placed.stderr.strip()[-200:], "install Go, or actionlint")
    done = subprocess.run(
        [placed.stdout.strip(), "-no-color", "-shellcheck=", "-pyflakes=", *FILES],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_given_by_the_job(path: Path) -> None:
    """An action is named by its commit, with its version beside; a workflow as a whole may only read."""
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.+)", text)
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use)] == []
    assert loaded(path.stem)["permissions"] == {"contents": "read"}
    for name, job in loaded(path.stem)["jobs"].items():
        assert job["timeout-minutes"] <= 120, name


def test_ci_runs_on_every_push_what_runs_here() -> None:
    """All checks and both parts of the tests, with the extension; the unit part without it too."""
    workflow = loaded("ci")
    assert {"push", "pull_request"} <= set(workflow[True])  # YAML 1.1 reads `on` so
    run = commands(workflow)
    for script in (".ci/checks", "./test unit", "./test integration"):
        assert script in run
        assert (ROOT / script.split()[0]).exists()
    assert workflow["env"]["SHIPPER_NATIVE"] == "require"
    assert workflow["jobs"]["python-path"]["env"]["SHIPPER_NATIVE"] == "skip"
    here = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert ".ci/checks" in here
    assert "./test" in here


def test_a_release_has_wheels_and_images_of_all_kinds() -> None:
    """Wheels for each target, an image for each of the same architectures, provenance and a bill of materials."""
    run = commands(loaded("release"))
    for target in TARGETS:
        assert target in run
    for module in ("wheels", "bom", "audit"):
        assert f"-m deploy.supply.{module}" in run
    assert "--provenance mode=max --sbom true" in run
    jobs = loaded("release")["jobs"]
    architectures = {entry["architecture"] for entry in jobs["image"]["strategy"]["matrix"]["include"]}
    assert architectures == {"amd64", "arm64"}
    assert len(architectures) == len(TARGETS)
    attested = [step.get("uses", "") for job in jobs.values() for step in job["steps"]]
    assert sum("attest-build-provenance" in use for use in attested) == 2
    assert jobs["publish"]["needs"] == "multi-arch-image"


def test_workflows_install_the_same_installer_as_the_setup() -> None:
    """One version of uv everywhere."""
    pins = {
        version
        for path in (*FILES, ROOT / ".ci" / "setup")
        for version in re.findall(r"uv==([\d.]+)", path.read_text(encoding="utf-8"))
    }
    assert len(pins) == 1
