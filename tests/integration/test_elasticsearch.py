"""The Elasticsearch output against a real server: verdicts, splits, rejections, and network faults."""

import datetime as dt
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from elasticsearch import Elasticsearch

from shipper.bootstrap import build_pipeline
from shipper.config.settings import Settings
from shipper.model.batch import Written
from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.outputs.elasticsearch.output import ElasticsearchOutput
from shipper.outputs.elasticsearch.reader import ElasticsearchReader
from shipper.system.errors import OutputUnavailable
from tests.integration.proxy import Proxy, http
from tests.outputs.conftest import make_document
from tests.outputs.contract import ReaderContract

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
Make = Callable[..., Document]


@pytest.fixture
def names() -> dict[str, str]:
    """Return prefixes of this test, so that tests share a server."""
    own = uuid.uuid4().hex[:8]
    return {"prefix": f"t{own}-logs", "quarantine_prefix": f"t{own}-quarantine"}


class Cluster:
    """A server as a test sees it: an output, a reader, and the stored documents."""

    def __init__(self, url: str, names: dict[str, str], folder: Path, **elasticsearch: Any) -> None:
        settings = {"request_timeout": 60, "retry_for": 60, "replicas": 0, **elasticsearch}
        self.settings = Settings(output=url, index=names, state_dir=folder, elasticsearch=settings)
        self.names, self.client = names, Elasticsearch(url) if url.startswith("http:") else None
        self.output = registry.output_of(self.settings)
        assert isinstance(self.output, ElasticsearchOutput)

    def setup(self) -> "Cluster":
        """Install the templates."""
        list(registry.installation(self.settings))
        return self

    def write(self, documents: Sequence[Document]) -> Written:
        """Write, and make the documents visible."""
        written = self.output.write(documents)
        self.refresh()
        return written

    def refresh(self) -> None:
        """Make written documents visible."""
        assert self.client is not None
        self.client.indices.refresh(index=f"{self.names['prefix']}-*,{self.names['quarantine_prefix']}-*")

    def count(self, name: str = "prefix") -> int:
        """Return the number of documents in the indices of a prefix."""
        assert self.client is not None
        self.refresh()
        return int(self.client.count(index=f"{self.names[name]}-*")["count"])

    def close(self) -> None:
        """Remove everything that the test created."""
        self.output.close()
        if self.client is not None:
            for index in self.client.indices.get(index=[f"{name}-*" for name in self.names.values()]):
                self.client.indices.delete(index=index)
            for name in self.names.values():
                self.client.options(ignore_status=404).indices.delete_index_template(name=name)
            self.client.close()


