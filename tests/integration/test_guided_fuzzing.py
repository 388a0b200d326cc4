"""Guided fuzzing runs: every target for a moment, with coverage, and its findings are reported."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, corpus

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None, reason="atheris has wheels for Linux on x86-64 alone"
    ),
]
ROOT = Path(__file__).parents[2]
INPUTS = 150
"""Number of inputs for each target: a smoke test, not a search."""


def test_every_target_runs_guided_and_finds_nothing_at_once(tmp_path: Path) -> None:
    """All targets in one process, starting with the corpus of each: `make fuzz` for a moment."""
    inputs, findings = tmp_path / "inputs", tmp_path / "found"
    inputs.mkdir()
    findings.mkdir()
    for number, name in enumerate(sorted(TARGETS)):
        for path in corpus(name)[::5]:
            (inputs / f"{name}-{path.name}").write_bytes(bytes([number]) + path.read_bytes())
    options = [
        f"-artifact_prefix={findings}/",
        f"-runs={INPUTS * len(TARGETS)}",
        "-max_total_time=40",
        "-report_slow_units=100",
        "-seed=1",
        "-max_len=2048",
    ]
    command = [sys.executable, "-m", "tests.fuzz.guided", "all", *options, str(inputs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "INITED cov: " in done.stderr
    assert list(findings.iterdir()) == []
