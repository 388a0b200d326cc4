"""Searching the embedded store."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.times import parse_ms
from shipper.clock import Clock
from shipper.errors import StoreUnreadable
from shipper.outputs.local import LocalStore
from shipper.outputs.local_reader import LocalReader
from shipper.outputs.words import Wanted, folded, words
from shipper.ports import Document, Query

Make = Callable[..., Document]
DAY = "2026-11-23"


class Stopped(Clock):
    """A clock that stands."""

    def wall_ns(self) -> int:
        """Always the same."""
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


def numbers(reader: LocalReader, **terms: Any) -> list[int]:
    """Numbers of the documents that a search finds, in its order."""
    return [entry["log"]["offset"] for entry in reader.search(Query(**{"limit": None, **terms}))]


def test_entries_come_in_the_order_of_time_over_blocks_and_days(
    store: LocalStore, reader: LocalReader, make: Make
) -> None:
    """However late entries arrive, and in however many batches, a search tells them by their time."""
    days = ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
    expected = [*range(3000)]
    documents = [make(number, at=days[number // 1000]) for number in expected]
    for start in (2, 0, 1):
        store.write(documents[start::3][::-1])
    assert numbers(reader) == expected
    assert numbers(reader, newest_first=True) == expected[::-1]
    assert numbers(reader, newest_first=True, limit=3) == [2999, 2998, 2997]


def test_each_entry_says_where_it_is_stored(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """Beside the document stand its id and its index."""
    document = make(1, correlation_id="abc")
    store.write([document])
    (found,) = reader.search(Query(correlation_id="abc"))
    assert (found["_id"], found["_index"]) == (document.id.hex(), document.index)


def test_bounds_of_time_are_inclusive_and_exclusive(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """`since` is the first moment that is found, `until` the first that is not."""
    store.write([make(number) for number in range(10)])
    begin = parse_ms(f"{DAY}T10:00:00Z") or 0
    assert numbers(reader, since=begin + 3, until=begin + 6) == [3, 4, 5]
    assert numbers(reader, since=begin + 86_400_000) == []


def test_days_out_of_the_bounds_are_not_opened(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """A damaged file of another day does not stand in the way of a search that is not about it."""
    store.write([make(1)])
    (store.directory / "keneyapp-logs-2026.11.22.db").write_bytes(b"damaged" * 1000)
    assert numbers(reader, since=parse_ms(f"{DAY}T00:00:00Z")) == [1]
    with pytest.raises(StoreUnreadable, match=r"2026\.11\.22\.db"):
        numbers(reader)


def test_a_level_includes_the_more_severe_ones(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """Asking for warnings finds errors too; what applications call a level is understood."""
    levels = ("debug", "info", "warning", "error", "critical")
    store.write([make(number, level=level) for number, level in enumerate(levels)])
    assert numbers(reader, level="info") == [1, 2, 3, 4]
    assert numbers(reader, level="WARN") == [2, 3, 4]
    assert numbers(reader, level="critical") == [4]
    with pytest.raises(StoreUnreadable, match="no level"):
        numbers(reader, level="loud")


def test_a_container_is_named_by_name_service_or_beginning_of_its_id(
    store: LocalStore, reader: LocalReader, make: Make
) -> None:
    """All three are what people copy from elsewhere; a part of a name is none of them."""
    store.write(
        [make(1), make(2, extra={"name": "worker", "id": "4f5"}), make(3, provenance={"service": {"name": "worker"}})]
    )
    assert numbers(reader, container="worker") == [3]
    assert numbers(reader, container="backend") == [1, 2]
    assert numbers(reader, container="backend-1") == [1, 2, 3]
    assert numbers(reader, container="4f4f4f") == [1, 2, 3]
    assert numbers(reader, container="4f5") == []
    assert numbers(reader, container="back") == []


def test_terms_narrow_each_other(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """Every term must hold."""
    events = ("login_failed", "patient_created")
    store.write([make(n, event=events[n % 2], correlation_id=f"c-{n % 3}", message=f"w{n % 5} x") for n in range(600)])
    found = numbers(reader, event="login_failed", correlation_id="c-1", text="w2")
    assert found == [n for n in range(600) if n % 2 == 0 and n % 3 == 1 and n % 5 == 2]


def test_correlation_ids_of_equal_hash_are_told_apart(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """The index knows a hash; the document decides. These two collide under CRC-32."""
    store.write([make(1, correlation_id="plumless"), make(2, correlation_id="buckeroo")])
    assert numbers(reader, correlation_id="plumless") == [1]
    assert numbers(reader, correlation_id="buckeroo") == [2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("refused", [1, 2]),
        ("CONNECTION refused", [1, 2]),
        ('"connection refused"', [1]),
        ("patients/834", [3]),
        ("834/patients", []),
        ("muller", [4]),
        ("Müller", [4]),
        ("refuse", []),
        ("refused OR nothing", []),
        ('refused "', [1, 2]),
        ("refused * ( NEAR", []),
        ("refused * ( :", [1, 2]),
    ],
)
def test_text_means_words_and_quoted_phrases(
    store: LocalStore, reader: LocalReader, make: Make, text: str, expected: list[int]
) -> None:
    """All words must appear, quoted ones in their order; no character is an operator or an error."""
    store.write([
        make(1, message="Connection refused"),
        make(2, message="refused", error_message="the connection was closed"),
        make(3, message="read", path="/api/v1/patients/834"),
        make(4, message="Frau Müller"),
    ])  # fmt: skip
    assert numbers(reader, text=text) == expected


@given(st.text(max_size=40), st.data())
def test_every_word_of_a_text_finds_it(text: str, data: st.DataObject) -> None:
    """The full-text index never misses what the text holds, in whatever script."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE w USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii')")
    db.execute("INSERT INTO w (rowid, text) VALUES (1, ?)", (folded(text),))
    found = words(text)
    if found:
        wanted = Wanted.of(data.draw(st.sampled_from(found)))
        assert wanted.matches(text)
        match = " AND ".join(f'"{token}"' for token in wanted.tokens())
        assert db.execute("SELECT rowid FROM w WHERE w MATCH ?", (match,)).fetchall() == [(1,)]
    db.close()


