"""Fixtures of the deployment tests: the Compose file as Compose reads it, manifests as kustomize renders them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import COMPOSE, ROOT, Prepared, config
from tests.integration.conftest import docker_address, missing

__all__ = ["docker_address"]
KUSTOMIZE = str(Path(__file__).parents[1] / "services" / "kustomize.sh")
Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Files made by deploy/compose/prepare.sh, in a folder of the tests."""
    if not COMPOSE.exists():
        missing(f"no Compose beside {sys.executable}", "make setup")
    return Prepared(tmp_path_factory.mktemp("compose")).make()


@pytest.fixture(scope="session")
def composed(prepared: Prepared) -> dict[str, Any]:
    """The Compose file with all profiles, as Compose reads it."""
    done = config(prepared.variables(), "--format", "json")
    assert done.returncode == 0, done.stderr
    configuration: dict[str, Any] = json.loads(done.stdout)
    return configuration


@pytest.fixture(scope="session")
def kustomize_tool() -> Callable[[str], str]:
    """Return the output of kustomize.sh for a word: the path of kustomize, or the folder of resource definitions."""

    def ask(word: str) -> str:
        done = subprocess.run([KUSTOMIZE, word], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            missing(f"no {word} of {KUSTOMIZE}: {done.stderr[-500:].strip()}", "install Go 1.24, or kustomize 5")
        return done.stdout.strip()

    return ask


@pytest.fixture(scope="session")
def render(kustomize_tool: Callable[[str], str]) -> Callable[[str], list[Manifest]]:
    """The objects of a folder under deploy/kubernetes."""
    kept: dict[str, list[Manifest]] = {}

    def objects(folder: str) -> list[Manifest]:
        if folder not in kept:
            command = [kustomize_tool("path"), "build", str(ROOT / "deploy" / "kubernetes" / folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            kept[folder] = list(yaml.safe_load_all(done.stdout))
        return kept[folder]

    return objects


@pytest.fixture
def secret_folder(tmp_path: Path) -> Path:
    """A folder with every secret that a configuration here names, standing in for the mounted one."""
    for name in ("shipper-elasticsearch-password", "shipper-token", "token", "api_key", "setup_api_key"):
        (tmp_path / name).write_text("a secret of the test's\n", encoding="utf-8")
    return tmp_path
