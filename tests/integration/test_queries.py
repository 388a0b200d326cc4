"""The queries of docs/queries.md: run on real servers, and about fields and metrics that exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from elasticsearch import Elasticsearch

from deploy.services.monitoring import HINT, programs
from deploy.services.unavailable import Unavailable
from shipper.config.settings import Settings
from shipper.outputs import registry
from shipper_schemas.builtin_rules import FAILED_LOGINS, LOGIN
from shipper_schemas.mapping import event_mapping, leaves, quarantine_mapping
from tests.deploy.pages import examples
from tests.docs.command_line import parsed
from tests.integration.conftest import missing
from tests.outputs.conftest import make_document
from tests.outputs.kql import as_query, terms

pytestmark = pytest.mark.timeout(300)
PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
CURLS = [text for text in examples(PAGE, "sh") if text.startswith("curl ")]
SHIPPER = [
    line
    for text in examples(PAGE, "sh")
    for line in re.sub(r"\|\n *", "| ", text).splitlines()
    if line.startswith("shipper ")
]
KQL = [text.strip() for text in examples(PAGE, "kql")]
ESQL = [text.strip() for text in examples(PAGE, "esql")]
FIELDS = {
    "keneyapp-logs": leaves(event_mapping()["properties"]),
    "keneyapp-quarantine": leaves(quarantine_mapping()["properties"]),
}
FUNCTIONS = {"COUNT", "PERCENTILE", "NOW", "DATE_TRUNC", "MATCH_PHRASE", "MAX"}
SYNTAX = {
    "FROM", "WHERE", "STATS", "BY", "SORT", "KEEP", "LIMIT", "DESC", "AND", "OR", "IN", "IS", "NOT", "NULL", "minute",
    "minutes", "hour", "hours", "day",
}  # fmt: skip
LOGINS: list[dict[str, Any]] = [
    *({"event": event, "client_ip": "10.1.2.3"} for event in FAILED_LOGINS),
    *(
        {"event": event, "method": "POST", "path": path, "status_code": status, "client_ip": "10.1.2.4"}
        for event, path, status in (
            ("request_complete", LOGIN, 401), ("request_complete", f"{LOGIN}/", 401), ("http_access", LOGIN, 401),
            ("request_complete", LOGIN, 200), ("request_complete", f"{LOGIN}-status", 401),
        )
    ),
]  # fmt: skip
"""Six that count; then an access line of the same request, a success and another path."""
EVENTS: list[dict[str, Any]] = [
    {"correlation_id": "visit-4711", "event": "request_start"},
    {"correlation_id": "visit-4712", "event": "request_complete", "duration_ms": 12.0, "path": "/api/v1/patients"},
    {"correlation_id": "visit-4711", "event": "request_complete", "duration_ms": 1800.5, "path": "/api/v1/reports"},
    *LOGINS,
    {"event": "request_error", "level": "error", "exception": "Traceback: the connection pool is exhausted"},
    {"event": "request_error", "level": "error", "exception": "Traceback: connection lost beside the pool"},
    {"event": "patient_updated", "patient_id": "456", "user_id": "7"},
    {"event": "patient_updated", "patient_id": "4567", "user_id": "7"},
    {"event": "odd", "duration_ms": "a moment"},
]
STORED = len(EVENTS) - 1
ITS_DAY = "the day of the documents"


class Store(NamedTuple):
    """A server, and the day of all stored documents: midnight may have passed since."""

    url: str
    day: str


@pytest.fixture(scope="module")
def store(elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Yield a server with documents for every question, written by the real output."""
    settings = Settings(
        output=elasticsearch, state_dir=tmp_path_factory.mktemp("queries"), elasticsearch={"replicas": 0}
    )
    list(registry.installation(settings))
    at = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    documents = [make_document(number, at=at, **fields) for number, fields in enumerate(EVENTS)]
    refused = make_document(
        50, at=at, prefix="keneyapp-quarantine", raw="x", reasons=[{"kind": "correlation_id_missing", "detail": "none"}]
    )
    output = registry.output_of(settings)
    written = output.submit([*documents, refused]).result(90)
    output.close()
    assert (written.stored, written.refused) == (STORED + 1, 1)
    with Elasticsearch(elasticsearch) as client:
        client.indices.refresh(index="keneyapp-*")
        yield Store(elasticsearch, at[:10])
        for index in client.indices.get(index="keneyapp-*"):
            client.indices.delete(index=index)


