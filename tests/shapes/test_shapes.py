"""The corpus: what real loggers write is stored as a person reads it, whatever the runtime and the chain."""

import json
from pathlib import Path
from typing import get_args

import pytest

from tests.shapes.agent_run import Chain, Stored, chains, stored_by_shape
from tests.shapes.envelopes import PART, Envelope, cri_records, docker_records, log_of
from tests.shapes.joins import outcomes
from tests.shapes.judge import judge
from tests.shapes.report import totals, verdicts
from tests.shapes.truth import Entry, Shape, own_shapes

LOGGERS = (
    "structlog", "python-json-logger", "loguru", "pino", "winston", "bunyan", "zap", "zerolog", "logrus", "slog", "logback",
    "log4j2", "Spring Boot", "Quarkus", "Serilog", ".NET", "Monolog", "Laravel", "Symfony", "Rails", "lograge", "Ruby Logger",
    "tracing", "env_logger", "GCP", "AWS", "Datadog", "ECS", "GELF", "OpenTelemetry", "nginx", "Traefik", "Envoy", "HAProxy",
    "Caddy", "PostgreSQL", "MongoDB", "Redis", "RabbitMQ", "Kafka", "Elasticsearch", "Keycloak", "Vault", "klog", "uvicorn",
    "gunicorn", "Hypercorn", "uWSGI", "celery", "Django", "werkzeug", "morgan", "gin", "NestJS", "PHP-FPM", "Elixir", "Erlang",
    "etcd", "CoreDNS", "containerd", "syslog", "MySQL", "MariaDB", "Apache", "Tomcat", "java.util.logging", "Perl",
)  # fmt: skip
"""The loggers and servers that must look right without configuration."""
SIMPLE = '{"level":"error","message":"no template","correlation_id":"c-7","timestamp":"2026-03-09T08:15:30.123Z"}'
TRUTH = {"level": "error", "message": "no template", "correlation_id": "c-7", "time_ms": 1_773_044_130_123}


@pytest.mark.integration
@pytest.mark.parametrize("chain", chains())
@pytest.mark.parametrize("envelope", get_args(Envelope))
def test_every_logger_is_stored_as_a_person_reads_it(envelope: Envelope, chain: Chain) -> None:
    """Without a line of configuration; `python -m tests.shapes --list-misses` names what differs."""
    every = verdicts(own_shapes(), envelope, chain)
    missed = {total.aspect: f"{total.right} of {total.asked}" for total in totals(every) if not total.met}
    assert missed == {}, [
        f"{one.shape}: {one.aspect}: {one.got!r}, not {one.asked!r}" for one in every if not one.right
    ]


@pytest.mark.parametrize("logger", LOGGERS)
def test_the_corpus_holds_every_logger(logger: str) -> None:
    """One that is promised is tried."""
    assert any(logger.lower() in shape.name.lower() for shape in own_shapes())


def test_both_chains_store_the_same() -> None:
    """Whatever the form, a document does not depend on the implementation that made it."""
    shapes = own_shapes()
    results = [
        [
            [[one.body | {"log": None} for one in stored] for stored in shape]
            for shape in stored_by_shape(shapes, "docker", chain)
        ]
        for chain in chains()
    ]
    for shape, *documents in zip(shapes, *results, strict=True):
        assert all(each == documents[0] for each in documents), shape.name


def test_a_shape_that_is_understood_today_is_right_in_everything() -> None:
    """The comparison finds nothing wrong in a document as the schema names its fields."""
    shape = Shape("schema", "app", [Entry([SIMPLE], TRUTH)])
    [[stored]] = stored_by_shape([shape], "docker", "python")
    assert all(one.right for one in judge(shape, shape.entries[0], stored))


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        ({"level": "info"}, "level"),
        ({"message": "another"}, "message"),
        ({"correlation_id": "c-8"}, "id"),
        ({"@timestamp": "2026-03-09T08:15:30.124Z"}, "time"),
    ],
)
def test_the_comparison_finds_what_differs(change: dict[str, str], aspect: str) -> None:
    """Only the changed property is wrong."""
    body = {
        "@timestamp": "2026-03-09T08:15:30.123Z",
        "level": "error",
        "message": "no template",
        "correlation_id": "c-7",
    }
    entry = Entry([SIMPLE], TRUTH)
    wrong = [
        one.aspect
        for one in judge(Shape("schema", "app", [entry]), entry, [Stored(body | change, quarantined=False)])
        if not one.right
    ]
    assert wrong == [aspect]


def test_a_quarantined_event_is_right_in_nothing() -> None:
    """Its properties are not what a search finds."""
    entry = Entry([SIMPLE], TRUTH)
    verdicts_of = judge(
        Shape("schema", "app", [entry]), entry, [Stored({"reasons": [{"kind": "blank"}]}, quarantined=True)]
    )
    assert [one.aspect for one in verdicts_of if one.right] == ["one event"]


def test_a_trace_with_a_line_missing_is_not_whole() -> None:
    """All its lines belong to the one event."""
    entry = Entry(
        ["ERROR: failed", "Traceback (most recent call last):", '  File "a.py", line 1', "OSError: jam"],
        {"stack": True},
    )
    body = {"exception": 'ERROR: failed\nTraceback (most recent call last):\n  File "a.py", line 1'}
    wrong = [
        one for one in judge(Shape("s", "text", [entry]), entry, [Stored(body, quarantined=False)]) if not one.right
    ]
    assert [(one.aspect, "OSError" in one.got) for one in wrong] == [("stack", True)]


def test_long_lines_are_written_in_parts_as_runtimes_do() -> None:
    """Parts have the line's time; only the end says that the line is whole."""
    time, line = "2026-03-09T08:15:30.126000417Z", "x" * (PART + 5)
    docker = [json.loads(record)["log"] for record in docker_records(line, time).splitlines()]
    assert docker == ["x" * PART, "x" * 5 + "\n"]
    assert [record.split(b" ", 3)[2] for record in cri_records(line, time).splitlines()] == [b"P", b"F"]


def test_the_runtimes_times_rise_and_lie_after_the_applications() -> None:
    """So that no time of the truth is in doubt."""
    shape = Shape("s", "app", [Entry(["a", "b"], {"time_ms": 1_773_044_130_123}), Entry(["c"], {"time_ms": 1_000})])
    times = [json.loads(line)["time"] for line in log_of(shape, "docker").content.splitlines()]
    assert times == sorted(times)
    assert times[0] == "2026-03-09T08:15:30.126000417Z"


def test_the_list_of_joins_holds_every_line_and_shows_what_was_joined(tmp_path: Path) -> None:
    """Lines of separate events stay apart; a trace is one text of several lines."""
    trace = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "    f()", "OSError: jam"]
    (tmp_path / "apart.log").write_text("2026-03-09 08:15:30 one\n2026-03-09 08:15:31 two\n", encoding="utf-8")
    (tmp_path / "trace.log").write_text("\n".join([*trace, "2026-03-09 08:15:30 on"]) + "\n", encoding="utf-8")
    apart, joined = outcomes(sorted(tmp_path.iterdir()))
    assert (apart.lines, apart.events, apart.joined) == (2, 2, [])
    assert (joined.lines, joined.events, joined.joined) == (5, 2, ["\n".join(trace)])
