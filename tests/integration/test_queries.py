"""The queries of docs/queries.md: asked of real servers, and about fields and metrics that there are."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from elasticsearch import Elasticsearch

from deploy.services.monitoring import CURE, programs
from deploy.services.unavailable import Unavailable
from schemas.mapping import event_mapping, leaves, quarantine_mapping
from shipper import wiring
from shipper.cli import cli
from shipper.settings import Settings
from tests.deploy.pages import examples
from tests.integration.conftest import missing
from tests.outputs.conftest import make_document
from tests.outputs.kql import as_query, terms

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
CURLS = [text for text in examples(PAGE, "sh") if text.startswith("curl ")]
COMMANDS = [text.strip() for text in examples(PAGE, "sh") if text.startswith("shipper ")]
KQL = [text.strip() for text in examples(PAGE, "kql")]
ESQL = [text.strip() for text in examples(PAGE, "esql")]
FIELDS = {
    "keneyapp-logs": leaves(event_mapping()["properties"]),
    "keneyapp-quarantine": leaves(quarantine_mapping()["properties"]),
}
FUNCTIONS = {"COUNT", "PERCENTILE", "NOW", "DATE_TRUNC", "MATCH"}
SYNTAX = {
    "FROM", "WHERE", "STATS", "BY", "SORT", "KEEP", "LIMIT", "DESC", "AND", "IN", "IS", "NULL", "minute", "minutes",
    "hour",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with something to find for every question, written by the real output."""
    settings = Settings(
        output=elasticsearch, state_dir=tmp_path_factory.mktemp("queries"), elasticsearch={"replicas": 0}
    )
    list(wiring.installation(settings))
    at = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: list[dict[str, Any]] = [
        {
            "correlation_id": "visit-4711",
            "event": "request_complete",
            "duration_ms": 1800.5,
            "path": "/api/v1/patients",
        },
        {"event": "login_failed", "client_ip": "10.1.2.3"},
        {"event": "request_error", "level": "error", "exception": "Traceback: the connection pool is exhausted"},
        {"event": "patient_updated", "patient_id": "456", "user_id": "7"},
        {"event": "odd", "duration_ms": "a moment"},
    ]
    documents = [make_document(number, at=at, **fields) for number, fields in enumerate(found)]
    refused = make_document(
        50, at=at, prefix="keneyapp-quarantine", raw="x", reasons=[{"kind": "correlation_id_missing", "detail": "none"}]
    )
    output = wiring.output_of(settings)
    written = output.submit([*documents, refused]).result(30)
    output.close()
    assert (written.stored, written.refused) == (5, 1)
    with Elasticsearch(elasticsearch) as client:
        client.indices.refresh(index="keneyapp-*")
        yield elasticsearch
        for index in client.indices.get(index="keneyapp-*"):
            client.indices.delete(index=index)


def found_in(answer: dict[str, Any]) -> int:
    """Hits, or buckets, of an answer."""
    buckets = [len(part["buckets"]) for part in answer.get("aggregations", {}).values()]
    return min(buckets) if buckets else len(answer["hits"]["hits"])


@pytest.mark.integration
@pytest.mark.parametrize("curl", CURLS, ids=range(len(CURLS)))
def test_every_curl_finds_something(store: str, curl: str) -> None:
    """Run by a shell as it stands there, against a real server."""
    done = subprocess.run(
        ["bash", "-c", curl], capture_output=True, text=True, timeout=30, env={**os.environ, "ES": store}, check=True
    )
    answer = json.loads(done.stdout)
    assert "error" not in answer, answer
    assert found_in(answer) > 0, answer


@pytest.mark.integration
@pytest.mark.parametrize("query", KQL)
def test_every_kql_finds_something(store: str, query: str) -> None:
    """Asked as Kibana would ask it."""
    index = "keneyapp-quarantine-*" if "reasons." in query else "keneyapp-logs-*"
    with Elasticsearch(store) as client:
        assert client.search(index=index, query=as_query(query))["hits"]["hits"], query


@pytest.mark.parametrize("query", KQL)
def test_kql_names_fields_of_the_mapping(query: str) -> None:
    """A field that is not there finds nothing, and Kibana does not say so."""
    kind = "keneyapp-quarantine" if "reasons." in query else "keneyapp-logs"
    assert {term.field for term in terms(query)} <= FIELDS[kind].keys()


@pytest.mark.parametrize("query", ESQL)
def test_esql_names_fields_of_the_mapping(query: str) -> None:
    """Each word is a command, a function, a field, or a name that the query makes itself."""
    lines = query.splitlines()
    source = re.fullmatch(r"FROM (keneyapp-(?:logs|quarantine))-\*", lines[0])
    assert source is not None
    assert all(re.match(r"\| (WHERE|STATS|SORT|KEEP|LIMIT) ", line) for line in lines[1:])
    text = re.sub(r'"[^"]*"', "", "\n".join(lines[1:]))
    made = set(re.findall(r"(\w+) =[^=]", text))
    words = set(re.findall(r"@?[A-Za-z_][\w.]*", text)) - made
    assert words - SYNTAX - FUNCTIONS <= FIELDS[source[1]].keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one(command: str) -> None:
    """The command line takes it as it stands there."""
    words = shlex.split(command)[1:]
    group: click.Command = cli
    with click.Context(cli) as context:
        while isinstance(group, click.Group):
            _, found, words = group.resolve_command(context, words)
            assert found is not None
            group = found
        group.make_context("shipper", words, resilient_parsing=False)


@pytest.mark.integration
def test_promtool_reads_every_promql(tmp_path: Path) -> None:
    """As the expression of a rule."""
    try:
        tool = programs().promtool
    except Unavailable as error:
        missing(str(error), CURE)
    rules = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(examples(PAGE, "promql"))]
    assert len(rules) > 8
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [tool, "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
