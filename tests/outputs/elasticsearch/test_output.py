"""The Elasticsearch output: causes of rejections, and the checks before a write."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.outputs import registry
from shipper.outputs.dead_letters import FILE, DeadLetters
from shipper.outputs.elasticsearch.bulk import MalformedResponse, Outcome, Request, verdicts
from shipper.outputs.elasticsearch.mapping_faults import Winner, winner
from shipper.outputs.elasticsearch.output import SMALLEST_LIMIT, ElasticsearchOutput
from shipper.outputs.elasticsearch.reader import ElasticsearchReader
from shipper.system.errors import OutputUnavailable, ReleaseRefused
from tests.outputs.conftest import make_document
from tests.outputs.scripted_elasticsearch import MAPPING, ScriptedElasticsearch, error, served

TOO_LARGE_PAGE = b"<html><h1>413 Request Entity Too Large</h1></html>"
NO_HTTPS_PAGE = b"<html><h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port</html>"
NEXT_DAY = "2026-11-24T10:00:00Z"


@pytest.fixture
def node() -> Iterator[ScriptedElasticsearch]:
    """A server with its templates installed."""
    with served(ScriptedElasticsearch()) as server:
        server.templates = {"keneyapp-logs", "keneyapp-quarantine"}
        yield server


@pytest.fixture
def output(node: ScriptedElasticsearch, tmp_path: Path) -> Iterator[ElasticsearchOutput]:
    """An output that writes to it."""
    with closing(writing_to(node, tmp_path)) as written_to:
        yield written_to


def writing_to(node: ScriptedElasticsearch, folder: Path, **options: Any) -> ElasticsearchOutput:
    """An output with these settings."""
    output = registry.output_of(
        Settings(output=node.url, state_dir=folder, elasticsearch={"compress": False, **options})
    )
    assert isinstance(output, ElasticsearchOutput)
    return output


def outcome_of(status: int, kind: str, reason: str = "") -> tuple[Outcome, str]:
    """The verdict on one response item."""
    item = {"create": {"status": status, **error(kind, reason)}}
    (verdict,) = verdicts(Request("i", [make_document(1)], b""), {"items": [item]})
    return verdict.outcome, verdict.hint


@pytest.mark.parametrize(
    ("status", "kind", "reason", "hint"),
    [
        (400, "validation_exception", "Validation Failed: 1: this action would add [2] shards, but", "max_shards"),
        (400, "illegal_argument_exception", "this action would add [2] shards, but this cluster", "max_shards"),
        (403, "cluster_block_exception", "index [i] blocked by: [FORBIDDEN/8/index write (api)];", "block"),
        (400, "index_closed_exception", "closed", "open that index"),
        (403, "security_exception", "action [indices:admin/auto_create] is unauthorized", "auto_configure"),
        (401, "security_exception", "missing authentication credentials", "create_doc"),
        (404, "index_not_found_exception", "no such index [i]", "auto_create_index"),
        (400, "invalid_index_name_exception", "must be lowercase", "index.prefix"),
        (400, "illegal_argument_exception", "no write index is defined for alias [i]. The write index", "alias"),
        (400, "illegal_argument_exception", "pipeline with id [clean] does not exist", "pipeline"),
        (400, "mapper_parsing_exception", "Failed to parse mapping: unknown type [keywrod]", "template"),
        (403, "an_exception_of_tomorrow", "no", "no document is at fault"),
        (404, "an_exception_of_tomorrow", "no", "no document is at fault"),
    ],
)
def test_what_would_refuse_every_document_is_no_documents_fault(status: int, kind: str, reason: str, hint: str) -> None:
    """A full cluster, a block, a closed index, a missing right: events wait, and the error has a hint."""
    verdict, said = outcome_of(status, kind, reason)
    assert verdict is Outcome.BLOCKED
    assert hint in said


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, "document_parsing_exception", "[1:9] failed to parse field [duration_ms] of type [double]"),
        (400, "mapper_parsing_exception", "failed to parse"),
        (400, "strict_dynamic_mapping_exception", "mapping set to strict, dynamic introduction of [x] is not allowed"),
        (400, "illegal_argument_exception", 'Document contains at least one immense term in field="event"'),
        (400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"),
        (400, "document_parsing_exception", "failed on [x]: 'this action would add [2] shards'"),
        (400, "an_exception_of_tomorrow", "no"),
        (413, "an_exception_of_tomorrow", "no"),
    ],
)
def test_what_speaks_of_the_document_is_its_own_fault(status: int, kind: str, reason: str) -> None:
    """A bad event must not block good ones, nor look like a full cluster by quoting its message."""
    assert outcome_of(status, kind, reason) == (Outcome.REJECTED, "")


@pytest.mark.parametrize(
    ("status", "judgement"), [(201, Outcome.STORED), (409, Outcome.DUPLICATE), (429, Outcome.RETRY)]
)
def test_the_other_verdicts(status: int, judgement: Outcome) -> None:
    """Stored, duplicate, retry."""
    assert outcome_of(status, "es_rejected_execution_exception")[0] is judgement


def test_good_events_wait_for_a_full_cluster(node: ScriptedElasticsearch, output: ElasticsearchOutput) -> None:
    """Nothing is quarantined; they are stored once there is room."""
    documents = [make_document(number) for number in range(20)]
    full = {"create": {"status": 400, **error("validation_exception", "this action would add [2] shards")}}
    node.script = lambda _method, path, _body: (200, {"items": [full] * 20}) if path.endswith("_bulk") else None
    with pytest.raises(OutputUnavailable, match="cannot store documents now: 400 validation_exception") as refused:
        output.write(documents)
    assert "max_shards_per_node" in refused.value.hint
    node.script = lambda _method, _path, _body: None
    assert output.write(documents) == Written(20, 0)
    assert {index for index, _ in node.stored} == {"keneyapp-logs-2026.11.23"}


def test_a_block_of_the_whole_cluster_has_a_hint(node: ScriptedElasticsearch, output: ElasticsearchOutput) -> None:
    """The server rejects the whole request, not its items; more rights would not help."""
    blocked = error("cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];")
    node.script = lambda _method, path, _body: (403, blocked) if path.endswith("_bulk") else None
    with pytest.raises(OutputUnavailable, match="cluster read-only") as refused:
        output.write([make_document(1)])
    assert "remove the block" in refused.value.hint


def test_a_400_of_something_else_than_elasticsearch_is_no_documents_fault(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, tmp_path: Path
) -> None:
    """A proxy's page says nothing about events: one request, not split, and no dead letter."""
    node.script = lambda _method, path, _body: (400, NO_HTTPS_PAGE) if path.endswith("_bulk") else None
    with pytest.raises(OutputUnavailable, match=r"unexpected response.*HTTPS port"):
        output.write([make_document(number) for number in range(200)])
    assert node.bulks() == 1
    assert not (tmp_path / FILE).exists()


