"""Searching the embedded store."""

import os
import sqlite3
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.model.text_search import TextQuery, folded, words
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.clock import Clock
from shipper.system.errors import StoreUnreadable
from shipper_processors.times import parse_ms
from tests.outputs.contract import DAY, ReaderContract, numbers, refused

Make = Callable[..., Document]


class Stopped(Clock):
    """A clock that is stopped."""

    def wall_ns(self) -> int:
        """Always the same time."""
        return 1_795_428_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    """An empty store."""
    opened = LocalStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def reader(store: LocalStore) -> Iterator[LocalReader]:
    """Its reading side."""
    opened = LocalReader(store.directory, clock=Stopped())
    yield opened
    opened.close()


def test_whoever_logs_cannot_have_a_search_hold_all_of_a_day(
    store: LocalStore, reader: LocalReader, make: Make
) -> None:
    """An entry of a later time in each batch makes all others wait: results are in order, and not all in memory."""
    size, batches = 255, 24
    for batch in range(batches):
        late = make(9000 + batch, at=f"{DAY}T23:00:00Z")
        store.write([late, *(make(batch * size + number, message="x" * 5000) for number in range(size))])
    everything = [*range(batches * size), *range(9000, 9000 + batches)]
    assert numbers(reader) == everything
    tracemalloc.start()
    try:
        assert numbers(reader, newest_first=True, limit=100) == everything[:-101:-1]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000


@pytest.mark.parametrize("body", [b'{"message":"', b"[]", b"", b"\xff"])
def test_a_damaged_entry_is_told_with_the_file_that_holds_it(
    store: LocalStore, reader: LocalReader, make: Make, body: bytes
) -> None:
    """SQLite does not detect a changed byte in a row."""
    store.write([make(1), make(2)])
    store.close()
    (path,) = store.directory.glob("*.db")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entry SET body = ? WHERE seq = 2", (body,))
    db.close()
    with pytest.raises(StoreUnreadable, match=r"\.db is damaged") as error:
        list(reader.search(Query()))
    assert "mv " in error.value.hint


def test_days_out_of_the_bounds_are_not_opened(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """A damaged file of another day does not affect a search of other days."""
    store.write([make(1)])
    (store.directory / "keneyapp-logs-2026.11.22.db").write_bytes(b"damaged" * 1000)
    assert numbers(reader, since=parse_ms(f"{DAY}T00:00:00Z")) == [1]
    with pytest.raises(StoreUnreadable, match=r"2026\.11\.22\.db"):
        numbers(reader)


@given(st.text(max_size=40), st.data())
def test_every_word_of_a_text_finds_it(text: str, data: st.DataObject) -> None:
    """The full-text index never misses a word of the text, in any script."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE w USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii')")
    db.execute("INSERT INTO w (rowid, text) VALUES (1, ?)", (folded(text),))
    tokens = words(text)
    if tokens:
        wanted = TextQuery.of(data.draw(st.sampled_from(tokens)))
        assert wanted.matches(text)
        match = " AND ".join(f'"{token}"' for token in wanted.tokens())
        assert db.execute("SELECT rowid FROM w WHERE w MATCH ?", (match,)).fetchall() == [(1,)]
    db.close()


def test_a_missing_store_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    """A wrong path is an error, not an empty result."""
    with pytest.raises(StoreUnreadable, match="none") as error:
        LocalReader(tmp_path / "none").search(Query())
    assert "--output" in error.value.hint
    assert list(LocalReader(tmp_path).search(Query())) == []
    assert list(LocalReader(tmp_path).quarantine()) == []


def test_reading_leaves_a_closed_store_as_it_was(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """A search changes no byte of the day files."""
    store.write([make(1)])
    store.close()
    before = {path.name: path.read_bytes() for path in store.directory.glob("*.db")}
    assert numbers(reader) == [1]
    assert {path.name: path.read_bytes() for path in store.directory.glob("*.db")} == before


def test_a_store_on_a_read_only_medium_can_be_searched(make: Make) -> None:
    """Entries are found even if nothing can be created beside them."""
    with tempfile.TemporaryDirectory() as name:
        store = LocalStore(Path(name))
        store.write([make(1)])
        store.close()
        (path,) = Path(name).iterdir()
        path.chmod(0o444)
        Path(name).chmod(0o555)
        effective = os.geteuid()
        try:
            if effective == 0:
                os.seteuid(65534)
            assert numbers(LocalReader(Path(name))) == [1]
        finally:
            os.seteuid(effective)
            Path(name).chmod(0o700)


def test_releasing_what_is_not_there_is_an_error(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """The error names a wrong id or index, and no file is created for it."""
    store.write([refused(make, 1)])
    with pytest.raises(StoreUnreadable, match="no index keneyapp-quarantine-2020"):
        reader.release("keneyapp-quarantine-2020.01.01", "00" * 20, make(1))
    with pytest.raises(StoreUnreadable, match="no entry"):
        reader.release("keneyapp-quarantine-2026.11.23", "00" * 20, make(1))
    assert not (store.directory / "keneyapp-quarantine-2020.01.01.db").exists()


class TestLocalReader(ReaderContract):
    """Over the embedded store."""


class Slow(Clock):
    """A clock on which each reading takes 0.4 seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """0.4 seconds later than before."""
        self.now += 0.4
        return self.now


def test_counting_the_quarantine_ends_after_a_second(store: LocalStore, make: Make) -> None:
    """A search does not wait for a count over a large quarantine: it reports that there may be more."""
    store.write([refused(make, number, level="info") for number in range(256 * 5)])
    store.write([refused(make, 256 * 5, level="error", raw="rare")])
    matches = LocalReader(store.directory, clock=Slow()).matching_quarantine(Query(container="nowhere"))
    assert matches == (0, False, ())
    found = LocalReader(store.directory, clock=Slow()).matching_quarantine(Query(level="error"))
    assert found == (1, True, (("correlation_id_missing", 1),))


def test_a_quarantine_that_does_not_exist_yet_has_no_matches(store: LocalStore, make: Make) -> None:
    """A store without quarantined entries is searched as usual."""
    store.write([make(1)])
    assert LocalReader(store.directory).matching_quarantine(Query()) == (0, True, ())
