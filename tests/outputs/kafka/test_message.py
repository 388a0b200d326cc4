"""Documents survive a topic unchanged; messages of other producers are recognised and quarantined."""

import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.agent.kafka_messages import Translate
from shipper.inputs.kafka.read_message import InvalidMessage, QuarantineBuilder, Received, documents
from shipper.model.documents import Document
from shipper.outputs.kafka.message import Message, Prefixes, Topics, messages
from shipper_processors.redact import Redactor
from shipper_processors.render import Renderer, searched_text
from shipper_processors.route import Skew, document_id, index_name, is_daily
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.quarantine import KEYS
from shipper_schemas.violation import Kind, Violation
from tests.outputs.conftest import Make

TOPICS = Topics("logs", "logs-quarantine")
PREFIXES = Prefixes("keneyapp-logs", "keneyapp-quarantine")
NOW_MS = 1_795_428_000_000
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
TIMES = st.integers(min_value=0, max_value=4_102_444_800_000)


@st.composite
def indexed(draw: st.DrawFn) -> Document:
    """A document of the pipeline, in the main index or in the quarantine."""
    name = draw(st.none() | TEXT.filter(bool))
    renderer = Renderer(Origin("/var/log/a.log", "4f", container_id="4f", container_name=name, host="node-1"))
    time_ms, digest = draw(TIMES), draw(st.binary(min_size=14, max_size=14))
    entry = Entry(draw(TEXT), "stdout", None, draw(st.integers(0, 1 << 40)), 1, digest)
    if draw(st.booleans()):
        reasons = [Violation(Kind.JSON_INVALID, None, draw(TEXT))]
        keys = draw(st.fixed_dictionaries({}, optional=dict.fromkeys((*KEYS, "text"), TEXT)))
        body = renderer.quarantined(entry.text, reasons, time_ms, index_name(PREFIXES.events, time_ms), entry, keys)
        index = index_name(PREFIXES.quarantine, time_ms)
        return Document(
            index, document_id(time_ms, digest), time_ms, keys.get("correlation_id"), keys.get("event"), keys.get("level"),
            name, keys.get("text", entry.text), body, keys.get("trace_id"),
        )  # fmt: skip
    event: dict[str, Any] = {
        "event": draw(TEXT),
        "level": draw(st.sampled_from(["info", "error"])),
        "message": entry.text,
    }
    if draw(st.booleans()):
        event["correlation_id"] = draw(st.text("abc123-", min_size=1, max_size=20))
    return Document(
        index_name(PREFIXES.events, time_ms), document_id(time_ms, digest), time_ms, event.get("correlation_id"),
        event["event"], event["level"], name, searched_text(event), renderer.body(event, time_ms, entry),
    )  # fmt: skip


def arrived(message: Message, offset: int = 0) -> Received:
    """A message as a consumer receives it."""
    return Received(message.topic, 0, offset, NOW_MS, message.value, message.headers)


@given(st.lists(indexed(), max_size=12), st.integers(min_value=1, max_value=5))
def test_documents_come_back_as_they_were(sent: list[Document], each: int) -> None:
    """Every document arrives once, in order, with all its search keys, for any number of events a message."""
    received = [
        document
        for message in messages(sent, TOPICS, PREFIXES, each)
        for document in documents(arrived(message), PREFIXES)
    ]
    assert received == sent


@given(st.lists(indexed(), max_size=12), st.integers(min_value=1, max_value=5))
def test_refused_entries_have_a_topic_of_their_own(sent: list[Document], each: int) -> None:
    """Other people may read the quarantine than the events."""
    for message in messages(sent, TOPICS, PREFIXES, each):
        for document in message.documents:
            refused = document.index.startswith(PREFIXES.quarantine)
            assert message.topic == (TOPICS.quarantine if refused else TOPICS.events)


def test_one_event_is_one_message_with_the_body_as_it_is(make: Make) -> None:
    """kcat, Logstash and Connect read the value as the document; key and headers have the rest."""
    document = make(1, correlation_id="abc-1")
    (message,) = messages([document], TOPICS, PREFIXES)
    assert (message.topic, message.key, message.value) == ("logs", b"abc-1", document.body)
    assert message.headers == [("id", document.id.hex().encode()), ("index", b"keneyapp-logs-2026.11.23")]


def test_an_event_without_correlation_id_keeps_to_its_container(make: Make) -> None:
    """Events of one container stay in order in one partition."""
    (message,) = messages([make(1)], TOPICS, PREFIXES)
    assert message.key == b"backend-1"