def test_a_request_that_the_server_finds_malformed_is_halved_down_to_what_is_at_fault(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, tmp_path: Path
) -> None:
    """Other documents are stored; one that the quarantine rejects too becomes a dead letter."""
    malformed = error("illegal_argument_exception", "Malformed line")
    node.script = lambda _method, _path, body: (400, malformed) if b"poison" in body else None
    documents = [make_document(number, message="poison" if number == 7 else "m") for number in range(16)]
    assert output.write(documents) == Written(15, 0, 1)
    (letter,) = DeadLetters(tmp_path).letters()
    assert letter["id"] == documents[7].id.hex()


def test_a_place_that_takes_not_even_a_small_request_holds_events_back(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, tmp_path: Path
) -> None:
    """A proxy that rejects even small requests is at fault; a document that is itself too large is a dead letter."""
    limit = 2 * SMALLEST_LIMIT

    def script(_method: str, _path: str, body: bytes) -> tuple[int, bytes] | None:
        return (413, TOO_LARGE_PAGE) if len(body) > limit else None

    node.script = script
    documents = [make_document(number, message="x" * (limit if number == 3 else 10)) for number in range(8)]
    assert output.write(documents) == Written(7, 0, 1)
    assert len(list(DeadLetters(tmp_path).letters())) == 1
    limit = 10
    with pytest.raises(OutputUnavailable, match=r"rejects a request of .* as too large") as refused:
        output.write([make_document(number) for number in range(10, 18)])
    assert "request_bytes" in refused.value.hint
    assert len(list(DeadLetters(tmp_path).letters())) == 1


def test_a_new_day_is_not_begun_without_the_template(node: ScriptedElasticsearch, output: ElasticsearchOutput) -> None:
    """Templates deleted since the start are detected before an index is created without one."""
    assert output.write([make_document(1)]).stored == 1
    node.templates.clear()
    assert output.write([make_document(2)]).stored == 1
    with pytest.raises(OutputUnavailable, match="no index template"):
        output.write([make_document(3, at=NEXT_DAY)])
    assert node.indices == {"keneyapp-logs-2026.11.23": True}


def test_an_index_made_while_the_template_went_is_noticed(
    node: ScriptedElasticsearch, output: ElasticsearchOutput
) -> None:
    """It is deleted between check and write: the second batch is not written."""

    def script(_method: str, path: str, _body: bytes) -> None:
        if path.endswith("_bulk"):
            node.templates.clear()

    node.script = script
    assert output.write([make_document(1)]).stored == 1
    with pytest.raises(OutputUnavailable, match="without the template"):
        output.write([make_document(2)])


OVERRIDING = {"name": "logs-of-all", "index_template": {"index_patterns": ["keneyapp-*"], "priority": 1000}}


