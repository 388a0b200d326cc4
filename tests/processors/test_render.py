"""Document: the spliced encoding equals the plain one."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.render import Renderer, provenance, searched_text
from shipper_processors.times import format_ms
from shipper_schemas.entry import Entry, Origin
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
def test_spliced_document_equals_the_plain_encoding(event: dict[str, Any], time_ms: int) -> None:
    """The provenance encoded once and spliced in gives the document that encoding everything would."""
    for name in ("@timestamp", "stream", "container", "service", "host", "log", "kubernetes"):
        event.pop(name, None)
    plain = {"@timestamp": format_ms(time_ms), **event, "stream": "stderr", **provenance(ORIGIN)}
    plain["log"] = {**plain["log"], "offset": 1234}
    assert json.loads(Renderer(ORIGIN).body(event, time_ms, ENTRY)) == plain


def test_document_of_the_guide() -> None:
    """The guide's log entry becomes the document that the design shows."""
    event = {
        "level": "info", "correlation_id": "abc123-def456-789", "event": "patient_created", "user_id": 123,
        "patient_id": 456, "duration_ms": 45.23, "message": "Patient created successfully",
    }  # fmt: skip
    found = json.loads(Renderer(ORIGIN).body(event, 1_730_412_000_000, ENTRY._replace(stream="stdout")))
    assert found["@timestamp"] == "2024-10-31T22:00:00.000Z"
    assert found["container"]["image"] == {"name": "keneyapp:2.0.0"}
    assert found["service"] == {"name": "backend"}
    assert found["host"] == {"name": "node-1"}
    assert found["log"] == {"file": {"path": ORIGIN.path}, "offset": 1234}
    assert found["stream"] == "stdout"
    assert {name: found[name] for name in event} == event


def test_quarantine_document_tells_why_and_where_to() -> None:
    """Raw line, reasons, the index it would have gone to, and the runtime's own time for a release."""
    violation = Violation(Kind.CORRELATION_ID_MISSING, None, "no correlation id")
    found = json.loads(Renderer(ORIGIN).refused("raw", [violation], 0, "keneyapp-logs-1970.01.01", ENTRY))
    assert found["raw"] == "raw"
    assert found["reasons"] == [{"kind": "correlation_id_missing", "detail": "no correlation id"}]
    assert found["index"] == "keneyapp-logs-1970.01.01"
    assert found["time"] == ENTRY.time


def test_a_plain_files_provenance_names_no_container() -> None:
    """What is not known is absent, not empty."""
    assert provenance(Origin("/var/log/app.log", "app.log")) == {"log": {"file": {"path": "/var/log/app.log"}}}


def test_full_text_covers_message_path_and_errors() -> None:
    """What people paste into a search is found."""
    event = {"message": "m", "path": "/p", "error_type": "t", "error_message": "e", "exception": "x", "method": "GET"}
    assert searched_text(event) == "m\n/p\nt\ne\nx"
    assert searched_text({"path": "/p"}) == "/p"
    assert searched_text({"exception": "x"}) == "x"
    assert searched_text({}) is None
