"""Upgrades of a state from an earlier version of its schema, each in one transaction, with a copy kept beside it.

A step back: stop the agent, put the copy in place of the state and remove the mark beside it. Counters return to their
values before the upgrade, and later lines are read again, under the ids that they have.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from shipper.state.integrity import Seal, sealed_parts
from shipper.system import sqlite_files
from shipper.system.private_dirs import sync_folder

STEPS = {
    1: (
        "ALTER TABLE log ADD COLUMN boot BLOB NOT NULL DEFAULT x''",
        "ALTER TABLE file ADD COLUMN landmarks BLOB NOT NULL DEFAULT x''",
        "ALTER TABLE file ADD COLUMN time BLOB NOT NULL DEFAULT x''",
    ),
}
"""Statements that lead from a version to the next one."""


def copy_path(path: Path, version: int) -> Path:
    """Return the path of the copy of a state before its upgrade from `version`."""
    return path.with_name(f"{path.name}.version-{version}")


def upgrade(db: sqlite3.Connection, path: Path, version: int) -> int:
    """Upgrade an open state as far as there are steps, and return its version then.

    Raises sqlite3.Error, also for a state that its seal does not match, or OSError; then nothing is changed.
    """
    while version in STEPS:
        if not _is_sound(db):
            raise sqlite3.DatabaseError("its rows differ from the last commit")
        _keep_copy(db, copy_path(path, version))
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in STEPS[version]:
                db.execute(statement)
            ((commits,),) = db.execute("SELECT commits FROM seal").fetchall()
            db.execute("UPDATE seal SET value = ?", (Seal(dict(sealed_parts(db)), commits).value(),))
            version += 1
            db.execute(f"PRAGMA user_version={version}")
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    return version


def _is_sound(db: sqlite3.Connection) -> bool:
    ((commits, value),) = db.execute("SELECT commits, value FROM seal").fetchall()
    return bool(Seal(dict(sealed_parts(db)), commits).value() == value)


def _keep_copy(db: sqlite3.Connection, path: Path) -> None:
    """Copy the state, whole before it takes its name."""
    sqlite_files.require_room(path.parent)
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(draft)) as copy:
            db.backup(copy)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.rename(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)