Buckets = dict[str, Any]


def counted(aggregation: dict[str, Any]) -> Buckets:
    """Return the number of documents by key, with the keys of an inner aggregation after a slash."""
    totals: Buckets = {}
    for bucket in aggregation["buckets"]:
        key = bucket.get("key_as_string", bucket["key"])
        inner = [part for part in bucket.values() if isinstance(part, dict) and "buckets" in part]
        totals |= {f"{key}/{name}": number for part in inner for name, number in counted(part).items()}
        if not inner:
            totals[key] = bucket["doc_count"]
    return totals


def result_of(answer: dict[str, Any]) -> Any:
    """Return a response's count, its aggregations, or its events in their order."""
    if "count" in answer:
        return answer["count"]
    if "aggregations" in answer:
        return [counted(part) for part in answer["aggregations"].values()]
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def events_of(sources: list[dict[str, Any]], field: str) -> list[Any]:
    """Return one field of each event."""
    return [source[field] for source in sources]


def by_minute(aggregations: list[Buckets]) -> bool:
    """Return True for an hour of minutes up to now, including the empty ones."""
    (minutes,) = aggregations
    return len(minutes) in (61, 62) and sum(minutes.values()) == STORED and next(iter(minutes.values())) == 0


ANSWERS: dict[str, list[Any]] = {
    "What happened to this request?": [
        lambda events: events_of(events, "event") == ["request_start", "request_complete"]
    ],
    "Who fails to log in?": [[{"10.1.2.3": 4, "10.1.2.4": 2}, {"backend": 6}]],
    "What goes wrong, and where?": [[{"backend/request_error": 2}]],
    "Which stack traces mention it?": [lambda events: len(events) == 1],
    "What is slow?": [
        lambda events: events_of(events, "duration_ms") == [1800.5, 12.0],
        lambda events: list(events[0]) == ["/api/v1/reports", "/api/v1/patients"],
    ],
    "What was done to one patient's record?": [lambda events: events_of(events, "event") == ["patient_updated"]],
    "Was anything refused, and why?": [
        [{"correlation_id_missing/backend": 1, "refused_by_index/backend": 1}],
        lambda events: len(events) == 1 and events[0]["index"].startswith("keneyapp-logs-"),
    ],
    "Has a container stopped to log?": [by_minute],
    "Is a day complete?": [[{ITS_DAY: STORED}], STORED],
}
"""Expected result of each curl of a section over the documents above."""


def sections() -> Iterator[tuple[str, list[str]]]:
    """Yield the headings of the page, each with its curls."""
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        yield heading, [text for text in re.findall(r"```sh\n(.*?)```", body, re.DOTALL) if text.startswith("curl ")]


def test_every_curl_has_its_answer() -> None:
    """A new question needs an expected result."""
    assert {heading: len(curls) for heading, curls in sections() if curls} == {
        heading: len(answers) for heading, answers in ANSWERS.items()
    }


