"""Release: what an entry says of itself decides neither its index nor whether the others are released."""

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
    """The chain of the default configuration."""
    return build_pipeline.releaser(Settings())


def entry(**changes: Any) -> dict[str, Any]:
    """An entry that a release accepts, but for the changes; None takes a field away."""
    found = {**GOOD, "_id": make_document(1).id.hex(), "_index": f"{QUARANTINE}-2026.11.23", **changes}
    return {name: value for name, value in found.items() if value is not None}


def refused_by_index(**changes: Any) -> dict[str, Any]:
    """What the quarantine holds of a document that its index refused."""
    document = quarantine_document(make_document(1), QUARANTINE, "400 document_parsing_exception")
    return {**orjson.loads(document.body), "_id": document.id.hex(), "_index": document.index, **changes}


def test_a_document_that_its_index_refused_is_released_as_it_was(rerun: Releaser) -> None:
    """Body, id, index and search keys."""
    assert rerun(refused_by_index()) == (make_document(1), [])


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
def test_a_document_of_another_time_than_its_entrys_is_not_released(rerun: Releaser, raw: str) -> None:
    """The day that retention and search know of is the day that it would go to."""
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
        ({"@timestamp": "then"}, "`@timestamp` is no time"),
        ({"@timestamp": "1931-01-01T00:00:00Z"}, "`@timestamp` is no time"),
        ({"_id": "mine"}, "id"),
    ],
)
def test_an_entry_that_no_shipper_wrote_is_passed_over_with_its_reason(
    rerun: Releaser, changes: dict[str, Any], why: str
) -> None:
    """It stops nobody, and is told of."""
    assert rerun(entry())[0] is not None
    document, (refused,) = rerun(entry(**changes))
    assert document is None
    assert f"no shipper wrote this entry: {why}" in refused.detail or "its id" in refused.detail


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.just("refused_by_index"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "container", "service", "host", "kubernetes", "time"]), anything))
def test_whatever_an_entry_holds_it_is_released_or_refused(rerun: Releaser, changes: dict[str, Any]) -> None:
    """Never an error of ours."""
    document, reasons = rerun({**entry(), **changes})
    assert (document is None) == bool(reasons)


def test_a_damaged_entry_does_not_end_the_release_of_the_others(rerun: Releaser, tmp_path: Path) -> None:
    """It is counted, and stays; list and show say what there is of it."""
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
    assert "no shipper wrote this entry: `reasons`" in lines[2]
    (left,) = reader.quarantine()
    assert str(list(described(left))[-1]) == "  5"
    assert render_list([left], Console(file=io.StringIO())) == 1
    reader.close()
    store.close()


def test_every_entry_that_we_write_has_the_shape(rerun: Releaser) -> None:
    """What the pipeline refuses, and what an index refused."""
    assert malformed(refused_by_index()) is None
    assert malformed(entry()) is None
    assert rerun(entry(reasons=[{"kind": "envelope_invalid", "detail": "x"}]))[0] is None
    assert isinstance(rerun(entry())[0], Document)