@pytest.fixture
def cluster(elasticsearch: str, names: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """Yield a shared server, prepared."""
    prepared = Cluster(elasticsearch, names, tmp_path).setup()
    yield prepared
    prepared.close()


@pytest.fixture
def make(names: dict[str, str]) -> Make:
    """Return a factory of documents for this test's indices; `prefix` may be the usual one of quarantine."""

    def made(number: int, **fields: Any) -> Document:
        prefix = fields.pop("prefix", "keneyapp-logs")
        own = names["quarantine_prefix"] if "quarantine" in prefix else names["prefix"]
        return make_document(number, prefix=own, **fields)

    return made


class Refreshing(ElasticsearchReader):
    """A reader that sees its own releases immediately."""

    def release(self, index: str, document_id: str, document: Document) -> None:
        super().release(index, document_id, document)
        self._client.indices.refresh(index=self._events)


@pytest.fixture
def store(cluster: Cluster) -> Cluster:
    """Return the store that the contract writes to."""
    return cluster


@pytest.fixture
def reader(cluster: Cluster) -> Iterator[ElasticsearchReader]:
    """Yield the cluster's reader."""
    refreshing = registry.reader(cluster.settings)
    assert isinstance(refreshing, ElasticsearchReader)
    refreshing.__class__ = Refreshing
    yield refreshing
    refreshing.close()


class TestElasticsearchReader(ReaderContract):
    """Over Elasticsearch."""


class TestElasticsearch8(ReaderContract):
    """The major version before, which the same client supports."""

    @pytest.fixture
    def cluster(self, elasticsearch_8: str, names: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
        """Yield a server of that version, prepared."""
        prepared = Cluster(elasticsearch_8, names, tmp_path).setup()
        yield prepared
        prepared.close()

    def test_verdicts_are_those_of_the_newest(self, cluster: Cluster, make: Make, reader: ElasticsearchReader) -> None:
        """Stored, duplicate, rejected with the reason; a second setup changes nothing."""
        assert {step.outcome for step in registry.installation(cluster.settings)} == {"unchanged"}
        assert cluster.write([make(1), make(2, duration_ms="a moment")]) == Written(1, 0, 1)
        assert cluster.write([make(1), make(3)]) == Written(1, 1)
        (entry,) = reader.quarantine()
        assert "document_parsing_exception" in entry["reasons"][0]["detail"]


def test_a_document_is_stored_once_however_often_it_is_written(cluster: Cluster, make: Make) -> None:
    """`create` with an id: the second time it exists already, and the result is a duplicate."""
    documents = [make(number) for number in range(500)]
    assert cluster.write(documents) == Written(500, 0)
    assert cluster.write(documents) == Written(0, 500)
    assert cluster.write([*documents[:3], make(1000)]) == Written(1, 3)
    assert cluster.count() == 501


def test_a_rejected_document_goes_to_quarantine_and_its_neighbours_are_stored(
    cluster: Cluster, make: Make, reader: ElasticsearchReader
) -> None:
    """One of a thousand contradicts the mapping: it is quarantined with the server's own reason."""
    bad = make(500, duration_ms="a moment")
    documents = [make(number) if number != 500 else bad for number in range(1000)]
    assert cluster.write(documents) == Written(999, 0, 1)
    (entry,) = reader.quarantine()
    (reason,) = entry["reasons"]
    assert reason["kind"] == "refused_by_index"
    assert "document_parsing_exception" in reason["detail"]
    assert "duration_ms" in reason["detail"]
    assert orjson.loads(entry["raw"]) == orjson.loads(bad.body)
    assert (entry["_id"], entry["index"], entry["log"]["offset"]) == (bad.id.hex(), bad.index, 500)
    assert cluster.write([bad]) == Written(0, 0, 1)
    again = make(7, prefix="keneyapp-quarantine", raw="x", reasons=[])
    assert cluster.write([again]) == Written(1, 0)
    assert cluster.write([again, make(0)]) == Written(0, 2, duplicate_entries=1)
    assert cluster.count("quarantine_prefix") == 2


def test_a_document_that_the_quarantine_rejects_too_becomes_a_dead_letter(
    cluster: Cluster, make: Make, tmp_path: Path
) -> None:
    """There is a last resort, and nothing is retried for ever."""
    client = cluster.client
    assert client is not None
    client.indices.create(
        index=f"{cluster.names['quarantine_prefix']}-2026.11.23", mappings={"properties": {"raw": {"type": "keyword"}}}
    )
    bad = make(1, duration_ms="a moment", message="x" * 40_000)
    assert cluster.write([make(0), bad, make(2)]) == Written(2, 0, 1)
    (line,) = (tmp_path / "dead-letters.ndjson").read_bytes().splitlines()
    letter = orjson.loads(line)
    assert letter["id"] == bad.id.hex()
    assert 'immense term in field="raw"' in letter["reason"]
    assert "a moment" in letter["document"]
    assert (tmp_path / "dead-letters.ndjson").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("closed", [False, True], ids=["read-only", "closed"])
def test_a_blocked_index_holds_events_back(cluster: Cluster, make: Make, tmp_path: Path, *, closed: bool) -> None:
    """A write block or a closed index is no fault of an event: nothing is quarantined, and all is stored once it is lifted."""
    client, index = cluster.client, make(0).index
    assert client is not None
    assert cluster.write([make(0)]) == Written(1, 0)
    if closed:
        client.indices.close(index=index)
    else:
        client.indices.put_settings(index=index, settings={"index.blocks.write": True})
    documents = [make(number) for number in range(20)]
    with pytest.raises(OutputUnavailable, match="closed" if closed else "cluster_block_exception") as refused:
        cluster.output.write(documents)
    assert ("open that index" if closed else "remove the block") in refused.value.hint
    if closed:
        client.indices.open(index=index, wait_for_active_shards=1)
    else:
        client.indices.put_settings(index=index, settings={"index.blocks.write": None})
    assert cluster.write(documents) == Written(19, 1)
    assert cluster.count("quarantine_prefix") == 0
    assert not (tmp_path / "dead-letters.ndjson").exists()


def test_a_blocked_cluster_holds_events_back(own_elasticsearch: Any, names: dict[str, str], tmp_path: Path) -> None:
    """No more shards, or a read-only cluster: a new day waits, beside a known day that is written."""
    own_elasticsearch.start(settings={"cluster.max_shards_per_node": "1"})
    cluster = Cluster(own_elasticsearch.url, names, tmp_path).setup()
    client = cluster.client
    assert client is not None
    first = [make_document(number, prefix=names["prefix"]) for number in range(10)]
    later = [make_document(number, prefix=names["prefix"], at="2026-11-24T10:00:00Z") for number in range(10, 20)]
    assert cluster.output.write(first) == Written(10, 0)
    with pytest.raises(OutputUnavailable, match="this action would add") as refused:
        cluster.output.write(later)
    assert "cluster.max_shards_per_node" in refused.value.hint
    client.cluster.put_settings(persistent={"cluster.max_shards_per_node": 100, "cluster.blocks.read_only": True})
    with pytest.raises(OutputUnavailable, match="cluster_block_exception") as refused:
        cluster.output.write([*first, *later])
    assert "remove the block" in refused.value.hint
    client.cluster.put_settings(persistent={"cluster.blocks.read_only": None})
    assert cluster.write([*first, *later]) == Written(10, 10)
    assert not (tmp_path / "dead-letters.ndjson").exists()
    assert [name for name in client.indices.get(index="*") if "quarantine" in name] == []
    cluster.close()


def test_nothing_is_written_before_the_templates_exist(
    elasticsearch: str, names: dict[str, str], tmp_path: Path, make: Make
) -> None:
    """The error names the hint; with the check disabled, it writes."""
    cluster = Cluster(elasticsearch, names, tmp_path)
    with pytest.raises(OutputUnavailable, match="no index template") as error:
        cluster.write([make(1)])
    assert "shipper setup" in error.value.hint
    cluster.setup()
    assert cluster.write([make(1)]).stored == 1
    cluster.close()
    careless = Cluster(elasticsearch, names, tmp_path, require_template=False)
    assert careless.write([make(1)]).stored == 1
    careless.close()


def test_an_index_that_was_made_without_its_template_is_refused(cluster: Cluster, make: Make) -> None:
    """Its mapping was derived from the first document."""
    client = cluster.client
    assert client is not None
    client.indices.delete_index_template(name=cluster.names["prefix"])
    client.index(index=make(1).index, document={"duration_ms": "text"})
    cluster.setup()
    with pytest.raises(OutputUnavailable, match="without the template") as error:
        cluster.write([make(1)])
    assert "reindex" in error.value.hint


def test_events_wait_for_a_template_of_higher_priority(cluster: Cluster, make: Make, tmp_path: Path) -> None:
    """Check and setup name it, and nothing is stored, quarantined or a dead letter until it is gone."""
    client, name = cluster.client, f"{cluster.names['prefix']}-of-somebody"
    assert client is not None
    pattern = f"{cluster.names['prefix'].partition('-')[0]}-*"
    client.indices.put_index_template(name=name, index_patterns=[pattern], priority=1000, template={})
    said = rf"'{name}' \(priority 1000\), not from '{cluster.names['prefix']}'"
    try:
        for act in (
            lambda: cluster.write([make(number) for number in range(50)]),
            lambda: registry.check_output(cluster.settings),
            lambda: [*registry.installation(cluster.settings)],
        ):
            with pytest.raises(OutputUnavailable, match=said):
                act()
        assert [*client.indices.get(index=pattern)] == []
    finally:
        client.indices.delete_index_template(name=name)
    assert cluster.write([make(number) for number in range(50)]) == Written(50, 0)
    registry.check_output(cluster.settings)
    assert not (tmp_path / "dead-letters.ndjson").exists()


def test_a_legacy_template_that_overlaps_changes_nothing_and_is_named_where_it_wins(
    elasticsearch: str, names: dict[str, str], tmp_path: Path, make: Make
) -> None:
    """It was there before ours, which wins; where ours is gone, nothing is written."""
    cluster = Cluster(elasticsearch, names, tmp_path)
    client, name = cluster.client, f"{names['prefix']}-legacy"
    assert client is not None
    wrong = {"properties": {"event": {"type": "long"}}}
    client.indices.put_template(name=name, index_patterns=[f"{names['prefix']}-*"], mappings=wrong)
    try:
        cluster.setup()
        assert cluster.write([make(1)]) == Written(1, 0)
        client.indices.delete_index_template(name=names["prefix"])
        with pytest.raises(OutputUnavailable, match="no index template"):
            cluster.write([make(2, at="2026-11-24T10:00:00Z")])
    finally:
        client.indices.delete_template(name=name)
        cluster.close()


def test_an_index_with_a_wrong_mapping_holds_events_back(cluster: Cluster, make: Make, tmp_path: Path) -> None:
    """Somebody created the day beforehand: the template is merged into what they said, and `event` is a number."""
    client = cluster.client
    assert client is not None
    client.indices.create(index=make(1).index, mappings={"properties": {"event": {"type": "long"}}})
    with pytest.raises(OutputUnavailable, match="event is long, not keyword"):
        cluster.write([make(1, event="login"), make(2, event="logout")])
    assert cluster.count("quarantine_prefix") == 0
    client.indices.delete(index=make(1).index)
    assert cluster.write([make(1, event="login"), make(2, event="logout")]) == Written(2, 0)
    assert not (tmp_path / "dead-letters.ndjson").exists()


def test_setup_twice_changes_nothing_and_a_foreign_template_is_left_alone(
    elasticsearch: str, names: dict[str, str], tmp_path: Path
) -> None:
    """Created, then unchanged; updated when a setting changed; a foreign template of that name is an error."""
    cluster = Cluster(elasticsearch, names, tmp_path)
    steps = lambda settings: [step.outcome for step in registry.installation(settings) if step.kind == "index template"]  # noqa: E731
    assert steps(cluster.settings) == ["created", "created"]
    assert steps(cluster.settings) == ["unchanged", "unchanged"]
    more = cluster.settings.model_copy(
        update={"elasticsearch": cluster.settings.elasticsearch.model_copy(update={"shards": 2})}
    )
    assert steps(more) == ["updated", "updated"]
    client = cluster.client
    assert client is not None
    client.indices.put_index_template(name=names["prefix"], index_patterns=[f"{names['prefix']}-*"])
    with pytest.raises(Exception, match="not managed by shipper"):
        steps(cluster.settings)
    cluster.close()


def test_the_template_gives_the_mapping_and_aliases(cluster: Cluster, make: Make) -> None:
    """Known fields are typed, unknown ones are kept and not mapped, ECS names are aliases of ours."""
    cluster.write([make(1, correlation_id="abc", status_code=503, method="POST", extra={"a": {"b": 7}}, unheard="of")])
    client = cluster.client
    assert client is not None
    index = make(1).index
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    assert "unheard" not in mapping
    for query in (
        {"term": {"http.request.id": "abc"}},
        {"range": {"http.response.status_code": {"gte": 500}}},
        {"term": {"extra.a.b": "7"}},
        {"term": {"log.level": "info"}},
    ):
        assert client.count(index=index, query=query)["count"] == 1


def test_a_release_that_the_index_still_rejects_is_reported(
    cluster: Cluster, make: Make, reader: ElasticsearchReader
) -> None:
    """A rejected document is released once the mapping accepts it, under the same id and day."""
    bad = make(1, duration_ms="a moment")
    cluster.write([bad])
    (entry,) = reader.quarantine()
    document, _ = build_pipeline.releaser(cluster.settings)(entry)
    assert document is not None
    with pytest.raises(Exception, match="duration_ms"):
        reader.release(entry["_index"], entry["_id"], document)
    client = cluster.client
    assert client is not None
    client.indices.delete(index=bad.index, ignore_unavailable=True)
    client.indices.create(index=bad.index, mappings={"properties": {"duration_ms": {"type": "keyword"}}})
    reader.release(entry["_index"], entry["_id"], document)
    assert client.get(index=bad.index, id=bad.id.hex())["_source"]["duration_ms"] == "a moment"
    assert list(reader.quarantine()) == []


# --- busy, small and unreachable servers ---------------------------------------------------------


def test_a_request_that_is_too_large_is_split(own_elasticsearch: Any, names: dict[str, str], tmp_path: Path) -> None:
    """413 halves the request down to the one document that is too large alone, which is quarantined."""
    own_elasticsearch.start(settings={"http.max_content_length": "64kb"})
    cluster = Cluster(own_elasticsearch.url, names, tmp_path, compress=False).setup()
    documents = [make_document(number, prefix=names["prefix"], message="x" * 900) for number in range(300)]
    documents[150] = make_document(150, prefix=names["prefix"], message="y" * 70_000)
    written = cluster.write(documents)
    assert (written.stored, written.refused) == (299, 1)
    assert cluster.count() == 299
    (line,) = (tmp_path / "dead-letters.ndjson").read_bytes().splitlines()
    assert "413" in orjson.loads(line)["reason"]
    cluster.close()


def test_a_server_that_rejects_large_requests_gets_everything_in_the_end(
    own_elasticsearch: Any, names: dict[str, str], tmp_path: Path
) -> None:
    """429 on requests larger than its memory for indexing: they are retried in smaller parts, and nothing is rejected."""
    own_elasticsearch.start(settings={"indexing_pressure.memory.limit": "100kb"})
    cluster = Cluster(own_elasticsearch.url, names, tmp_path).setup()
    batches = [
        [make_document(1000 * batch + number, prefix=names["prefix"], message="x" * 500) for number in range(1000)]
        for batch in range(6)
    ]
    written = [answer.result(timeout=200) for answer in [cluster.output.submit(batch) for batch in batches]]
    assert sum(result.stored for result in written) == 6000
    assert sum(result.throttled for result in written) > 0
    assert cluster.count() == 6000
    cluster.close()


def test_another_node_is_used_when_one_is_down(elasticsearch: str, names: dict[str, str], tmp_path: Path) -> None:
    """The first host refuses connections; documents go to the second."""
    cluster = Cluster(elasticsearch, names, tmp_path).setup()
    down = Proxy(elasticsearch)
    down.close()
    several = Cluster(down.url, names, tmp_path, hosts=[elasticsearch])
    for number in range(4):
        assert several.output.write([make_document(number, prefix=names["prefix"])]).stored == 1
    several.output.close()
    assert cluster.count() == 4
    cluster.close()


@pytest.fixture
def through(elasticsearch: str, names: dict[str, str], tmp_path: Path) -> Iterator[tuple[Cluster, Proxy, Cluster]]:
    """Yield a cluster, a proxy in front of it, and the same cluster through the proxy."""
    direct = Cluster(elasticsearch, names, tmp_path).setup()
    proxy = Proxy(elasticsearch)
    indirect = Cluster(proxy.url, names, tmp_path, compress=False)
    yield direct, proxy, indirect
    indirect.output.close()
    proxy.close()
    direct.close()


def test_a_connection_cut_in_the_middle_loses_and_duplicates_nothing(through: tuple[Cluster, Proxy, Cluster]) -> None:
    """The half of a request that arrived is stored or not; the retry stores the rest."""
    direct, proxy, indirect = through
    documents = [make_document(number, prefix=direct.names["prefix"]) for number in range(3000)]
    proxy.cut_after = 300_000
    written = indirect.output.write(documents)
    assert proxy.cut_after is None
    assert written.stored + written.duplicates == 3000
    assert direct.count() == 3000


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http("200 OK", b"<html>welcome</html>", "Content-Type: text/html"), "unexpected response|not Elasticsearch"),
        (
            http("200 OK", b'{"errors":false}', "Content-Type: application/json"),
            "not Elasticsearch|unexpected response",
        ),
        (http("401 Unauthorized", b"{}", "Content-Type: application/json"), "401"),
        (http("403 Forbidden", b"{}", "Content-Type: application/json"), "403"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"half', "cannot be reached"),
    ],
)
def test_an_invalid_response_makes_the_output_unavailable(
    through: tuple[Cluster, Proxy, Cluster], answer: bytes, said: str
) -> None:
    """A proxy in between, a wrong password: nothing counts as stored, and the message names what to check."""
    direct, proxy, indirect = through
    indirect.output.write([make_document(0, prefix=direct.names["prefix"])])
    proxy.answer = lambda _number, _head: answer
    for connection in list(proxy.open):
        connection.close()
    documents = [make_document(1, prefix=direct.names["prefix"])]
    with suppress(OutputUnavailable):  # the first request may still use an open connection
        indirect.output.write(documents)
    with pytest.raises(OutputUnavailable, match=said) as error:
        indirect.output.write(documents)
    assert error.value.hint


