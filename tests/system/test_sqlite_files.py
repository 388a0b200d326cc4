"""Databases are made whole or not at all, and files of earlier versions and of killed writers can be opened."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shipper.system import sqlite_files
from shipper.system.sqlite_files import SUFFIXES, create, open_to_read, open_to_write


def one_table(db: sqlite3.Connection) -> None:
    """Create a table with one row."""
    db.executescript("BEGIN; CREATE TABLE t (n); INSERT INTO t VALUES (1); COMMIT;")


def rows(db: sqlite3.Connection) -> list[int]:
    """Return what the table holds."""
    return [number for (number,) in db.execute("SELECT n FROM t ORDER BY n")]


def of_version_before(path: Path) -> None:
    """Leave a database in WAL mode with a row that is only in its log, as a killed process does."""
    source = path.with_name("source.db")
    with closing(sqlite3.connect(source)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1);")
        for suffix in SUFFIXES:
            if (file := source.with_name(source.name + suffix)).exists():
                shutil.copy(file, path.with_name(path.name + suffix))


def test_a_database_in_wal_mode_is_converted_by_its_next_writer(tmp_path: Path) -> None:
    """Its rows stay, and nothing is mapped into memory from then on."""
    path = tmp_path / "a.db"
    of_version_before(path)
    with closing(open_to_read(path)) as db:
        assert rows(db) == [1]
    with closing(open_to_write(path)) as db:
        db.execute("INSERT INTO t VALUES (2)")
        assert not list(tmp_path.glob("a.db-[ws]*"))
        with closing(open_to_read(path)) as reader:
            assert rows(reader) == [1, 2]


def test_a_failed_creation_leaves_nothing(tmp_path: Path) -> None:
    """Neither the database nor its draft."""
    with pytest.raises(sqlite3.OperationalError):
        create(tmp_path / "a.db", lambda db: db.execute("CREATE nonsense"))  # type: ignore[arg-type, return-value]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_refuses_a_new_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written."""
    monkeypatch.setattr(sqlite_files, "ROOM", 1 << 62)
    with pytest.raises(OSError, match="KiB free"):
        create(tmp_path / "a.db", one_table)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_rolls_back_what_a_killed_writer_left(tmp_path: Path) -> None:
    """A search works although no agent has opened the file since."""
    alive, path = tmp_path / "alive.db", tmp_path / "a.db"
    create(alive, one_table)
    with closing(open_to_write(alive)) as db:
        db.execute("PRAGMA cache_size=1")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE t SET n = 7")
        db.executemany("INSERT INTO t VALUES (zeroblob(?))", [(2000,)] * 100)
        for suffix in ("", "-journal"):
            shutil.copy(alive.with_name(alive.name + suffix), path.with_name(path.name + suffix))
    with closing(open_to_read(path)) as db:
        assert rows(db) == [1]