def test_a_body_of_several_lines_is_framed_with_no_other(make: Make) -> None:
    """Events in a frame are separated by lines."""
    spread = make(2)._replace(body=orjson.dumps({"@timestamp": "2026-11-23T10:00:00.002Z"}, option=orjson.OPT_INDENT_2))
    framed = list(messages([make(1), spread, make(3), make(4)], TOPICS, PREFIXES, 10))
    assert [len(message.documents) for message in framed] == [1, 1, 2]
    assert documents(arrived(framed[1]), PREFIXES)[0].body == spread.body


def test_a_prefix_that_begins_with_the_other_is_told_apart(make: Make) -> None:
    """`logs` and `logs-quarantine` may be prefixes at the same time."""
    assert is_daily("logs-2026.11.23", "logs")
    assert not is_daily("logs-quarantine-2026.11.23", "logs")
    routed = messages(
        [make(1, prefix="logs"), make(1, prefix="logs-quarantine")], TOPICS, Prefixes("logs", "logs-quarantine")
    )
    assert [message.topic for message in routed] == ["logs", "logs-quarantine"]
    routed = messages([make(1, prefix="q-logs"), make(1, prefix="q")], TOPICS, Prefixes("q-logs", "q"))
    assert [message.topic for message in routed] == ["logs", "logs-quarantine"]


def test_search_keys_of_the_wrong_type_are_none(make: Make) -> None:
    """Anyone may write a message, and an output expects keys as text."""
    wrong = {
        "correlation_id": 5,
        "event": [],
        "level": {},
        "message": 7,
        "path": "/a",
        "container": "x",
        "service": [1],
    }
    message = next(messages([make(1)], TOPICS, PREFIXES))
    body = orjson.dumps({**orjson.loads(message.value), **wrong})
    (document,) = documents(arrived(message)._replace(value=body), PREFIXES)
    assert (document.correlation_id, document.event, document.level, document.container, document.text) == (
        None,
        None,
        None,
        None,
        "/a",
    )


GOOD_ID, GOOD_INDEX = b"0" * 40, b"keneyapp-logs-2026.11.23"
GOOD_BODY = b'{"@timestamp":"2026-11-23T10:00:00.000Z"}'


@pytest.mark.parametrize(
    ("headers", "value", "why"),
    [
        ([], GOOD_BODY, "no header `id`"),
        ([("id", GOOD_ID)], GOOD_BODY, "no header `index`"),
        ([("id", None), ("index", GOOD_INDEX)], GOOD_BODY, "no header `id`"),
        ([("id", b"\xff" * 40), ("index", GOOD_INDEX)], GOOD_BODY, "`id` is not ASCII text"),
        ([("id", b"1" * 38), ("index", GOOD_INDEX)], GOOD_BODY, "invalid id in header `id`; expected 40"),
        ([("id", b"A" * 40), ("index", GOOD_INDEX)], GOOD_BODY, "invalid id in header `id`; expected 40"),
        ([("id", b"0" * 39 + b" "), ("index", GOOD_INDEX)], GOOD_BODY, "invalid id in header `id`; expected 40"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], None, "has no value"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], b"", "not valid JSON"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], b"\x00\xff", "not valid JSON"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], b"[" * 100_000, "not valid JSON"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], b"[1]", "not a JSON object"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], b"{}", "invalid `@timestamp`"),
        ([("id", GOOD_ID), ("index", GOOD_INDEX)], b'{"@timestamp":5}', "invalid `@timestamp`"),
        ([("id", GOOD_ID), ("index", b"keneyapp-logs-2026.11.24")], GOOD_BODY, "with the day of `@timestamp`"),
        ([("id", GOOD_ID), ("index", b"keneyapp-logs-9999.99.99")], GOOD_BODY, "with the day of `@timestamp`"),
        ([("id", GOOD_ID), ("index", b".security-2026.11.23")], GOOD_BODY, "with the day of `@timestamp`"),
        ([("id", GOOD_ID), ("index", b"../../etc/passwd")], GOOD_BODY, "with the day of `@timestamp`"),
        ([("id", GOOD_ID + b"," + GOOD_ID), ("index", GOOD_INDEX)], GOOD_BODY, "2 ids for 1 lines"),
        ([("id", GOOD_ID + b"," + GOOD_ID), ("index", GOOD_INDEX)], GOOD_BODY + b"\n5", "not a JSON object"),
    ],
)
def test_what_others_wrote_is_refused_with_its_reason(
    headers: list[tuple[str, bytes | None]], value: bytes | None, why: str
) -> None:
    """An index name or id is not trusted just because a topic contains it."""
    with pytest.raises(InvalidMessage, match=why):
        documents(Received("logs", 0, 0, NOW_MS, value, headers), PREFIXES)


