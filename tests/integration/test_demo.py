"""README's first command: it succeeds, shows a whole visit, and the commands that it suggests work."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.__main__ import CONFIGURATION, COUNTERS, NEXT
from shipper.system.version import native_installed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500)]
ROOT = Path(__file__).parents[2]
STARTED = re.compile(r"^  \+\d+\.\d{3}s", re.MULTILINE)


def test_the_demo_ends_with_a_visit_and_what_to_try_next(tmp_path: Path) -> None:
    """Counters equal the truth, the timeline has the visit's steps, and each suggested command works."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert re.search(rf"path +{'native' if native_installed() else 'Python, since'}", done.stdout)
    rows = [line for line in done.stdout.splitlines() if any(line.strip().startswith(what) for what in COUNTERS)]
    assert len(rows) == len(COUNTERS)
    assert all("✓" in row for row in rows)
    visit = done.stdout.partition("$ shipper search ")[2]
    assert len(STARTED.findall(visit)) >= 8
    for event in ("login_succeeded", "patient_created", "prescription_created", "request_error"):
        assert event in visit
    for command, _ in NEXT:
        assert command in done.stdout
        name, *words = command.split()
        assert name == "shipper"
        more = ["--once", "--listen", "off"] if words == ["run"] else []
        tried = subprocess.run(
            [sys.executable, "-m", "shipper", *words, *more],
            cwd=tmp_path, env={**environment, "SHIPPER_CONFIG": str(CONFIGURATION)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert tried.returncode == 0, tried.stderr
        assert tried.stdout.strip(), command


def test_without_a_python_the_hint_is_named(tmp_path: Path) -> None:
    """One that is too old does not count; nothing is left behind."""
    for name in ("dirname", "find"):
        (tmp_path / name).symlink_to(
            next(path for path in (Path("/usr/bin") / name, Path("/bin") / name) if path.exists())
        )
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    (tmp_path / "checkout" / ".ci").mkdir(parents=True)
    setup = tmp_path / "checkout" / ".ci" / "setup"
    setup.write_bytes((ROOT / ".ci" / "setup").read_bytes())
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / "checkout" / name).touch()
    done = subprocess.run(
        ["/bin/sh", str(setup)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert "Python 3.11 or later not found" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (tmp_path / "checkout" / ".venv").exists()