def test_a_missing_store_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    """A wrong path is told from a quiet day."""
    with pytest.raises(StoreUnreadable, match="none") as error:
        LocalReader(tmp_path / "none").search(Query())
    assert "--output" in error.value.cure
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
    """Where not even SQLite's shared memory can be made, what was stored is still found."""
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


def refused(make: Make, number: int, kind: str = "correlation_id_missing") -> Document:
    """A quarantined document."""
    reasons = [{"kind": kind, "detail": "none"}]
    return make(number, prefix="keneyapp-quarantine", reasons=reasons, raw="x", index="keneyapp-logs-2026.11.23")


def test_quarantine_lists_what_was_not_released(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """The oldest first, narrowed by reason; the main index does not hold them."""
    store.write([refused(make, 2), refused(make, 1, "json_invalid"), refused(make, 3), make(4)])
    assert [entry["log"]["offset"] for entry in reader.quarantine()] == [1, 2, 3]
    assert [entry["log"]["offset"] for entry in reader.quarantine(reason="json_invalid")] == [1]
    assert [entry["log"]["offset"] for entry in reader.quarantine(limit=2)] == [1, 2]
    assert numbers(reader) == [4]


def test_release_moves_an_entry_into_its_main_index_once(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """The document is there, the quarantine lists it no more, and doing it again changes nothing."""
    entry = refused(make, 1)
    store.write([entry])
    for _ in range(2):
        reader.release(entry.index, entry.id.hex(), make(1, message="released"))
        assert [found["message"] for found in reader.search(Query())] == ["released"]
        assert list(reader.quarantine()) == []


def test_a_release_cut_short_is_completed_by_the_next(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """Where the document is stored and the mark is missing, releasing again doubles nothing."""
    entry = refused(make, 1)
    store.write([entry, make(1)])
    reader.release(entry.index, entry.id.hex(), make(1))
    assert numbers(reader) == [1]
    assert list(reader.quarantine()) == []


def test_a_refused_entry_stays_released_when_it_comes_again(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """A replay of the same log does not bring a released entry back into the list."""
    entry = refused(make, 1)
    store.write([entry])
    reader.release(entry.index, entry.id.hex(), make(1))
    store.write([entry])
    assert list(reader.quarantine()) == []


def test_releasing_what_is_not_there_is_an_error(store: LocalStore, reader: LocalReader, make: Make) -> None:
    """A wrong id or index is named, and no file is made for it."""
    store.write([refused(make, 1)])
    with pytest.raises(StoreUnreadable, match="holds no keneyapp-quarantine-2020"):
        reader.release("keneyapp-quarantine-2020.01.01", "00" * 20, make(1))
    with pytest.raises(StoreUnreadable, match="holds no entry"):
        reader.release("keneyapp-quarantine-2026.11.23", "00" * 20, make(1))
    assert not (store.directory / "keneyapp-quarantine-2020.01.01.db").exists()