def test_retry_after_is_respected(through: tuple[Cluster, Proxy, Cluster]) -> None:
    """503 with Retry-After is respected, and the same documents are retried."""
    direct, proxy, indirect = through
    for _ in range(2):  # the second time the index exists, and is known from then on
        indirect.output.write([make_document(0, prefix=direct.names["prefix"])])
    busy = http("503 Service Unavailable", b"<h1>busy</h1>", "Content-Type: text/html", "Retry-After: 1")
    proxy.answer = lambda _number, head: (
        busy if b"_bulk" in head and not any(b"_bulk" in earlier for earlier in proxy.requests[:-1]) else None
    )
    for connection in list(proxy.open):
        connection.close()
    documents = [make_document(number, prefix=direct.names["prefix"]) for number in range(1, 11)]
    started = time.monotonic()
    written = indirect.output.write(documents)
    assert (written.stored, written.retried) == (10, 10)
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ({"api_key": "c2VjcmV0LWtleQ=="}, b"ApiKey c2VjcmV0LWtleQ=="),
        ({"username": "shipper", "password": "hunter2"}, b"Basic c2hpcHBlcjpodW50ZXIy"),
        ({}, None),
    ],
)
def test_requests_carry_the_credentials(
    through: tuple[Cluster, Proxy, Cluster], tmp_path: Path, credentials: dict[str, str], sent: bytes | None
) -> None:
    """An API key, or user and password; bodies are compressed, and the secret is in no error."""
    direct, proxy, _ = through
    cluster = Cluster(proxy.url, direct.names, tmp_path, **credentials)
    assert cluster.output.write([make_document(n, prefix=direct.names["prefix"]) for n in range(50)]).stored == 50
    heads = b"".join(proxy.requests).lower()
    assert (b"authorization: " + sent.lower() in heads) if sent is not None else b"authorization" not in heads
    proxy.answer = lambda _number, _head: http("401 Unauthorized", b"{}", "Content-Type: application/json")
    for connection in list(proxy.open):
        connection.close()
    with pytest.raises(OutputUnavailable) as error:
        cluster.output.write([make_document(99, prefix=direct.names["prefix"])])
    assert not any(secret in str(error.value) for secret in ("hunter2", "c2VjcmV0"))
    cluster.output.close()


