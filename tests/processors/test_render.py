"""Documents: the appended provenance equals encoding the whole document."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.render import MOST_EXTRA, Renderer, extra_texts, provenance, searched_text
from shipper_processors.times import format_ms
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.mapping import LONGEST_KEYWORD
from shipper_schemas.violation import Kind, Violation

ORIGIN = Origin(
    path='/var/log/"odd"\\name.log',
    source="4f",
    service="backend",
    host="node-1",
    container_id="4f",
    container_name="keneyapp-backend-1",
    image="keneyapp:2.0.0",
    labels={"com.docker.compose.service": "backend", "odd\u2028": "\x1b[31m"},
)
ENTRY = Entry("text", "stderr", "2026-11-23T10:00:00.123456789Z", 1234, 1, b"d" * 14)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), VALUES, max_size=5), st.integers(0, 2**40))
def test_appended_provenance_equals_the_whole_encoding(event: dict[str, Any], time_ms: int) -> None:
    """Provenance that is encoded once and appended gives the same document as encoding everything."""
    for name in ("@timestamp", "stream", "container", "service", "host", "log", "kubernetes"):
        event.pop(name, None)
    plain = {"@timestamp": format_ms(time_ms), **event, "stream": "stderr", **provenance(ORIGIN)}
    plain["log"] = {**plain["log"], "offset": 1234}
    assert json.loads(Renderer(ORIGIN).body(event, time_ms, ENTRY)) == plain


def test_document_of_the_guide() -> None:
    """The guide's log entry becomes the documented document."""
    event = {
        "level": "info", "correlation_id": "abc123-def456-789", "event": "patient_created", "user_id": 123,
        "patient_id": 456, "duration_ms": 45.23, "message": "Patient created successfully",
    }  # fmt: skip
    document = json.loads(Renderer(ORIGIN).body(event, 1_730_412_000_000, ENTRY._replace(stream="stdout")))
    assert document["@timestamp"] == "2024-10-31T22:00:00.000Z"
    assert document["container"]["image"] == {"name": "keneyapp:2.0.0"}
    assert document["service"] == {"name": "backend"}
    assert document["host"] == {"name": "node-1"}
    assert document["log"] == {"file": {"path": ORIGIN.path}, "offset": 1234}
    assert document["stream"] == "stdout"
    assert {name: document[name] for name in event} == event


def test_quarantine_document_has_reasons_and_target() -> None:
    """It has the raw line, the reasons, the index that it is meant for, and the runtime's time for a release."""
    violation = Violation(Kind.CORRELATION_ID_MISSING, None, "no correlation id")
    document = json.loads(Renderer(ORIGIN).quarantined("raw", [violation], 0, "keneyapp-logs-1970.01.01", ENTRY))
    assert document["raw"] == "raw"
    assert document["reasons"] == [{"kind": "correlation_id_missing", "detail": "no correlation id"}]
    assert document["index"] == "keneyapp-logs-1970.01.01"
    assert document["time"] == ENTRY.time


def test_a_plain_files_provenance_names_no_container() -> None:
    """Unknown facts are absent, not empty."""
    assert provenance(Origin("/var/log/app.log", "app.log")) == {"log": {"file": {"path": "/var/log/app.log"}}}


def test_full_text_covers_message_path_and_errors() -> None:
    """Text that people paste into a search finds its entry."""
    event = {"message": "m", "path": "/p", "error_type": "t", "error_message": "e", "exception": "x", "method": "GET"}
    assert searched_text(event) == "m\n/p\nt\ne\nx"
    assert searched_text({"path": "/p"}) == "/p"
    assert searched_text({"exception": "x"}) == "x"
    assert searched_text({}) is None


def test_full_text_covers_the_event_and_the_strings_of_unknown_fields() -> None:
    """At any depth and in the order in which they were logged; names, numbers and empty texts are left out."""
    extra = {"a": "1", "b": {"c": ["2", {"d": "3"}, ""], "n": 7}, "e": "4"}
    assert searched_text({"event": "login_failed", "message": "m", "extra": extra}) == "m\nlogin_failed\n1\n2\n3\n4"
    assert searched_text({"extra": {"a": "x"}}) == "x"
    assert searched_text({"extra": {"n": 7}}) is None


def test_the_strings_of_unknown_fields_are_bounded_in_number_and_length() -> None:
    """A hostile entry does not fill the index, and deep nesting is no error."""
    assert extra_texts([str(number) for number in range(1000)]) == [str(number) for number in range(MOST_EXTRA)]
    assert extra_texts(["x" * (LONGEST_KEYWORD + 1), "y" * LONGEST_KEYWORD]) == ["y" * LONGEST_KEYWORD]
    deep: object = "down"
    for _ in range(10_000):
        deep = [deep]
    assert extra_texts(deep) == ["down"]


def test_a_quarantine_document_begins_with_its_search_keys() -> None:
    """The same search finds it among quarantined entries."""
    keys = {"level": "error", "event": "login_failed", "text": "no such user"}
    document = json.loads(Renderer(ORIGIN).quarantined("raw", [], 0, "keneyapp-logs-1970.01.01", ENTRY, keys))
    assert list(document)[:4] == ["@timestamp", *keys]
    assert {name: document[name] for name in keys} == keys