def test_a_foreign_message_becomes_an_entry_of_the_quarantine() -> None:
    """It has topic, partition and offset; its text is escaped and redacted."""
    received = Received("logs", 3, 41, NOW_MS, b'password="hunter2" \xff\x1b[31m', [])
    entry = QuarantineBuilder(PREFIXES, Redactor(), "indexer-1")(received, "no header `id`", 5)
    assert entry.index == index_name(PREFIXES.quarantine, NOW_MS)
    body = orjson.loads(entry.body)
    assert body["reasons"] == [{"kind": "envelope_invalid", "detail": "no header `id`"}]
    assert body["raw"] == 'password="[redacted:password]" \\xff\x1b[31m'
    assert b"\x1b" not in entry.body
    assert (body["log"], body["host"]) == ({"file": {"path": "kafka://logs/3"}, "offset": 41}, {"name": "indexer-1"})
    assert (body["@timestamp"], body["index"]) == ("2026-11-23T10:00:00.000Z", index_name(PREFIXES.events, NOW_MS))


def test_the_entry_of_a_foreign_message_has_the_same_id_at_every_reading() -> None:
    """Read twice, it is stored once; another offset is another entry."""
    foreign = QuarantineBuilder(PREFIXES, Redactor(), "indexer-1")
    received = Received("logs", 3, 41, NOW_MS, b"x", [])
    first, again = (foreign(received, "no header `id`", now) for now in (NOW_MS, NOW_MS + 86_400_000))
    assert first == again
    others = (received._replace(offset=42), received._replace(partition=4), received._replace(topic="other"))
    assert len({foreign(message, "", NOW_MS).id for message in (received, *others)}) == 4


def test_a_foreign_message_without_a_time_has_the_time_of_reading() -> None:
    """With an invalid time, retention would delete the entry immediately."""
    entry = QuarantineBuilder(PREFIXES, Redactor(), "indexer-1")(Received("logs", 0, 1, -1, b"x", []), "", NOW_MS)
    assert (entry.time_ms, entry.id[:6]) == (NOW_MS, bytes(6))
    assert entry.id[6:] == hashlib.blake2b(b"logs\x000\x001", digest_size=14).digest()


REFUSED_INDEX = b"keneyapp-quarantine-2026.11.23"
REFUSED_BODY = {
    "@timestamp": "2026-11-23T10:00:00.000Z", "reasons": [{"kind": "json_invalid", "detail": "cut"}], "raw": "{",
    "index": "keneyapp-logs-2026.11.23", "stream": "stdout", "log": {"file": {"path": "/a.log"}, "offset": 0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reasons": None}, "invalid quarantine entry: `reasons`"),
        ({"reasons": []}, "invalid quarantine entry: `reasons`"),
        ({"reasons": [{"detail": "x"}]}, "invalid quarantine entry: `reasons.0.kind`"),
        ({"raw": None}, "invalid quarantine entry: `raw`"),
        ({"raw": ["{"]}, "invalid quarantine entry: `raw`"),
        ({"stream": None}, "invalid quarantine entry: `stream`"),
        ({"log": {"offset": 0}}, "invalid quarantine entry: `log.file`"),
        ({"reasons": [{"kind": "refused_by_index"}]}, "an entry from a topic cannot be rejected by an index"),
    ],
)
def test_a_forged_entry_of_the_quarantine_is_told_apart(changes: dict[str, Any], why: str) -> None:
    """Its index and content would be trusted at its release."""
    headers = [("id", GOOD_ID), ("index", REFUSED_INDEX)]
    (document,) = documents(Received("q", 0, 0, NOW_MS, orjson.dumps(REFUSED_BODY), headers), PREFIXES)
    assert (document.index, document.text) == (REFUSED_INDEX.decode(), "{")
    body = {name: value for name, value in {**REFUSED_BODY, **changes}.items() if value is not None}
    with pytest.raises(InvalidMessage, match=why):
        documents(Received("q", 0, 0, NOW_MS, orjson.dumps(body), headers), PREFIXES)


