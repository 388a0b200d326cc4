"""A state with any byte changed is rejected, or holds exactly what was committed, never anything in between."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.state.checkpoint import Position, SavedFile, SavedLog
from shipper.state.database import FILE, VERSION
from shipper.state.integrity import MARK
from shipper.state.store import State
from shipper.system.errors import StateError
from shipper_schemas.metrics import SeriesKey

COMMITS = 12
JOURNAL = f"{FILE}-journal"
TOUCHED = (FILE, JOURNAL, MARK)


def saved(number: int, position: int) -> SavedLog:
    """Return a log with two files, in the middle of an entry, with its ship cursor behind."""
    files = [
        SavedFile(key, f"/l/{number}.{key}", 1, 2, 64, b"p" * 16, position, b"s" * 16, 0, True, False) for key in (1, 2)
    ]
    behind = Position(1, position // 2, b"half an entry")
    return SavedLog(f"/l/{number}", "docker", b"{}", Position(2, position, b""), behind, 3, b"\x80", files)


def written(directory: Path) -> None:
    """Write a state of several commits, as a kill in the middle of another one leaves it."""
    with closing(State(directory.with_name("alive"))) as state:
        for commit in range(1, COMMITS + 1):
            key: SeriesKey = ("logins_total", (f"service-{commit % 5}",))
            state.commit(
                [saved(number, commit * 10 + number) for number in range(3)], [], {key: float(commit)}, {key: 1.0}
            )
        state._db.execute("PRAGMA cache_size=1")  # changed pages reach the disk before the commit
        state._db.execute("BEGIN IMMEDIATE")
        state._db.execute("UPDATE log SET count_offset = 0")
        state._db.execute("DELETE FROM series")
        state._db.executemany("INSERT INTO problem VALUES (?, zeroblob(2000))", [(str(row),) for row in range(100)])
        shutil.copytree(state.directory, directory)
        state._db.execute("ROLLBACK")


def content(state: State) -> object:
    """Return everything that a state restores."""
    return state.logs(), state.series()


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Path]:
    """Yield the state before any damage."""
    written(tmp_path / "original")
    yield tmp_path / "original"
    shutil.rmtree(tmp_path)


def damaged(original: Path, name: str, offset: int, change: int) -> Path:
    """Return a copy with one byte changed."""
    copy = original.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)
    content = bytearray((copy / name).read_bytes())
    content[offset] ^= change
    (copy / name).write_bytes(content)
    return copy


def flips(original: Path, number: int) -> Iterator[tuple[str, int, int]]:
    """Yield file, offset and change; half of the changes are in headers."""
    chance = random.Random(7)
    for _ in range(number):
        name = chance.choice(TOUCHED)
        size = (original / name).stat().st_size
        yield name, chance.randrange(min(size, chance.choice([128, size]))), chance.randrange(1, 256)


@pytest.mark.parametrize("number", [60, pytest.param(1500, marks=pytest.mark.integration)])
def test_any_changed_byte_is_refused_or_changes_nothing(original: Path, number: int) -> None:
    """In the database, its journal or the mark; a state that is accepted can be written."""
    with closing(State(shutil.copytree(original, original.with_name("whole")))) as whole:
        expected = content(whole)
    refused: list[StateError] = []
    for flip in flips(original, number):
        copy = damaged(original, *flip)
        try:
            state = State(copy)
        except StateError as error:
            refused.append(error)
            continue
        with closing(state):
            assert content(state) == expected, flip
            state.commit([], [], {("more_total", ()): 1.0}, {("more_total", ()): 1.0})
        State(copy).close()
    assert number * 0.2 < len(refused) < number
    hints = ("from a backup", "run the shipper version that wrote it")
    assert all(str(original.with_name("copy")) in error.what for error in refused)
    assert all(any(hint in error.hint for hint in hints) for error in refused)


def test_a_changed_value_in_a_row_is_refused(original: Path) -> None:
    """SQLite accepts another number in its place."""
    State(original).close()
    with closing(sqlite3.connect(original / FILE)) as db, db:
        db.execute("UPDATE series SET value = value + 1 WHERE labels = '[\"service-1\"]'")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(
        StateError, match=r"rows differ from the last commit\n.*from a backup, or start with an empty state: `mv"
    ):
        State(original)


def test_a_row_that_is_gone_or_was_added_is_refused(original: Path) -> None:
    """A log missing from the state would be read from its beginning and counted twice."""
    State(original).close()
    for change in ("DELETE FROM log WHERE path = '/l/1'", "DELETE FROM file WHERE key = 1", "DELETE FROM series"):
        copy = shutil.copytree(original, original.with_name("changed"))
        with closing(sqlite3.connect(copy / FILE)) as db, db:
            db.execute(change)
        with pytest.raises(StateError, match="rows differ from the last commit"):
            State(copy)
        shutil.rmtree(copy)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.3, 0.5, 0.9])
def test_a_journal_that_lost_its_end_is_refused_or_was_not_needed(original: Path, kept: float) -> None:
    """The transaction that was under way cannot be rolled back any more; its pages stand in the first part."""
    with closing(State(shutil.copytree(original, original.with_name("whole")))) as whole:
        expected = content(whole)
    journal = original / JOURNAL
    journal.write_bytes(journal.read_bytes()[: int(journal.stat().st_size * kept)])
    if kept < 0.2:
        with pytest.raises(StateError, match=r"cannot read state .*\n.*from a backup"):
            State(original)
        return
    try:
        state = State(original)
    except StateError:
        return
    with closing(state):
        assert content(state) == expected


def test_a_state_older_than_its_mark_is_refused(original: Path, tmp_path: Path) -> None:
    """Reported counters would go back without an error."""
    State(original).close()
    shutil.copy(original / FILE, tmp_path / "older")
    with closing(State(original)) as state:
        state.commit([], [], {("more_total", ()): 1.0}, {("more_total", ()): 1.0})
    shutil.copy(tmp_path / "older", original / FILE)
    with pytest.raises(StateError, match=rf"older than its last commit.*records commit {COMMITS + 1}\n.*from a backup"):
        State(original)
    (original / MARK).unlink()  # as the message says, to accept the state as it is
    State(original).close()


def test_a_copy_of_the_directory_is_taken(original: Path) -> None:
    """This is the hint of the error; an older copy is accepted too."""
    with closing(State(original)) as state:
        before = content(state)
    copy = shutil.copytree(original, original.with_name("older"))
    with closing(State(original)) as state:
        state.commit([saved(1, 9000)], ["/l/2"], {("more_total", ()): 1.0}, {("more_total", ()): 1.0})
    shutil.rmtree(original)
    with closing(State(copy.rename(original))) as state:
        assert content(state) == before


def test_a_state_moved_aside_starts_empty(original: Path) -> None:
    """This is the other hint: the files left beside the database do not prevent a new start."""
    (original / FILE).rename(original / "state.db.damaged")
    with closing(State(original)) as state:
        assert content(state) == ({}, ({}, {}))
        state.commit([saved(1, 10)], [], {}, {})
    State(original).close()


@pytest.mark.parametrize("version", [VERSION + 1, VERSION + 40])
def test_a_state_of_another_version_is_refused_and_left_as_it_is(original: Path, version: int) -> None:
    """Its rows would be misread; the shipper that wrote it can still open it."""
    with closing(sqlite3.connect(original / FILE)) as db:
        db.execute(f"PRAGMA user_version={version}")
    for _ in range(2):
        with pytest.raises(
            StateError, match=rf"has version {version}; this shipper needs version {VERSION}"
        ) as refused:
            State(original)
        assert "move the directory away" in refused.value.hint
    with closing(sqlite3.connect(original / FILE)) as db:
        db.execute(f"PRAGMA user_version={VERSION}")
    with closing(State(original)) as state:
        assert content(state) != ({}, ({}, {}))


def test_a_file_that_a_log_has_no_more_is_forgotten(tmp_path: Path) -> None:
    """Even if older and younger files remain: after a restart it would be taken for an unfinished file."""
    log = saved(1, 10)
    gone = SavedLog(*(getattr(log, name) for name in SavedLog.__slots__))
    gone.files[:] = [*log.files, SavedFile(3, "/l/1.3", 1, 2, 64, b"p", 1, b"s", 0, True, False)]
    with closing(State(tmp_path / "state")) as state:
        state.commit([gone], [], {}, {})
        del gone.files[1]
        state.commit([gone], [], {}, {})
    with closing(State(tmp_path / "state")) as state:
        assert [file.key for file in state.logs()["/l/1"].files] == [1, 3]