def test_opensearch_is_rejected_with_a_hint(through: tuple[Cluster, Proxy, Cluster]) -> None:
    """It responds like an old Elasticsearch, which the client rejects."""
    _, proxy, indirect = through
    body = (
        b'{"name":"node","version":{"distribution":"opensearch","number":"2.19.1"},"tagline":"The OpenSearch Project"}'
    )
    proxy.answer = lambda _number, _head: http("200 OK", body, "Content-Type: application/json")
    with pytest.raises(OutputUnavailable, match="is not Elasticsearch") as error:
        indirect.output.write([make_document(1, prefix=indirect.names["prefix"])])
    assert "OpenSearch" in str(error.value)
    assert "Kafka" in error.value.hint


def test_an_older_server_is_refused_by_its_number(through: tuple[Cluster, Proxy, Cluster]) -> None:
    """Version 7 has another API: nothing is tried on it."""
    _, proxy, indirect = through
    body = b'{"name":"node","version":{"number":"7.17.9","build_flavor":"default"},"tagline":"You Know, for Search"}'
    product = "X-Elastic-Product: Elasticsearch"
    proxy.answer = lambda _number, _head: http("200 OK", body, "Content-Type: application/json", product)
    with pytest.raises(OutputUnavailable, match=r"runs Elasticsearch 7\.17\.9; this shipper supports 8 and 9"):
        indirect.output.write([make_document(1, prefix=indirect.names["prefix"])])


