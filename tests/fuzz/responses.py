"""Fuzz targets of inputs from servers and stores: bulk responses, messages of a topic, quarantine entries, dead letters."""

import orjson

from shipper.inputs.kafka.read_message import InvalidMessage, QuarantineBuilder, Received, documents
from shipper.model.documents import Document
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.elasticsearch.bulk import AllStored, MalformedResponse, Outcome, Request, rejection, verdicts
from shipper.outputs.kafka.message import Prefixes, Topics, messages
from shipper.pipeline.pipeline import Pipeline
from shipper.pipeline.quarantine_release import Releaser
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_processors.route import index_name, is_daily
from shipper_processors.sanitize import printable
from shipper_processors.times import LATEST_MS, parse_ms
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.quarantine import kinds, notes
from tests.fuzz.files import folder

NOW = 1_795_428_000_000
PREFIXES = Prefixes("keneyapp-logs", "keneyapp-quarantine")
TOPICS = Topics("logs", "logs-quarantine")
ID = bytes(20)
DOCUMENTS = [Document("keneyapp-logs-2026.11.23", ID, NOW, None, None, None, None, None, b"{}")] * 3
REQUEST = Request("keneyapp-logs-2026.11.23", DOCUMENTS, b"")
CHAIN = Pipeline(Enforce(), Counting(builtin_rules([])), Redactor())


def bulk(data: bytes) -> None:
    """A response gives one verdict for each document, or is invalid; only confirmed documents count as stored."""
    short = AllStored.read(data)
    try:
        response = orjson.loads(data)
    except ValueError:
        return
    for parsed in filter(None, (response, short)):
        try:
            outcome = verdicts(REQUEST, parsed)
        except MalformedResponse:
            continue
        assert len(outcome) == len(DOCUMENTS)
        if isinstance(parsed, dict):
            statuses = [item["create"]["status"] for item in parsed["items"]]
            for verdict, status in zip(outcome, statuses, strict=True):
                assert (verdict.outcome is Outcome.STORED) == (200 <= status < 300)
                assert (verdict.outcome is Outcome.DUPLICATE) == (status == 409)
    error = response.get("error") if isinstance(response, dict) else None
    if isinstance(error, dict):
        verdict = rejection(400, error)
        assert isinstance(verdict.reason, str)
        assert (verdict.outcome is Outcome.BLOCKED) == bool(verdict.hint)


def kafka(data: bytes) -> None:
    """A message gives documents of the index of their own day, or a quarantine entry with its reason."""
    head, _, value = data.partition(b"\n")
    ids, _, index = head.partition(b" ")
    for headers in ([("id", ids), ("index", index)], [("id", None), ("index", index)]):
        received = Received("logs", 0, 3, NOW, value, headers)
        for believed in (range(LATEST_MS + 1), range(NOW - 1000, NOW + 1000)):
            try:
                carried = documents(received, PREFIXES, believed, NOW)
            except InvalidMessage as error:
                entry = QuarantineBuilder(PREFIXES, Redactor(), "node-1")(received, str(error), NOW)
                body = orjson.loads(entry.body)
                assert is_daily(entry.index, PREFIXES.quarantine)
                assert body["reasons"][0]["detail"]
                continue
            for document in carried:
                prefix = PREFIXES.quarantine if is_daily(document.index, PREFIXES.quarantine) else PREFIXES.events
                assert document.index == index_name(prefix, document.time_ms)
                assert document.time_ms in believed
                assert parse_ms(orjson.loads(document.body)["@timestamp"]) == document.time_ms
            again = [
                document
                for message in messages(carried, TOPICS, PREFIXES)
                for document in documents(Received(message.topic, 0, 3, NOW, message.value, message.headers), PREFIXES)
            ]
            assert again == carried


def release(data: bytes) -> None:
    """A quarantine entry of any writer is released under its own id and day, or stays with a reason."""
    try:
        entry = orjson.loads(data)
    except ValueError:
        return
    if not isinstance(entry, dict):
        return
    kinds(entry), notes(entry)
    document, violations = Releaser(CHAIN)(entry)
    if document is None:
        assert violations
        for violation in violations:
            orjson.dumps(violation.as_note())
            assert printable(violation.detail) == violation.detail, violation.detail
        return
    assert document.id.hex() == entry["_id"]
    assert document.index == index_name("keneyapp-logs", document.time_ms)
    orjson.loads(document.body)


def dead_letters(data: bytes) -> None:
    """A damaged line does not hide others."""
    with folder() as place:
        letters = DeadLetters(place)
        letters.path.parent.mkdir(parents=True, exist_ok=True)
        letters.path.write_bytes(data)
        for letter in letters.letters():
            assert all(isinstance(letter[name], str) for name in ("index", "id", "document"))
