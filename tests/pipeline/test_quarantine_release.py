"""Release: the content of an entry decides neither its index nor the release of other entries."""

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shipper.bootstrap import build_pipeline
from shipper.cli.commands.quarantine import described, release_entries, release_summary, render_list
from shipper.config.settings import Settings
from shipper.model.documents import Document
from shipper.outputs.elasticsearch.output import quarantine_document
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.pipeline.pipeline import WITHHELD
from shipper.pipeline.quarantine_release import Releaser
from shipper_schemas.quarantine import malformed
from shipper_schemas.violation import Kind
from tests.outputs.conftest import make_document

QUARANTINE = "keneyapp-quarantine"
STAMP = "2026-11-23T10:00:00.001Z"
ORIGIN = {"stream": "stdout", "log": {"file": {"path": "/a.log"}, "offset": 0}}
RAW = '{"correlation_id":"a","event":"e"}'
GOOD = {"@timestamp": STAMP, "reasons": [{"kind": "json_invalid", "detail": ""}], "raw": RAW, **ORIGIN}


@pytest.fixture(scope="module")
def rerun() -> Releaser:
    """Return the releaser of the default configuration."""
    return build_pipeline.releaser(Settings())


def entry(**changes: Any) -> dict[str, Any]:
    """Return an entry that a release accepts, with changes; None removes a field."""
    fields = {**GOOD, "_id": make_document(1).id.hex(), "_index": f"{QUARANTINE}-2026.11.23", **changes}
    return {name: value for name, value in fields.items() if value is not None}


def refused_by_index(**changes: Any) -> dict[str, Any]:
    """Return a quarantined document that its index rejected."""
    document = quarantine_document(make_document(1), QUARANTINE, "400 document_parsing_exception")
    return {**orjson.loads(document.body), "_id": document.id.hex(), "_index": document.index, **changes}


def test_a_document_that_its_index_rejected_is_released_unchanged(rerun: Releaser) -> None:
    """Body, id, index and search keys."""
    assert rerun(refused_by_index()) == (make_document(1), [])


def test_an_entry_whose_text_was_withheld_is_not_released(rerun: Releaser) -> None:
    """The main index would hold the notice in place of the entry, and the quarantine nothing that points to it."""
    reasons = [{"kind": "internal_error", "detail": ""}]
    document, (why,) = rerun(entry(reasons=reasons, raw=WITHHELD))
    assert document is None
    assert why.kind is Kind.INTERNAL_ERROR
    assert rerun(entry(reasons=reasons))[1] == []


@pytest.mark.parametrize("index", ["audit-2024.10.31", ".security-7", "keneyapp-logs-1970.01.01", None, 5])
def test_an_entry_does_not_choose_its_index(rerun: Releaser, index: object) -> None:
    """It follows from the configuration and the time."""
    document, _ = rerun(refused_by_index(index=index))
    assert document is not None
    assert document.index == "keneyapp-logs-2026.11.23"