BELIEVED = range(NOW_MS - 1000 * 86_400_000, NOW_MS + 3_600_000)
SENT_MS = NOW_MS - 5000


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00.000Z", "2031-05-06T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_a_message_does_not_choose_any_day(stamp: str) -> None:
    """An event with an impossible time gets the message's time and a note, the same at every reading."""
    index = f"keneyapp-logs-{stamp[:10].replace('-', '.')}".encode()
    body = orjson.dumps({"@timestamp": stamp, "event": "e", "schema": {"errors": [{"kind": "field_invalid"}]}})
    received = Received("logs", 0, 0, SENT_MS, body, [("id", GOOD_ID), ("index", index)])
    (document,) = documents(received, PREFIXES, BELIEVED, NOW_MS)
    assert (document.index, document.time_ms, document.event) == (index_name(PREFIXES.events, SENT_MS), SENT_MS, "e")
    event = orjson.loads(document.body)
    assert event["@timestamp"] == "2026-11-23T09:59:55.000Z"
    first, note = event["schema"]["errors"]
    assert (first, note["kind"]) == ({"kind": "field_invalid"}, "timestamp_skewed")
    assert documents(received, PREFIXES, BELIEVED, NOW_MS + 86_400_000) == [document]
    (unsaid,) = documents(received._replace(timestamp_ms=1 << 60), PREFIXES, BELIEVED, NOW_MS)
    assert unsaid.time_ms == NOW_MS


def test_a_message_of_a_time_that_can_be_is_left_as_it_is() -> None:
    """A backfill of last year has its own days."""
    body = b'{"@timestamp":"2025-11-23T10:00:00.000Z"}'
    headers = [("id", GOOD_ID), ("index", b"keneyapp-logs-2025.11.23")]
    (document,) = documents(Received("logs", 0, 0, SENT_MS, body, headers), PREFIXES, BELIEVED, NOW_MS)
    assert (document.index, document.body) == ("keneyapp-logs-2025.11.23", body)


def test_a_refused_entry_does_not_choose_any_day_at_its_release() -> None:
    """Neither by its own time nor by the container runtime's, which would determine the day."""
    for changes, index, time_ms in (
        ({"@timestamp": "1970-01-02T00:00:00.000Z"}, b"keneyapp-quarantine-1970.01.02", SENT_MS),
        ({"time": "1970-01-02T00:00:00Z"}, REFUSED_INDEX, SENT_MS),
        ({"time": "2026-11-23T10:00:00.5Z"}, REFUSED_INDEX, NOW_MS),
        ({"time": "then"}, REFUSED_INDEX, NOW_MS),
    ):
        body = orjson.dumps({**REFUSED_BODY, **changes})
        received = Received("q", 0, 0, SENT_MS, body, [("id", GOOD_ID), ("index", index)])
        (document,) = documents(received, PREFIXES, BELIEVED, NOW_MS)
        assert (document.index, document.time_ms) == (index_name(PREFIXES.quarantine, time_ms), time_ms)
        noted = [reason["kind"] for reason in orjson.loads(document.body)["reasons"]]
        assert noted == (["json_invalid", "timestamp_skewed"] if time_ms == SENT_MS else ["json_invalid"])
        assert "time" not in orjson.loads(document.body) or time_ms == NOW_MS


def test_a_foreign_message_does_not_choose_any_day() -> None:
    """Its time also comes from the sender; its id stays the same at every reading."""
    foreign = QuarantineBuilder(PREFIXES, Redactor(), "indexer-1")
    received = Received("logs", 0, 1, 86_400_000, b"x", [])
    first, later = (foreign(received, "", now, BELIEVED) for now in (NOW_MS, NOW_MS + 1))
    assert (first.index, first.id) == (index_name(PREFIXES.quarantine, NOW_MS), later.id)


def test_a_message_that_cannot_be_noted_on_is_none_of_ours() -> None:
    """Nested too deeply to encode."""
    nested = b'{"@timestamp":"1970-01-01T00:00:00.000Z","extra":' + b"[" * 500 + b"]" * 500 + b"}"
    headers = [("id", GOOD_ID), ("index", b"keneyapp-logs-1970.01.01")]
    with pytest.raises(InvalidMessage, match="nested too deeply"):
        documents(Received("logs", 0, 0, SENT_MS, nested, headers), PREFIXES, BELIEVED, NOW_MS)


def test_an_indexer_believes_clocks_that_are_a_day_apart() -> None:
    """Times slightly ahead of the indexer's clock are kept; a year ahead is not."""
    translate = Translate.of(PREFIXES, Redactor(), "indexer-1", Skew())
    for day, kept in (("2026-11-24", True), ("2027-11-24", False), ("2025-11-24", True), ("2024-11-24", False)):
        body = orjson.dumps({"@timestamp": f"{day}T09:00:00.000Z"})
        headers = [("id", GOOD_ID), ("index", f"keneyapp-logs-{day.replace('-', '.')}".encode())]
        (document,) = translate(Received("logs", 0, 0, SENT_MS, body, headers), NOW_MS)
        assert (document.body == body) == kept
