"""The benchmarks run, and tell figures of the right kind. Whether these are good is not for a test to say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def told(tmp_path: Path, module: str, *options: str) -> Any:
    """What a benchmark wrote."""
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", f"benchmarks.{module}", "--json", str(out), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def test_agents_are_measured_side_by_side(tmp_path: Path) -> None:
    """Ours both ways, in the same run, each to its last document."""
    options = ("--lines", "2000", "--files", "3", "--runs", "1", "--data", str(tmp_path))
    results = told(tmp_path, "beside", *options)["results"]
    assert [found["agent"] for found in results[:2]] == ["shipper", "shipper, plain Python"]
    assert all(found["of_the_floor"] > 0 and found["events_per_second"] > 0 for found in results)


def test_steps_are_measured_alone(tmp_path: Path) -> None:
    """The compiled chain costs less than the plain one, or nobody needs it."""
    options = ("--lines", "5000", "--runs", "3", "--data", str(tmp_path))
    results = told(tmp_path, "steps", *options)["results"]
    assert results["the native path"]["cpu_us"] < results["the Python path"]["cpu_us"]


def test_growth_and_quiet_files_are_measured(tmp_path: Path) -> None:
    """Each number of lines over each number of files; figures of an agent that has nothing to do."""
    options = ("--lines", "1000", "--lines", "2000", "--files", "1", "--files", "2", "--data", str(tmp_path))
    rows = told(tmp_path, "growth", *options)["results"]
    assert [(row["lines"], row["files"]) for row in rows] == [(1000, 1), (1000, 2), (2000, 1), (2000, 2)]
    (quiet,) = told(tmp_path, "idle", "--files", "5", "--seconds", "1", "--data", str(tmp_path))
    assert quiet["files"] == 5
    assert 0 < quiet["rss_mb"] <= quiet["peak_mb"]


def test_latency_is_measured(tmp_path: Path) -> None:
    """The half of the lines is acknowledged before the slowest hundredth."""
    results = told(tmp_path, "latency", "--rate", "200", "--seconds", "2")["results"]
    assert 0 < results[0]["p50"] <= results[0]["p99"] <= results[0]["most"]


def test_a_soak_ends_with_its_books_balanced(tmp_path: Path) -> None:
    """Logs of several containers are rotated under it; each line comes once, and the counters are the truth."""
    found = told(tmp_path, "soak", "--minutes", "0.1", "--every", "0.5", "--file-mb", "1", "--logs", "2")
    assert found["rotations"] > 0
    assert found["books"]["written"] > 0
    assert [found["books"][kind] for kind in ("lost", "resent", "duplicated", "counter_error")] == [0, 0, 0, 0]
    assert found["state_files_left"] <= 2 * 5  # those that were rotated away are forgotten
    assert found["slopes"].keys() == {"mb_an_hour", "mb_a_million_lines"}


def test_unusual_load_ends_with_its_books_balanced(tmp_path: Path) -> None:
    """Many files, a large one, a loud one beside quiet ones, rotations, short lives: all of it small here."""
    sizes = ("--files", "100", "--gigabytes", "0.02", "--quiet", "20", "--mb-a-second", "2", "--seconds", "3")
    found = told(tmp_path, "load", *sizes, "--rotations", "600", "--containers", "200", "--folder", str(tmp_path))
    assert found["files"]["written"] == 800
    assert found["large"]["written"] >= 40_000
    assert found["loud"]["quiet_lines"] > 20
    assert 0 < found["loud"]["quiet_p50_ms"] <= found["loud"]["quiet_most_ms"]
    assert found["rotations"]["rotations"] >= 600
    assert found["rotations"]["state_files_left"] <= 50 * 5
    assert found["containers"]["written"] == 1000
    assert found["containers"]["state_logs"] == found["containers"]["state_files"] == 0


def test_agents_are_killed_side_by_side(tmp_path: Path) -> None:
    """Ours, both ways: sent again or not, nothing is lost, and an index has nothing twice."""
    options = ("--lines", "20000", "--runs", "1", "--settled", "3", "--agent", "shipper")
    results = told(tmp_path, "crash", *options)["results"]
    assert results.keys() == {"shipper", "shipper, plain Python"}
    for (run,) in results.values():
        assert run["documents_then"] >= run["kill_at"] > 0
        assert (run["lost"], run["duplicated"], run["counter_error"]) == (0, 0, 0)
