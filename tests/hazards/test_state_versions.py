"""A state of an earlier version goes on where it was, and a copy of it is kept."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from shipper.state.database import VERSION
from shipper.state.integrity import Seal, sealed_parts
from shipper.state.store import State
from shipper.system.errors import StateError
from tests.hazards.rig import Rig

LATER = {"log": ["boot"], "file": ["landmarks", "time"]}
"""Columns that version 1 does not have."""


def set_back(state: Path) -> None:
    """Give a state the schema of version 1."""
    with closing(sqlite3.connect(state / "state.db", isolation_level=None)) as db:
        for table, columns in LATER.items():
            for column in columns:
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        ((commits,),) = db.execute("SELECT commits FROM seal").fetchall()
        db.execute("UPDATE seal SET value = ?", (Seal(dict(sealed_parts(db)), commits).value(),))
        db.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize("kind", ["docker", "plain"])
def test_a_state_of_version_1_is_upgraded(tmp_path: Path, kind: str) -> None:
    """Offsets and counters stay, also if the file has a new inode by then; the copy is the state before."""
    rig = Rig(tmp_path, kind=kind)
    rig.write(rig.lines(5))
    rig.drain()
    rig.kill()
    set_back(tmp_path / "state")
    before = (tmp_path / "state" / "state.db").read_bytes()
    copy = rig.path.with_name("copy.tmp")
    copy.write_bytes(rig.path.read_bytes())
    copy.replace(rig.path)
    rig.write(rig.lines(2))
    rig.drain()
    assert rig.serials() == list(range(1, 8))
    assert rig.counter("shipper_lines_read_total") == 7
    rig.stop()
    kept = tmp_path / "state" / "state.db.version-1"
    assert kept.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert len(before) == len(kept.read_bytes())


def test_a_damaged_state_of_version_1_is_not_upgraded(tmp_path: Path) -> None:
    """Its seal is compared before it is made for the new rows."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(5))
    rig.drain()
    rig.kill()
    set_back(tmp_path / "state")
    with closing(sqlite3.connect(tmp_path / "state" / "state.db")) as db:
        db.execute("UPDATE file SET offset = offset + 1")
        db.commit()
    with pytest.raises(StateError, match="rows differ from the last commit"):
        State(tmp_path / "state")


def test_a_step_back_is_the_command_of_the_hint(tmp_path: Path) -> None:
    """An agent on the state of a newer one names the copy that the upgrade kept, and goes on from it."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(5))
    rig.drain()
    rig.stop()
    state = tmp_path / "state" / "state.db"
    copy = state.with_name(f"state.db.version-{VERSION}")
    copy.write_bytes(state.read_bytes())
    with closing(sqlite3.connect(state, isolation_level=None)) as db:
        db.execute("ALTER TABLE log ADD COLUMN of_tomorrow")
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StateError, match="run the shipper version that wrote it, or step back") as refused:
        State(tmp_path / "state")
    command = str(refused.value).split("`")[1]
    subprocess.run(command, shell=True, check=True)
    rig.write(rig.lines(2))
    rig.drain()
    assert rig.serials() == list(range(1, 8))
    assert rig.counter("shipper_lines_read_total") == 7
    rig.stop()
