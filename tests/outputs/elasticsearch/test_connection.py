"""The writing connection: hosts in turn, requests sent again, and bodies as they are."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, closing
from socket import create_server
from typing import Any

import pytest

from shipper.config.output_settings import ElasticsearchSettings
from shipper.outputs.elasticsearch.connection import Connection
from shipper.system.errors import OutputUnavailable
from tests.outputs.scripted_elasticsearch import ScriptedElasticsearch, served


@pytest.fixture
def nodes() -> Iterator[list[ScriptedElasticsearch]]:
    """Two nodes of a cluster."""
    with ExitStack() as stack:
        yield [stack.enter_context(served(ScriptedElasticsearch())) for _ in range(2)]


def connected(*urls: str, **options: Any) -> Connection:
    """Return a connection to a cluster of these nodes."""
    return Connection(urls[0], ElasticsearchSettings(hosts=list(urls[1:]), compress=False, **options))


def unused() -> str:
    """Return the URL of a port on which nobody listens."""
    with create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_requests_rotate_over_the_hosts(nodes: list[ScriptedElasticsearch]) -> None:
    """Each node gets its share."""
    with closing(connected(*(node.url for node in nodes))) as connection:
        for _ in range(4):
            assert connection.get("/").status == 200
    assert [len(node.requests) for node in nodes] == [2, 2]


def test_a_host_that_is_down_is_passed_over_and_tried_last(nodes: list[ScriptedElasticsearch]) -> None:
    """One request is lost on it, not one of two."""
    down = unused()
    with closing(connected(down, nodes[0].url)) as connection:
        for _ in range(4):
            assert connection.get("/").status == 200
        assert [host.failures for host in connection._hosts] == [1, 0]
    assert len(nodes[0].requests) == 4


def test_without_a_host_the_error_names_the_cause() -> None:
    """The first host is the one that people configured as `output`."""
    refused = pytest.raises(OutputUnavailable, match="cannot be reached: Connection refused")
    with closing(connected(unused(), unused())) as connection, refused as error:
        connection.get("/")
    assert error.value.resumes


@pytest.mark.parametrize("compress", [False, True])
def test_a_body_arrives_byte_for_byte(compress: bool) -> None:
    """Compressed or not."""
    bodies: list[bytes] = []
    node = ScriptedElasticsearch()
    node.script = lambda _method, _path, body: (bodies.append(body), (200, {"errors": False}))[1]
    body = b'{"create":{"_id":"1"}}\n{"message":"\xc3\xa9"}\n' * 1000
    with served(node), closing(Connection(node.url, ElasticsearchSettings(compress=compress))) as connection:
        assert connection.bulk("/i/_bulk", body).status == 200
    assert bodies == [body]
    assert len(gzip.compress(body, 1)) < len(body)


def test_an_answer_of_another_product_is_no_success(nodes: list[ScriptedElasticsearch]) -> None:
    """Responses name the product; those of a proxy or of OpenSearch do not."""
    with closing(connected(nodes[0].url)) as connection:
        connection._verify(connection.get("/"))
        answer = connection.get("/")._replace(headers={})
        with pytest.raises(OutputUnavailable, match="is not Elasticsearch"):
            connection._verify(answer)
        with pytest.raises(OutputUnavailable, match="unexpected response"):
            connection._verify(answer._replace(data=b"<html>"))
