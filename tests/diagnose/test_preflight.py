"""Checks of the state give the hint of a start: one that sends to another command leads people in a circle."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from shipper.config.settings import InputSettings, Settings
from shipper.diagnose.preflight import Finding, _files, _pods, _state, examine
from shipper.inputs.files.watches import FileSystems
from shipper.state.database import FILE, open_read_only
from shipper.state.store import State
from shipper.system.errors import StateError


def broken_state(directory: Path, damage: str) -> Path:
    """Return a state directory that a start rejects."""
    State(directory).close()
    if damage == "version":
        with closing(sqlite3.connect(directory / FILE)) as db:
            db.execute("PRAGMA user_version = 99")
    elif damage == "no table":
        with closing(sqlite3.connect(directory / FILE)) as db:
            db.execute("DROP TABLE log")
    else:
        (directory / FILE).write_bytes(b"hello" * 500)
    return directory


@pytest.mark.parametrize("damage", ["version", "text", "no table"])
def test_the_check_gives_the_hint_of_a_start(tmp_path: Path, damage: str) -> None:
    """Text and hint for another version and for damage."""
    directory = broken_state(tmp_path / "state", damage)
    (finding,) = _state(directory, running=False)
    with pytest.raises(StateError) as start:
        State(directory)
    assert finding.grade == "problem"
    assert finding.hint == start.value.hint
    assert damage != "version" or finding.what == start.value.what


@pytest.mark.parametrize("damage", ["version", "text"])
def test_a_reader_gets_the_error_of_a_start(tmp_path: Path, damage: str) -> None:
    """Also for `shipper status` and `shipper top`, whose columns another version may not have."""
    directory = broken_state(tmp_path / "state", damage)
    with pytest.raises(StateError) as start:
        State(directory)
    with pytest.raises(StateError) as reading, open_read_only(directory):
        pass
    assert str(reading.value) == str(start.value)


def test_an_empty_state_is_left_to_the_agent(tmp_path: Path) -> None:
    """A first start that was killed leaves one; only the agent's lock shows if it was empty from the beginning."""
    (tmp_path / FILE).touch()
    (finding,) = _state(tmp_path, running=False)
    assert (finding.grade, "start the agent" in finding.hint) == ("problem", True)


def test_a_state_that_a_start_accepts_is_accepted(tmp_path: Path) -> None:
    """With the number of its logs."""
    State(tmp_path).close()
    assert list(_state(tmp_path, running=False)) == [Finding("ok", "state", "checkpoints of 0 logs")]


@pytest.mark.parametrize("kind", ["cri", "plain"])
def test_a_wrong_input_type_is_a_problem(tmp_path: Path, kind: Literal["cri", "plain"]) -> None:
    """The check names the first file, the number of the others and the type that fits."""
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text('{"log":"x\\n","stream":"stdout","time":"2026-11-23T10:00:00.1Z"}\n')
    (finding,) = _files(InputSettings(type=kind, glob=f"{tmp_path}/*.log"), notify=False)
    assert finding.grade == "problem"
    assert f"{tmp_path}/a.log" in finding.what
    assert "1 more" in finding.what
    assert "`docker:`" in finding.hint
    (right,) = _files(InputSettings(type="docker", glob=f"{tmp_path}/*.log"), notify=False)
    assert right.grade == "ok"


def test_metadata_of_pods_that_cannot_be_read_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a pod, and without an API server; nothing is checked where it is off."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert list(_pods(Settings())) == []
    (outside,) = _pods(Settings.model_validate({"kubernetes": {"metadata": True}}))
    assert (outside.grade, "kubernetes.url" in outside.hint) == ("problem", True)
    (silent,) = _pods(Settings.model_validate({"kubernetes": {"metadata": True, "url": "http://127.0.0.1:9"}}))
    assert (silent.grade, silent.what.startswith("cannot read pods from http://127.0.0.1:9")) == ("problem", True)


@pytest.mark.parametrize(("notify", "said"), [(True, "1 file, changes reported by inotify"), (False, "tail.notify")])
def test_an_input_says_how_its_changes_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, notify: bool, said: str
) -> None:
    """And why, if they are polled."""
    monkeypatch.setattr(FileSystems, "of", lambda _self, _folder: "ext4")
    (tmp_path / "app.log").touch()
    settings = Settings(
        inputs=[f"plain:{tmp_path}/*.log"], state_dir=tmp_path / "state", output=f"local:{tmp_path}/store",
        tail={"notify": notify},
    )  # fmt: skip
    (text,) = [found.what for found in examine(settings) if found.subject.startswith("input")]
    assert said in text
