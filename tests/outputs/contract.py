"""The search contract of every store: each store's test module runs all of it."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.outputs.base import Reader
from shipper.system.errors import StoreUnreadable
from shipper_processors.times import parse_ms

Make = Callable[..., Document]
DAY = "2026-11-23"


class Store(Protocol):
    """The writing side that the tests use."""

    def write(self, documents: Sequence[Document]) -> object:
        """Store all documents, searchable immediately."""


def numbers(reader: Reader, **terms: Any) -> list[int]:
    """Numbers of the documents in a search's results, in order."""
    return [entry["log"]["offset"] for entry in reader.search(Query(**{"limit": None, **terms}))]


def refused(make: Make, number: int, kind: str = "correlation_id_missing", **fields: Any) -> Document:
    """A quarantined document."""
    fields = {"reasons": [{"kind": kind, "detail": "none"}], "raw": "x", **fields}
    return make(number, prefix="keneyapp-quarantine", index="keneyapp-logs-2026.11.23", **fields)


def in_quarantine(reader: Reader, **terms: Any) -> int:
    """Number of quarantined entries that match a search."""
    matches = reader.matching_quarantine(Query(**terms))
    assert matches.complete
    return matches.number


class ReaderContract:
    """The test module provides the fixtures `store`, `reader` and `make`."""

    def test_entries_come_in_the_order_of_time_over_blocks_and_days(
        self, store: Store, reader: Reader, make: Make
    ) -> None:
        """Results are in order of time, regardless of arrival and batches."""
        days = ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
        expected = [*range(3000)]
        documents = [make(number, at=days[number // 1000]) for number in expected]
        for start in (2, 0, 1):
            store.write(documents[start::3][::-1])
        assert numbers(reader) == expected
        assert numbers(reader, newest_first=True) == expected[::-1]
        assert numbers(reader, newest_first=True, limit=3) == [2999, 2998, 2997]

    def test_each_entry_says_where_it_is_stored(self, store: Store, reader: Reader, make: Make) -> None:
        """A result includes the id and the index of the document."""
        document = make(1, correlation_id="abc")
        store.write([document])
        (entry,) = reader.search(Query(correlation_id="abc"))
        assert (entry["_id"], entry["_index"]) == (document.id.hex(), document.index)

    def test_bounds_of_time_are_inclusive_and_exclusive(self, store: Store, reader: Reader, make: Make) -> None:
        """`since` is inclusive, `until` is exclusive."""
        store.write([make(number) for number in range(10)])
        begin = parse_ms(f"{DAY}T10:00:00Z") or 0
        assert numbers(reader, since=begin + 3, until=begin + 6) == [3, 4, 5]
        assert numbers(reader, since=begin + 86_400_000) == []

    def test_a_level_includes_the_more_severe_ones(self, store: Store, reader: Reader, make: Make) -> None:
        """A search for warnings finds errors too; aliases of levels are accepted."""
        levels = ("debug", "info", "warning", "error", "critical")
        store.write([make(number, level=level) for number, level in enumerate(levels)])
        assert numbers(reader, level="info") == [1, 2, 3, 4]
        assert numbers(reader, level="WARN") == [2, 3, 4]
        assert numbers(reader, level="critical") == [4]
        with pytest.raises(StoreUnreadable, match="invalid level"):
            numbers(reader, level="loud")

    def test_a_container_is_named_by_name_service_or_beginning_of_its_id(
        self, store: Store, reader: Reader, make: Make
    ) -> None:
        """Name, id prefix and service match; a part of a name does not."""
        store.write(
            [
                make(1),
                make(2, extra={"name": "worker", "id": "4f5"}),
                make(3, provenance={"service": {"name": "worker"}}),
            ]
        )
        assert numbers(reader, container="worker") == [3]
        assert numbers(reader, container="backend") == [1, 2]
        assert numbers(reader, container="backend-1") == [1, 2, 3]
        assert numbers(reader, container="4f4f4f") == [1, 2, 3]
        assert numbers(reader, container="4f5") == []
        assert numbers(reader, container="back") == []

    def test_terms_narrow_each_other(self, store: Store, reader: Reader, make: Make) -> None:
        """Every term must match."""
        events = ("login_failed", "patient_created")
        store.write(
            [make(n, event=events[n % 2], correlation_id=f"c-{n % 3}", message=f"w{n % 5} x") for n in range(600)]
        )
        matches = numbers(reader, event="login_failed", correlation_id="c-1", text="w2")
        assert matches == [n for n in range(600) if n % 2 == 0 and n % 3 == 1 and n % 5 == 2]

    def test_correlation_ids_of_equal_hash_are_told_apart(self, store: Store, reader: Reader, make: Make) -> None:
        """The index stores a hash; the document decides. These two collide under CRC-32."""
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
        self, store: Store, reader: Reader, make: Make, text: str, expected: list[int]
    ) -> None:
        """All words must appear, quoted ones in their order; no character is an operator or an error."""
        store.write([
            make(1, message="Connection refused"),
            make(2, message="refused", error_message="the connection was closed"),
            make(3, message="read", path="/api/v1/patients/834"),
            make(4, message="Frau Müller"),
        ])  # fmt: skip
        assert numbers(reader, text=text) == expected

    def test_an_id_is_a_correlation_id_or_a_trace_id(self, store: Store, reader: Reader, make: Make) -> None:
        """Both kinds of id find an entry, regardless of what else its block contains."""
        others = [make(number, correlation_id=f"c-{number}") for number in range(10, 600)]
        store.write([
            *others[:300], make(1, correlation_id="c-1", trace_id="4bf92f"), make(2, trace_id="4bf92f"),
            make(3, correlation_id="4bf92f"), make(4, trace_id="other"), *others[300:],
        ])  # fmt: skip
        assert numbers(reader, correlation_id="4bf92f") == [1, 2, 3]
        assert numbers(reader, correlation_id="c-1") == [1]
        assert numbers(reader, correlation_id="4bf92") == []
        assert numbers(reader, correlation_id="4bf92f", text='"entry 2"') == [2]

    def test_text_includes_the_event_and_the_strings_of_unknown_fields(
        self, store: Store, reader: Reader, make: Make
    ) -> None:
        """At any depth, but neither their names nor numbers."""
        extra = {"reason": "Quota exceeded", "job": {"queue": ["mail", {"host": "smtp-7"}], "size": 9042}}
        store.write([make(1, event="login_failed", extra=extra), make(2)])
        assert numbers(reader, text="login") == [1]
        assert numbers(reader, text='"quota exceeded"') == [1]
        assert numbers(reader, text="smtp mail") == [1]
        assert numbers(reader, text="queue") == []
        assert numbers(reader, text="9042") == []

    def test_a_search_counts_matching_quarantined_entries(self, store: Store, reader: Reader, make: Make) -> None:
        """By each term of a search, from the search keys that a quarantined entry keeps."""
        store.write([
            refused(make, 1, level="error", event="login_failed", correlation_id="c-1", text="no such user"),
            refused(make, 2, level="error", event="order_placed", trace_id="4bf92f", raw="user of text"),
            refused(make, 3, "json_invalid", level="info", raw='{"broken'),
            make(4, level="error", event="login_failed", correlation_id="c-1"),
        ])  # fmt: skip
        assert in_quarantine(reader, limit=1) == 3
        assert in_quarantine(reader, level="warning") == 2
        assert in_quarantine(reader, event="login_failed") == 1
        assert in_quarantine(reader, correlation_id="c-1") == 1
        assert in_quarantine(reader, correlation_id="4bf92f") == 1
        assert in_quarantine(reader, container="backend") == 3
        assert in_quarantine(reader, container="frontend") == 0
        assert in_quarantine(reader, text="user") == 2
        assert in_quarantine(reader, text='"such user"') == 1
        begin = parse_ms(f"{DAY}T10:00:00Z") or 0
        assert in_quarantine(reader, since=begin + 2, until=begin + 3) == 1
        assert reader.matching_quarantine(Query()).reasons == (("correlation_id_missing", 2), ("json_invalid", 1))

    def test_a_released_entry_no_longer_matches(self, store: Store, reader: Reader, make: Make) -> None:
        """Only what is still in quarantine is counted."""
        entry = refused(make, 1)
        assert in_quarantine(reader) == 0
        store.write([entry, refused(make, 2)])
        reader.release(entry.index, entry.id.hex(), make(1))
        assert in_quarantine(reader) == 1

    def test_the_count_of_quarantined_entries_is_bounded(self, store: Store, reader: Reader, make: Make) -> None:
        """A search reports that there are at least so many."""
        store.write([refused(make, number) for number in range(1200)])
        matches = reader.matching_quarantine(Query())
        assert (matches.number, matches.complete) == (1000, False)
        assert matches.reasons == (("correlation_id_missing", 1000),)

    def test_quarantine_lists_what_was_not_released(self, store: Store, reader: Reader, make: Make) -> None:
        """Oldest first, filtered by reason; the main index does not contain them."""
        store.write([refused(make, 2), refused(make, 1, "json_invalid"), refused(make, 3), make(4)])
        assert [entry["log"]["offset"] for entry in reader.quarantine()] == [1, 2, 3]
        assert [entry["log"]["offset"] for entry in reader.quarantine(reason="json_invalid")] == [1]
        assert [entry["log"]["offset"] for entry in reader.quarantine(limit=2)] == [1, 2]
        assert numbers(reader) == [4]

    def test_release_moves_an_entry_into_its_main_index_once(self, store: Store, reader: Reader, make: Make) -> None:
        """The document is stored, the quarantine no longer lists it, and a second release changes nothing."""
        entry = refused(make, 1)
        store.write([entry])
        for _ in range(2):
            reader.release(entry.index, entry.id.hex(), make(1, message="released"))
            assert [body["message"] for body in reader.search(Query())] == ["released"]
            assert list(reader.quarantine()) == []

    def test_a_release_cut_short_is_completed_by_the_next(self, store: Store, reader: Reader, make: Make) -> None:
        """If the document is stored and the mark is missing, releasing again duplicates nothing."""
        entry = refused(make, 1)
        store.write([entry, make(1)])
        reader.release(entry.index, entry.id.hex(), make(1))
        assert numbers(reader) == [1]
        assert list(reader.quarantine()) == []

    def test_a_refused_entry_stays_released_when_it_comes_again(self, store: Store, reader: Reader, make: Make) -> None:
        """A replay of the same log does not bring a released entry back into the list."""
        entry = refused(make, 1)
        store.write([entry])
        reader.release(entry.index, entry.id.hex(), make(1))
        store.write([entry])
        assert list(reader.quarantine()) == []