@pytest.mark.parametrize(
    "raw",
    [
        '{"@timestamp":"1970-01-01T00:00:00.000Z","event":"forged"}',
        '{"event":"without a time"}',
        '{"@timestamp":5}',
        '["@timestamp"]',
        "no JSON",
    ],
)
def test_a_document_with_another_time_than_its_entry_is_not_released(rerun: Releaser, raw: str) -> None:
    """It would go to another day than retention and search expect."""
    document, (why,) = rerun(refused_by_index(raw=raw))
    assert document is None
    assert why.kind is Kind.ENVELOPE_INVALID


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reasons": None}, "`reasons`: Field required"),
        ({"reasons": []}, "`reasons`"),
        ({"reasons": [5]}, "`reasons.0`"),
        ({"reasons": "refused_by_index"}, "`reasons`"),
        ({"raw": None}, "`raw`"),
        ({"raw": {"a": 1}}, "`raw`"),
        ({"stream": None}, "`stream`"),
        ({"stream": "elsewhere"}, "`stream`"),
        ({"log": None}, "`log`"),
        ({"log": {"file": {}}}, "`log.file.path`"),
        ({"container": "c"}, "`container`"),
        ({"@timestamp": "then"}, "`@timestamp` is not a valid time"),
        ({"@timestamp": "1931-01-01T00:00:00Z"}, "`@timestamp` is not a valid time"),
        ({"_id": "mine"}, "id"),
    ],
)
def test_an_entry_of_another_program_is_skipped_with_its_reason(
    rerun: Releaser, changes: dict[str, Any], why: str
) -> None:
    """It stops nothing and is reported."""
    assert rerun(entry())[0] is not None
    document, (refused,) = rerun(entry(**changes))
    assert document is None
    assert f"this entry was not written by a shipper: {why}" in refused.detail or "its id" in refused.detail


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.just("refused_by_index"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "container", "service", "host", "kubernetes", "time"]), anything))
def test_any_entry_is_released_or_rejected(rerun: Releaser, changes: dict[str, Any]) -> None:
    """It never raises an error."""
    document, reasons = rerun({**entry(), **changes})
    assert (document is None) == bool(reasons)


def test_a_damaged_entry_does_not_end_the_release_of_the_others(rerun: Releaser, tmp_path: Path) -> None:
    """It is counted and stays; list and show print its readable fields."""
    store = LocalStore(tmp_path, QUARANTINE)

    def put(number: int, body: dict[str, Any]) -> None:
        document = make_document(number, prefix=QUARANTINE)
        store.write([document._replace(body=orjson.dumps(body))])

    put(1, GOOD)
    put(2, {"@timestamp": STAMP, "raw": 5, "reasons": "x", "container": "c", "log": 7, "service": []})
    put(3, {**GOOD, "reasons": [{"kind": "json_invalid", "detail": ""}]})
    reader = LocalReader(tmp_path)
    assert len(list(reader.quarantine(reason="json_invalid"))) == 2
    assert len(list(reader.quarantine(mentioning="correlation_id"))) == 2
    released = release_entries(reader.quarantine(), reader, rerun, dry_run=False)
    lines = list(release_summary(released, dry_run=False))
    assert lines[:2] == ["released: 2", "still rejected: 1"]
    assert "this entry was not written by a shipper: `reasons`" in lines[2]
    (left,) = reader.quarantine()
    assert str(list(described(left))[-1]) == "  5"
    assert render_list([left], Console(file=io.StringIO())) == 1
    reader.close()
    store.close()


def test_every_entry_that_we_write_has_the_shape(rerun: Releaser) -> None:
    """Entries of the pipeline, and those that an index rejected."""
    assert malformed(refused_by_index()) is None
    assert malformed(entry()) is None
    assert rerun(entry(reasons=[{"kind": "envelope_invalid", "detail": "x"}]))[0] is None
    assert isinstance(rerun(entry())[0], Document)


def test_a_document_that_its_index_rejected_keeps_its_search_keys() -> None:
    """Keys of another type, from a topic, would make the quarantine reject it too."""
    rejected = refused_by_index()
    assert (rejected["level"], rejected["event"]) == ("info", "patient_created")
    odd = make_document(1, level={"a": 1}, correlation_id=["x"], trace_id="4bf92f")
    body = orjson.loads(quarantine_document(odd, QUARANTINE, "400 document_parsing_exception").body)
    assert {name for name in ("level", "correlation_id", "event", "trace_id") if name in body} == {"event", "trace_id"}


@pytest.mark.parametrize("name", ["level", "event", "correlation_id", "trace_id", "text"])
def test_search_keys_are_texts(name: str) -> None:
    """An entry of another writer with other values was not written by a shipper."""
    assert malformed(entry(**{name: "x"})) is None
    assert str(malformed(entry(**{name: {"a": 1}}))).startswith(f"`{name}`")