@pytest.mark.parametrize("simulates", [True, False], ids=["simulated", "by the lists"])
def test_good_events_wait_for_a_template_of_higher_priority(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, tmp_path: Path, *, simulates: bool
) -> None:
    """The index is not created; the error names both templates. A user without that right reads the lists instead."""
    node.overriding, node.simulates = [OVERRIDING], simulates
    with pytest.raises(
        OutputUnavailable, match=r"'logs-of-all' \(priority 1000\), not from 'keneyapp-logs'"
    ) as refused:
        output.write([make_document(1)])
    assert "lower priority" in refused.value.hint
    assert (node.indices, node.stored, node.bulks()) == ({}, {}, 0)
    with pytest.raises(OutputUnavailable, match="logs-of-all"):
        registry.check_output(Settings(output=node.url, state_dir=tmp_path))
    node.overriding = []
    assert output.write([make_document(1)]) == Written(1, 0)
    registry.check_output(Settings(output=node.url, state_dir=tmp_path))


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        ({**MAPPING, "properties": {"event": {"type": "long"}}}, "event is long, not keyword"),
        ({**MAPPING, "properties": {"service": {"type": "keyword"}}}, "service is keyword, not object"),
        ({**MAPPING, "properties": {"extra": {"properties": {"a": {"type": "long"}}}}}, "extra is object, not flatt"),
        ({**MAPPING, "dynamic": "strict"}, r"has no type \(dynamic: strict\).*and \d+ more"),
        ({"properties": {"event": {"type": "keyword"}}}, "without the template"),
    ],
)
def test_an_existing_index_that_rejects_good_events_holds_them_back(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, mapping: dict[str, Any], fault: str
) -> None:
    """Nothing is quarantined for the mapping of its index."""
    node.indices["keneyapp-logs-2026.11.23"] = True
    node.mappings["keneyapp-logs-2026.11.23"] = mapping
    with pytest.raises(OutputUnavailable, match=fault) as refused:
        output.write([make_document(1)])
    assert "reindex or delete it" in refused.value.hint
    assert node.stored == {}


def test_an_index_may_accept_more_and_narrow_the_ids_of_persons(
    node: ScriptedElasticsearch, output: ElasticsearchOutput
) -> None:
    """What an operator may choose is no fault."""
    chosen = {"patient_id": {"type": "long"}, "client_ip": {"type": "ip"}, "duration_ms": {"type": "float"}}
    node.indices["keneyapp-logs-2026.11.23"] = True
    node.mappings["keneyapp-logs-2026.11.23"] = {**MAPPING, "properties": chosen}
    assert output.write([make_document(1)]) == Written(1, 0)


def test_a_rejection_by_an_index_that_was_created_again_is_no_documents_fault(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, tmp_path: Path
) -> None:
    """A known index is deleted and created again by another template: its rejections are judged by its mapping."""
    index = "keneyapp-logs-2026.11.23"
    assert output.write([make_document(1)]).stored == 1
    bad = {"create": {"status": 400, **error("document_parsing_exception", "failed to parse field [event]")}}
    node.script = lambda _method, path, _body: (200, {"items": [bad]}) if path.endswith("_bulk") else None
    node.mappings[index] = {**MAPPING, "properties": {"event": {"type": "long"}}}
    with pytest.raises(OutputUnavailable, match="event is long"):
        output.write([make_document(2)])
    assert [name for name, _ in node.stored] == [index]
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("fault", ["503", "timeout"])
def test_a_server_is_checked_again_after_an_outage(node: ScriptedElasticsearch, tmp_path: Path, fault: str) -> None:
    """The server that answers afterwards may be another one, without templates: nothing is written to it."""
    late = Event()

    def script(_method: str, path: str, _body: bytes) -> tuple[int, bytes] | None:
        if not path.endswith("_bulk"):
            return None
        node.templates, node.indices, node.script = set(), {}, lambda _method, _path, _body: None
        if fault == "timeout":
            late.wait(60)
        return 503, b"<h1>busy</h1>"

    with closing(writing_to(node, tmp_path, request_timeout=2 if fault == "timeout" else 60)) as output:
        assert output.write([make_document(1)]).stored == 1
        node.script = script
        with pytest.raises(OutputUnavailable, match=r"no index template|did not respond"):
            output.write([make_document(2)])
        with pytest.raises(OutputUnavailable, match="no index template"):
            output.write([make_document(2)])
    late.set()
    assert node.indices == {}