def test_a_data_stream_takes_the_place_of_daily_indices(
    elasticsearch: str, names: dict[str, str], tmp_path: Path
) -> None:
    """Every day goes to one stream, quarantined entries to daily indices as before; the stream is searched like the others."""
    cluster = Cluster(elasticsearch, names, tmp_path, data_stream=True).setup()
    days = ("2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z")
    documents = [make_document(n, at=days[n % 2], prefix=names["prefix"], correlation_id="abc") for n in range(20)]
    bad = make_document(21, prefix=names["prefix"], duration_ms="a moment")
    try:
        assert cluster.output.write([*documents, bad]) == Written(20, 0, 1)
        assert cluster.output.write(documents) == Written(0, 20)
        client = cluster.client
        assert client is not None
        client.indices.refresh(index=names["prefix"])
        reader = registry.reader(cluster.settings)
        entries = list(reader.search(Query(correlation_id="abc")))
        reader.close()
        assert len(entries) == 20
        assert {entry["_index"].startswith(f".ds-{names['prefix']}-") for entry in entries} == {True}
    finally:
        cluster.output.close()


# --- TLS -----------------------------------------------------------------------------------------


def certificate(folder: Path, host: str, *, days: int = 1) -> tuple[Path, Path]:
    """Write a self-signed certificate and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{host}.pem", folder / f"{host}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.parametrize(
    ("host", "days", "trusted", "refusal"),
    [
        ("localhost", 1, True, None),
        ("localhost", 1, False, "not trusted"),
        ("elsewhere", 1, True, "not trusted"),
        ("localhost", -5, True, "not trusted"),
    ],
)
def test_tls_is_verified(
    elasticsearch: str, names: dict[str, str], tmp_path: Path, host: str, days: int, trusted: bool, refusal: str | None
) -> None:
    """A certificate of the configured authority, for this host and valid today; any other is an error with a hint."""
    direct = Cluster(elasticsearch, names, tmp_path).setup()
    pem, key = certificate(tmp_path, host, days=days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, key)
    proxy = Proxy(elasticsearch, context)
    cluster = Cluster(proxy.url, names, tmp_path, **({"ca_file": str(pem)} if trusted else {}))
    if refusal is None:
        assert cluster.output.write([make_document(1, prefix=names["prefix"])]).stored == 1
    else:
        with pytest.raises(OutputUnavailable, match=refusal) as error:
            cluster.output.write([make_document(1, prefix=names["prefix"])])
        assert "ca_file" in error.value.hint
    cluster.output.close()
    proxy.close()
    direct.close()
