"""The benchmarks run and give figures of the right kind; no test judges these figures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def report_of(tmp_path: Path, module: str, *options: str) -> Any:
    """Run a benchmark and return its JSON report."""
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", f"benchmarks.{module}", "--json", str(out), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def test_agents_are_measured_side_by_side(tmp_path: Path) -> None:
    """The native and the Python path over the mix, the native one over a kind alone, each to its last document."""
    options = ("--lines", "2000", "--kind-lines", "1000", "--files", "3", "--runs", "1", "--data", str(tmp_path))
    only = ("--kind", "mix", "--kind", "noid", "--agent", "shipper", "--short")
    results = report_of(tmp_path, "beside", *options, *only)["results"]
    assert [(row["kind"], row["agent"]) for row in results] == [
        ("mix", "shipper"), ("mix", "shipper, plain Python"), ("noid", "shipper"),
    ]  # fmt: skip
    assert all(row["of_the_floor"] > 0 and row["events_per_second"] > 0 and row["cores_used"] > 0 for row in results)


def test_steps_are_measured_alone(tmp_path: Path) -> None:
    """The native path costs less than the Python path; else it would have no use."""
    options = ("--lines", "5000", "--runs", "3", "--data", str(tmp_path))
    results = report_of(tmp_path, "steps", *options)["results"]
    assert results["the native path"]["cpu_us"] < results["the Python path"]["cpu_us"]


def test_growth_and_quiet_files_are_measured(tmp_path: Path) -> None:
    """Each number of lines over each number of files; figures of an idle agent."""
    options = ("--lines", "1000", "--lines", "2000", "--files", "1", "--files", "2", "--data", str(tmp_path))
    rows = report_of(tmp_path, "growth", *options)["results"]
    assert [(row["lines"], row["files"]) for row in rows] == [(1000, 1), (1000, 2), (2000, 1), (2000, 2)]
    (quiet,) = report_of(tmp_path, "idle", "--files", "5", "--seconds", "1", "--data", str(tmp_path))
    assert quiet["files"] == 5
    assert 0 < quiet["rss_mb"] <= quiet["peak_mb"]


def test_latency_is_measured(tmp_path: Path) -> None:
    """Half of the lines are acknowledged before the slowest hundredth."""
    results = report_of(tmp_path, "latency", "--rate", "200", "--seconds", "2")["results"]
    assert 0 < results[0]["p50"] <= results[0]["p99"] <= results[0]["most"]


def test_a_soak_ends_with_its_books_balanced(tmp_path: Path) -> None:
    """Logs of several containers are rotated; each line is stored once, and the counters equal the truth."""
    report = report_of(tmp_path, "soak", "--minutes", "0.1", "--every", "0.5", "--file-mb", "1", "--logs", "2")
    assert report["rotations"] > 0
    assert report["books"]["written"] > 0
    assert [report["books"][kind] for kind in ("lost", "resent", "duplicated", "counter_error")] == [0, 0, 0, 0]
    assert report["state_files_left"] <= 2 * 5  # rotated files are forgotten
    assert report["slopes"].keys() == {"mb_an_hour", "mb_a_million_lines"}


def test_unusual_load_ends_with_its_books_balanced(tmp_path: Path) -> None:
    """Many files, a large one, a loud one beside quiet ones, rotations, short-lived containers: all of it small here."""
    sizes = ("--files", "100", "--gigabytes", "0.02", "--quiet", "20", "--mb-a-second", "2", "--seconds", "3")
    report = report_of(tmp_path, "load", *sizes, "--rotations", "600", "--containers", "200", "--folder", str(tmp_path))
    assert report["files"]["written"] == 800
    assert report["large"]["written"] >= 40_000
    assert report["loud"]["quiet_lines"] > 20
    assert 0 < report["loud"]["quiet_p50_ms"] <= report["loud"]["quiet_most_ms"]
    assert report["rotations"]["rotations"] >= 600
    assert report["rotations"]["state_files_left"] <= 50 * 5
    assert report["containers"]["written"] == 1000
    assert report["containers"]["state_logs"] == report["containers"]["state_files"] == 0


def test_agents_are_killed_side_by_side(tmp_path: Path) -> None:
    """On both paths: whatever is sent again, nothing is lost, and an index holds no duplicate."""
    options = ("--lines", "20000", "--runs", "1", "--settled", "3", "--agent", "shipper")
    results = report_of(tmp_path, "crash", *options)["results"]
    assert results.keys() == {"shipper", "shipper, plain Python"}
    for (run,) in results.values():
        assert run["documents_then"] >= run["kill_at"] > 0
        assert (run["lost"], run["duplicated"], run["counter_error"]) == (0, 0, 0)