def test_the_quarantine_index_is_checked_before_a_rejected_document_is_written(
    node: ScriptedElasticsearch, output: ElasticsearchOutput
) -> None:
    """Its index was created without the template: the rejected document waits."""
    bad = {"create": {"status": 400, **error("document_parsing_exception", "failed to parse")}}
    node.script = lambda _method, path, body: (
        (200, {"items": [bad]}) if path.endswith("_bulk") and b"reasons" not in body else None
    )
    node.indices["keneyapp-quarantine-2026.11.23"] = False
    with pytest.raises(OutputUnavailable, match=r"keneyapp-quarantine-2026\.11\.23 .*without the template"):
        output.write([make_document(1)])
    assert node.stored == {}
    node.indices.clear()
    assert output.write([make_document(1)]) == Written(0, 0, 1)
    assert [index for index, _ in node.stored] == ["keneyapp-quarantine-2026.11.23"]


@pytest.fixture
def refused(
    node: ScriptedElasticsearch, output: ElasticsearchOutput, tmp_path: Path
) -> Iterator[tuple[ElasticsearchReader, str, Document]]:
    """The reading side, the id of a quarantined entry, and the document to release."""
    document = make_document(1)
    output.write([make_document(1, prefix="keneyapp-quarantine", raw="x", reasons=[])])
    reader = registry.reader(Settings(output=node.url, state_dir=tmp_path))
    assert isinstance(reader, ElasticsearchReader)
    yield reader, document.id.hex(), document
    reader.close()


def test_a_release_creates_no_index_without_the_template(
    node: ScriptedElasticsearch, refused: tuple[ElasticsearchReader, str, Document]
) -> None:
    """A release checks as the agent does; it succeeds once the template is installed."""
    reader, id_, document = refused
    node.templates.discard("keneyapp-logs")
    with pytest.raises(OutputUnavailable, match="no index template"):
        reader.release("keneyapp-quarantine-2026.11.23", id_, document)
    node.templates.add("keneyapp-logs")
    reader.release("keneyapp-quarantine-2026.11.23", id_, document)
    assert ("keneyapp-logs-2026.11.23", id_) in node.stored


@pytest.mark.parametrize(
    ("kind", "reason", "raised"),
    [
        ("document_parsing_exception", "failed to parse", ReleaseRefused),
        ("validation_exception", "this action would add [2] shards", OutputUnavailable),
        ("index_closed_exception", "closed", OutputUnavailable),
    ],
)
def test_a_release_distinguishes_a_rejected_entry_from_a_full_cluster(
    node: ScriptedElasticsearch,
    refused: tuple[ElasticsearchReader, str, Document],
    kind: str,
    reason: str,
    raised: type[Exception],
) -> None:
    """The first is skipped; the second ends the release, since every entry would fail."""
    reader, id_, document = refused
    node.script = lambda _method, path, _body: (400, error(kind, reason)) if "/_create/" in path else None
    with pytest.raises(raised, match=kind):
        reader.release("keneyapp-quarantine-2026.11.23", id_, document)


@pytest.mark.parametrize("status", [0, 100, 302, 600, -1, "201", None, True])
def test_an_item_is_not_stored_because_its_status_is_small(status: object) -> None:
    """A response with an invalid status is malformed."""
    with pytest.raises(MalformedResponse):
        verdicts(Request("i", [make_document(1)], b""), {"items": [{"create": {"status": status}}]})


def test_a_document_nested_too_deeply_to_be_written_again_blocks_nothing(
    node: ScriptedElasticsearch, output: ElasticsearchOutput
) -> None:
    """A topic may have one, over several lines: it is sent unchanged, and quarantined unchanged."""
    deep = b'{"@timestamp":"2026-11-23T10:00:00.000Z",\n"log":' + b"[" * 500 + b"]" * 500 + b"}"
    bad = {"create": {"status": 400, **error("document_parsing_exception", "object mapping")}}
    document = make_document(1)._replace(body=deep)
    assert output.write([document]) == Written(1, 0)
    assert "log" in node.stored["keneyapp-logs-2026.11.23", document.id.hex()]
    node.script = lambda _method, path, body: (
        (200, {"items": [bad]}) if path.endswith("_bulk") and b"reasons" not in body else None
    )
    assert output.write([document]) == Written(0, 0, 1)
    assert node.stored["keneyapp-quarantine-2026.11.23", document.id.hex()]["raw"] == deep.decode()


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True), ("a-logs-*.*.*", True), ("a-*", True), ("*-logs-*", True), ("a-logs-2026.11.23", True), ("*23", True),
        ("a-logs", False), ("b-*", False), ("a-logs-*.*.*.*", False), ("a-logs-2026.11.23*23", False), ("", False), ("**", True),
    ],
)  # fmt: skip
def test_patterns_of_templates_match_as_on_the_server(pattern: str, *, matches: bool) -> None:
    """An asterisk stands for any text, and nothing else is special."""
    listed = {"index_templates": [{"name": "t", "index_template": {"index_patterns": pattern, "priority": 3}}]}
    assert winner("a-logs-2026.11.23", listed) == (Winner("t", 3) if matches else None)