@pytest.mark.integration
@pytest.mark.parametrize("heading", ANSWERS)
def test_every_curl_answers_its_question(store: Store, heading: str, tmp_path: Path) -> None:
    """Run by a shell as written, against a real server, on the day of the documents."""
    program(tmp_path / "date", f'{shutil.which("date")} --date="{store.day} UTC"')
    variables = {"ES": store.url, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for curl, expected in zip(dict(sections())[heading], ANSWERS[heading], strict=True):
        answer = json.loads(shell(curl, variables).replace(f"{store.day}T00:00:00.000Z", ITS_DAY))
        assert "error" not in answer, answer
        value = result_of(answer)
        assert expected(value) if callable(expected) else value == expected, value


def program(path: Path, command: str) -> None:
    """Write a command of that name that runs a script with its arguments."""
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


def shell(command: str, variables: dict[str, str]) -> str:
    """Return the output of a command line of the page."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True, text=True, timeout=60, env={**os.environ, **variables}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
@pytest.mark.parametrize("command", [line for line in SHIPPER if line.startswith("shipper search")])
def test_every_search_finds_something(store: Store, command: str, tmp_path: Path) -> None:
    """The same documents, by our own command."""
    if "jq" in command and shutil.which("jq") is None:
        missing("no jq for the commands of the page", "apt-get install jq")
    program(tmp_path / "shipper", f"{sys.executable} -m shipper")
    path = f"{tmp_path}:{os.environ['PATH']}"
    output = shell(command, {"PATH": path, "SHIPPER_OUTPUT": store.url, "SHIPPER_STATE_DIR": str(tmp_path / "state")})
    assert output.strip()
    if "jq" in command:
        assert output.splitlines() == ['["10.1.2.4","backend"]'] * 3  # the other path contains the same words


def test_failed_logins_are_those_that_the_counter_counts() -> None:
    """The same events in every query language, and the request where there is none."""
    part = PAGE.read_text(encoding="utf-8").partition("## Who fails")[2].partition("\n## ")[0]
    for language in ("kql", "esql", "sh"):
        text = re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)[-1]
        assert {name for name in FAILED_LOGINS if name in text} == {*FAILED_LOGINS}, language
        assert f'"{LOGIN}"' in text


@pytest.mark.integration
@pytest.mark.parametrize("query", KQL)
def test_every_kql_finds_something(store: Store, query: str) -> None:
    """The query is translated as Kibana would do it."""
    index = "keneyapp-quarantine-*" if "reasons." in query else "keneyapp-logs-*"
    with Elasticsearch(store.url) as client:
        hits = client.search(index=index, query=as_query(query), size=100)["hits"]["hits"]
    assert len(hits) == (6 if "login_failed" in query else len(hits) or 1), query


@pytest.mark.parametrize("query", KQL)
def test_kql_names_fields_of_the_mapping(query: str) -> None:
    """An unknown field matches nothing, and Kibana does not report it."""
    kind = "keneyapp-quarantine" if "reasons." in query else "keneyapp-logs"
    assert {term.field for term in terms(query)} <= FIELDS[kind].keys()


@pytest.mark.parametrize("query", ESQL)
def test_esql_names_fields_of_the_mapping(query: str) -> None:
    """Each word is a command, a function, a field, or a name that the query defines."""
    lines = re.sub(r"\n {4,}", " ", query).splitlines()
    source = re.fullmatch(r"FROM (keneyapp-(?:logs|quarantine))-\*", lines[0])
    assert source is not None
    assert all(re.match(r"\| (WHERE|STATS|SORT|KEEP|LIMIT) ", line) for line in lines[1:])
    text = re.sub(r'"[^"]*"', "", "\n".join(lines[1:]))
    made = set(re.findall(r"(\w+) =[^=]", text))
    words = set(re.findall(r"@?[A-Za-z_][\w.]*", text)) - made
    assert words - SYNTAX - FUNCTIONS <= FIELDS[source[1]].keys()


@pytest.mark.parametrize("command", SHIPPER)
def test_every_command_is_valid(command: str) -> None:
    """The command line accepts it as written."""
    parsed(shlex.split(command.partition(" | ")[0])[1:])


@pytest.mark.parametrize("curl", CURLS, ids=range(len(CURLS)))
def test_curl_names_fields_of_the_mapping(curl: str) -> None:
    """An unknown field matches nothing, and the server does not report it."""
    kind = re.findall(r"/(keneyapp-\w+)-", curl)[0]
    _, _, body = curl.partition("-d '")
    named = set(named_fields(json.loads(body.rstrip().removesuffix("'")))) if body else set()
    assert named <= FIELDS[kind].keys()


def named_fields(part: Any) -> Iterator[str]:
    """Yield the fields that a query names."""
    if isinstance(part, list):
        for inner in part:
            yield from named_fields(inner)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key == "field":
            yield value
        elif key in ("term", "terms", "range", "match_phrase") and "field" not in value:
            yield from value
        elif key in ("sort", "_source"):
            yield from (name for names in value for name in ([names] if isinstance(names, str) else names))
        else:
            yield from named_fields(value)


@pytest.mark.integration
def test_promtool_reads_every_promql(tmp_path: Path) -> None:
    """Each is valid as the expression of a rule."""
    rules = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(examples(PAGE, "promql"))]
    assert promtool(tmp_path, "check", {"groups": [{"name": "queries", "rules": rules}]}) == ""


@dataclass(frozen=True)
class Expected:
    """Expected result of an expression of the page over SERIES, by its labels."""

    part: str
    """Text that occurs in this expression only."""
    samples: dict[str, float]


SERIES = {
    'http_requests_total{job="keneyapp-backend", status="200", endpoint="/a", instance="1"}': "0+480x60",
    'http_requests_total{job="keneyapp-backend", status="200", endpoint="/b", instance="2"}': "0+60x60",
    'http_requests_total{job="keneyapp-backend", status="500", endpoint="/b", instance="2"}': "0+60x60",
    'http_requests_total{job="another", status="500"}': "0+6000x60",
    'http_request_duration_seconds_bucket{job="keneyapp-backend", endpoint="/a", le="1"}': "0+60x60",
    'http_request_duration_seconds_bucket{job="keneyapp-backend", endpoint="/a", le="2"}': "0+60x60",
    'http_request_duration_seconds_bucket{job="keneyapp-backend", endpoint="/a", le="+Inf"}': "0+60x60",
    'http_request_duration_seconds_bucket{job="keneyapp-backend", endpoint="/b", le="1"}': "0+0x60",
    'http_request_duration_seconds_bucket{job="keneyapp-backend", endpoint="/b", le="2"}': "0+60x60",
    'http_request_duration_seconds_bucket{job="keneyapp-backend", endpoint="/b", le="+Inf"}': "0+60x60",
    'database_connections{job="keneyapp-backend", state="active", instance="1"}': "6x60",
    'database_connections{job="keneyapp-backend", state="active", instance="2"}': "4x60",
    'database_connections{job="keneyapp-backend", state="idle", instance="1"}': "9x60",
    'database_pool_size{job="keneyapp-backend", instance="1"}': "10x60",
    'database_pool_size{job="keneyapp-backend", instance="2"}': "10x60",
    'redis_keyspace_hits_total{job="redis"}': "0+180x60",
    'redis_keyspace_misses_total{job="redis"}': "0+60x60",
    'failed_login_attempts_total{job="shipper", service="backend", instance="1"}': "0x20 3x40",
    'failed_login_attempts_total{job="shipper", service="backend", instance="2"}': "0x40 4x20",
    'shipper_lag_seconds{job="shipper", instance="1", output="http"}': "7x60",
    'shipper_output_up{job="shipper", instance="1", output="http"}': "1x60",
    'shipper_output_up{job="shipper", instance="2", output="http"}': "0x60",
    'shipper_correlation_id_events_total{job="shipper", service="api", outcome="accepted"}': "0+180x60",
    'shipper_correlation_id_events_total{job="shipper", service="api", outcome="quarantined"}': "0+60x60",
}
APPLICATION = '{job="keneyapp-backend"}'
VALUES = (
    Expected('sum by (job) (rate(http_requests_total{job="keneyapp-backend"}[5m]))', {APPLICATION: 10}),
    Expected('status=~"5.."', {APPLICATION: 10}),
    Expected("histogram_quantile", {APPLICATION: 1.9}),
    Expected('state="active"})', {APPLICATION: 10}),
    Expected("/ sum by (job) (database_pool_size", {APPLICATION: 0.5}),
    Expected("redis_keyspace_hits_total", {'{job="redis"}': 75}),
    Expected("increase(failed_login", {'{service="backend"}': 0}),
    Expected("max_over_time", {'{service="backend"}': 7}),
    Expected("shipper_lag_seconds", {'{instance="1"}': 7}),
    Expected("shipper_output_up", {'{instance="1", output="http"}': 1, '{instance="2", output="http"}': 0}),
    Expected('outcome="quarantined"', {'{service="api"}': 0.25}),
)
"""An hour after the beginning, in the order of the page."""


@pytest.mark.integration
def test_every_promql_gives_the_number_it_promises(tmp_path: Path) -> None:
    """Over several instances and endpoints, beside a job that is not selected."""
    expressions = list(examples(PAGE, "promql"))
    assert [expected.part in text for expected, text in zip(VALUES, expressions, strict=True)] == [True] * len(VALUES)
    cases = [
        {
            "expr": text,
            "eval_time": "1h",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.samples.items()],
        }
        for expected, text in zip(VALUES, expressions, strict=True)
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": cases}]
    assert promtool(tmp_path, "test", {"rule_files": [], "evaluation_interval": "1m", "tests": tests}) == ""


def promtool(folder: Path, verb: str, content: dict[str, Any]) -> str:
    """Return the errors of `promtool VERB rules` for a file."""
    try:
        tool = programs().promtool
    except Unavailable as error:
        missing(str(error), HINT)
    file = folder / "rules.yml"
    file.write_text(json.dumps(content))
    done = subprocess.run([tool, verb, "rules", str(file)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
