"""The story where something cannot be had: it says what and how to get it, and goes on with what there is."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services.http import ask
from deploy.services.monitoring import HINT, programs
from deploy.services.postgres_server import PostgresServer, binaries
from deploy.services.unavailable import Unavailable
from deploy.story.stage import Stage
from tests.deploy.compose import ROOT
from tests.integration.conftest import missing
from tests.waiting import until


def test_without_prometheus_there_is_no_story_but_its_hint(tmp_path: Path) -> None:
    """One line says what is missing and one what helps; exit code 1, nothing started, nothing installed."""
    environment = {**os.environ, "PATH": str(tmp_path)}  # no prometheus there, and no shell to install one with
    command = [sys.executable, "-m", "deploy.story"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    _, _, what, hint = done.stdout.splitlines()
    assert what.startswith("not available: prometheus cannot be installed:")
    assert hint == "  run it as root on Debian, which installs missing packages, or install them yourself"


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of temporary files: one of the test that PostgreSQL's user may pass, as it may /tmp."""
    with tempfile.TemporaryDirectory(prefix="shipper-test-") as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.mark.integration
@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root needs no setpriv to start PostgreSQL")
def test_a_cluster_that_cannot_be_made_leaves_no_folder(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without setpriv there is no way to PostgreSQL's user: said as what is unavailable, and nothing stays."""
    try:
        binaries()
    except Unavailable as error:
        missing(str(error), "install postgresql")
    monkeypatch.setenv("PATH", str(temporary / "nothing"))
    with pytest.raises(Unavailable, match="setpriv"):
        PostgresServer()
    assert list(temporary.iterdir()) == []


@pytest.mark.integration
def test_without_servers_the_application_keeps_all_in_memory(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No PostgreSQL, Redis or Docker: a process with its output written as Docker would, and why, for both."""
    try:
        programs()
    except Unavailable as error:
        missing(str(error), HINT)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    setpriv = shutil.which("setpriv", path=os.defpath)
    (tmp_path / "bin").mkdir()
    if setpriv is not None:  # what starts PostgreSQL where it is; Redis is not
        (tmp_path / "bin" / "setpriv").symlink_to(setpriv)
    with Stage(tmp_path / "stage") as stage:
        assert (stage.behind.environment, stage.behind.targets) == ({}, {})
        assert "cannot be installed" in (stage.behind.why_in_memory or "")
        assert stage.why_no_container is not None
        assert stage.application.where.startswith("a process")
        _, health = ask(f"http://{stage.address}/health")
        assert set(health["checks"].values()) == {"in memory"}
        until(lambda: stage.prometheus.down() == [])
    assert list(temporary.iterdir()) == [], "PostgreSQL was to be had and Redis was not: its cluster is removed"
