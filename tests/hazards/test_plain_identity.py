"""Plain logs: two of them stay distinct however they begin, and a file that moves keeps its first identity."""

import json
from pathlib import Path

import pytest

from shipper.inputs.files.container_metadata import plain_identity
from shipper.inputs.files.tailer import Input
from shipper_schemas.entry import Origin
from tests.hazards.rig import Rig

SAME = b"started\nlistening\nready\n"


def rig_of(folder: Path) -> Rig:
    """Return a rig for plain logs in separate folders."""
    return Rig(folder, kind="plain", glob="*/*.log")


def place(rig: Rig, folder: str) -> Path:
    """Return the path of a log in a folder, which is created."""
    path = rig.logs / folder / "app.log"
    path.parent.mkdir(exist_ok=True)
    return path


def stored(rig: Rig) -> int:
    """Return the number of stored documents after all waiting times: for a rotated file, and for an unfinished entry."""
    rig.drain()
    rig.drain()
    return len(rig.output.stored)


def saved_identity(rig: Rig, path: Path) -> str:
    """Return a log's identity as saved in the state."""
    assert rig.agent is not None
    return str(json.loads(rig.agent.state.logs()[str(path)].origin)["source"])


def test_logs_in_two_folders_that_hold_the_same_are_two(tmp_path: Path) -> None:
    """Six documents of three lines in each: a base name is not an identity."""
    rig = rig_of(tmp_path)
    rig.write(SAME, place(rig, "a"))
    rig.write(SAME, place(rig, "b"))
    assert stored(rig) == 6
    rig.stop()


def test_a_rotated_file_keeps_the_identity_of_its_log(tmp_path: Path) -> None:
    """Under its new name it gives no other events, also after a restart."""
    rig = rig_of(tmp_path)
    rig.path = place(rig, "a")
    rig.write(SAME)
    rig.drain()
    rig.rotate()
    rig.write(SAME + b"again\n")
    assert stored(rig) == 7
    rig.kill()
    rig.rotate(compress=True)
    assert stored(rig) == 7
    rig.stop()


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("rotated", [False, True])
def test_a_log_that_moves_keeps_its_identity(tmp_path: Path, *, restarts: bool, rotated: bool) -> None:
    """Its folder is renamed while an agent runs or between two: lines read again have the same ids."""
    rig = rig_of(tmp_path)
    first = rig.path = place(rig, "a")
    if rotated:  # the moved file is then distinguished from an older one with the same beginning
        rig.write(SAME)
        rig.drain()
        rig.rotate()
    rig.write(SAME)
    before = stored(rig)
    if restarts:
        rig.kill()
    for old in first.parent.glob("app.log.*"):
        old.unlink()
    first.parent.rename(rig.logs / "moved")
    rig.path = place(rig, "moved")
    assert stored(rig) == before
    rig.write(b"more\n")
    assert stored(rig) == before + 1
    assert saved_identity(rig, rig.path) == plain_identity("node-1", str(first))
    rig.stop()


def test_a_new_log_in_the_place_of_one_that_moved_is_another(tmp_path: Path) -> None:
    """It begins like the moved one, which kept the identity of the path: no line of it is lost."""
    rig = rig_of(tmp_path)
    first = place(rig, "a")
    rig.write(SAME, first)
    rig.drain()
    first.parent.rename(rig.logs / "moved")
    assert stored(rig) == 3
    rig.write(SAME, place(rig, "a"))
    assert stored(rig) == 6
    rig.kill()
    rig.write(b"more\n", first)
    assert stored(rig) == 7
    rig.stop()


class _Renamed(Rig):
    """The same node under another host name."""

    def _origin(self, path: str, real: str) -> Origin:
        return Origin(real, plain_identity("renamed", real), service="backend", host="renamed")


def test_a_host_that_is_renamed_keeps_the_identities_of_its_logs(tmp_path: Path) -> None:
    """After a restart and after a reload identities stay, while documents show the new name."""
    rig = rig_of(tmp_path)
    path = place(rig, "a")
    rig.write(SAME, path)
    rig.drain()
    rig.kill()
    rig.__class__ = _Renamed
    rig.write(b"more\n", path)
    assert stored(rig) == 4
    assert saved_identity(rig, path) == plain_identity("node-1", str(path))
    assert [body["host"]["name"] for body in rig.output.stored.values()] == ["node-1"] * 3 + ["renamed"]
    assert rig.agent is not None
    (source,) = rig.agent.tail.inputs
    rig.agent.tail.follow([Input(source.kind, source.scanner, lambda _, real: Origin(real, "another"), False)])
    assert [log.source.origin.source for log in rig.agent.tail.logs.values()] == [plain_identity("node-1", str(path))]
    rig.stop()
