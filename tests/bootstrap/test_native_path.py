"""Which path lines take, native or Python, is reported wherever somebody looks."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from shipper.agent.agent_status import AgentPublisher
from shipper.bootstrap import build_agent
from shipper.cli import cli
from shipper.config.settings import Settings
from shipper.metrics.exposition import registry_of
from shipper.system.clock import Clock
from shipper.system.version import NATIVE, NATIVE_COST, NATIVE_HINT, description
from shipper_processors import fast_path

needs_extension = pytest.mark.skipif(fast_path.native is None, reason="the extension is not installed: .ci/setup")


@pytest.fixture
def without_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an installation without the extension."""
    monkeypatch.setattr(fast_path, "native", None)
    monkeypatch.setitem(sys.modules, NATIVE, None)


def settings(folder: Path, *, compiled: bool = True) -> Settings:
    """An agent without logs."""
    return Settings.model_validate(
        {
            "inputs": [f"docker:{folder}/*.log"],
            "output": f"local:{folder}/out",
            "state_dir": folder / "state",
            "compiled": compiled,
        }
    )


def reported(chosen: Settings) -> tuple[str | None, str, list[Any]]:
    """Return the path in the metrics and in the status of an agent, and what it logged at its start."""
    with capture_logs() as log:
        agent = build_agent.agent(chosen, Clock())
    try:
        publisher = AgentPublisher(agent, "local")
        registry = registry_of(lambda: publisher.snapshot.metrics())
        (family,) = (family for family in registry.collect() if family.name == "shipper_build_info")
        return family.samples[0].labels["path"], publisher.snapshot.status()["path"], list(log)
    finally:
        agent.close()


def finding(folder: Path, *options: str) -> dict[str, str]:
    """Return what `check` reports of the path."""
    arguments = ["check", "--format", "json", "--input", f"docker:{folder}/*.log", "--state-dir", f"{folder}/state"]
    done = CliRunner().invoke(cli, [*arguments, *options])
    (found,) = (one for one in json.loads(done.output) if one["subject"] == "path")
    return dict(found)


@needs_extension
def test_the_native_path_is_reported(tmp_path: Path) -> None:
    """By `--version`, `check`, the status and the metrics; the log has nothing to say."""
    assert "path: native" in list(description())
    assert finding(tmp_path) == {"grade": "ok", "subject": "path", "what": "native", "hint": ""}
    assert reported(settings(tmp_path)) == ("native", "native", [])


@pytest.mark.usefixtures("without_extension")
def test_without_the_extension_cost_and_hint_are_reported(tmp_path: Path) -> None:
    """The log of a start has one line with both."""
    assert f"path: Python; {NATIVE_COST}; {NATIVE_HINT}" in list(description())
    found = finding(tmp_path)
    assert (found["grade"], found["hint"]) == ("note", NATIVE_HINT)
    assert NATIVE_COST in found["what"]
    in_metrics, in_status, (line,) = reported(settings(tmp_path))
    assert (in_metrics, in_status) == ("python", "python")
    assert (line["event"], line["cost"], line["hint"]) == ("python_path", NATIVE_COST, NATIVE_HINT)


def test_the_python_path_on_request_is_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compiled: false` is somebody's decision."""
    assert reported(settings(tmp_path, compiled=False)) == ("python", "python", [])
    monkeypatch.setenv("SHIPPER_COMPILED", "false")
    assert finding(tmp_path)["what"] == "Python, as configured (compiled: false)"
    assert finding(tmp_path)["grade"] == "ok"


@needs_extension
@pytest.mark.parametrize("version", [None, 0, fast_path.INTERFACE + 1])
def test_an_extension_of_another_version_is_declined_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int | None
) -> None:
    """Its classes may have other arguments, which would fail while lines are read; one without a version is older."""
    if version is None:
        monkeypatch.delattr(fast_path.native, "INTERFACE")
    else:
        monkeypatch.setattr(fast_path.native, "INTERFACE", version)
    in_metrics, _, (line,) = reported(settings(tmp_path))
    assert in_metrics == "python"
    assert line["reason"] == "declined by the extension: the extension is of another version"


@needs_extension
def test_threads_are_as_many_as_configured_or_as_there_are_processors(tmp_path: Path) -> None:
    """At most four without a setting, and none beside the loop's own for one processor."""

    def number(**changes: int) -> int:
        agent = build_agent.agent(settings(tmp_path).model_copy(update=changes), Clock())
        agent.close()
        assert agent.tail.fast_chain is not None
        threads = agent.tail.fast_chain.threads
        return 1 if threads is None else threads.number

    assert number() == min(4, len(os.sched_getaffinity(0)))
    assert (number(threads=1), number(threads=7)) == (1, 7)
