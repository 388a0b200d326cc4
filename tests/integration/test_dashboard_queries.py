"""Every query of every dashboard, asked of a real Prometheus and a real Elasticsearch while there is traffic."""

import math
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from elasticsearch import Elasticsearch

from deploy.grafana.layout import VARIABLES
from deploy.services import exporters
from deploy.services.monitoring import PROMETHEUS
from deploy.services.postgres_server import PostgresServer
from deploy.services.processes import free_port
from deploy.services.prometheus_server import PrometheusServer, over_targets
from deploy.services.redis_server import RedisServer
from deploy.services.unavailable import Unavailable
from deploy.traffic.truth import Truth
from tests.deploy.boards import ROOT, Query, panel, queries
from tests.integration.agent import AgentProcess
from tests.integration.conftest import missing
from tests.services.sample_app import SampleApp
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]  # the first run installs the servers
RANGE_S = 600
"""Longer than the traffic takes."""
SHOWN_S = 60
"""The end of it, of which panels with a graph show something."""
HINT = "run the tests as root on Debian, or install the package"
BUSINESS = "grafana-business-kpi-dashboard.json"
QUERIES = list(queries())
EXAMPLE = ROOT / "deploy" / "sample-app" / "shipper.yaml"


def substituted(text: str, environment: str = "test") -> str:
    """A query as Grafana would send it."""
    values = {
        "__rate_interval": "15s", "__range": f"{RANGE_S}s", "environment": environment, "job": "(keneyapp-backend)",
        "instance": ".*", "service": "(backend)",
    }  # fmt: skip
    return re.sub(r"\$(\w+)", lambda named: values[named[1]], text)


class System:
    """The application with its servers, exporters and traffic; the shipper, and what both tell Prometheus."""

    def __init__(self, folder: Path, elasticsearch: str) -> None:
        self.folder, self.elasticsearch = folder, Elasticsearch(elasticsearch)
        own = uuid.uuid4().hex[:8]
        self.prefixes = {"keneyapp-logs": f"t{own}-logs", "keneyapp-quarantine": f"t{own}-quarantine"}
        self.truth: Truth
        self.prometheus: PrometheusServer
        self.at: float
        """The moment, right after the traffic, at which everything is looked at (seconds since the epoch)."""
        self._stack = ExitStack()

    def start(self) -> "System":
        """Everything, and traffic until there is something to see. Raises Unavailable."""
        database = PostgresServer()
        self._stack.callback(database.remove)
        database.start()
        redis = RedisServer(self.folder)
        self._stack.callback(redis.stop)
        redis.start()
        app = SampleApp(self.folder, database.url, redis.url)
        self._stack.callback(app.stop)
        app.start()
        agent = self._agent(app)
        enter = self._stack.enter_context
        self.prometheus = over_targets(
            self.folder,
            {
                "keneyapp-backend": app.address,
                "shipper": agent.listen,
                "node": enter(exporters.node(self.folder)),
                "redis": enter(exporters.redis(self.folder, redis.url)),
                "postgres": enter(exporters.postgres(self.folder, database.url)),
            },
            {"environment": "test"},
        )
        self._stack.callback(self.prometheus.stop)
        self.prometheus.start()
        until(lambda: len(self.prometheus.query("up == 1")) == 5)
        self.truth = self._traffic(app)
        until(lambda: agent.metric("shipper_lag_bytes") == 0)
        until(self._scraped)
        return self

    def _agent(self, app: SampleApp) -> AgentProcess:
        """`shipper setup`, then `shipper run`, with the counters of the example beside the application."""
        counters = yaml.safe_load(EXAMPLE.read_text())["counters"]
        index = {"prefix": self.prefixes["keneyapp-logs"], "quarantine_prefix": self.prefixes["keneyapp-quarantine"]}
        config = self.folder / "shipper.yaml"
        config.write_text(yaml.safe_dump({"counters": counters, "index": index, "elasticsearch": {"replicas": 0}}))
        (url,) = (f"http://{node.host}:{node.port}" for node in self.elasticsearch.transport.node_pool.all())
        command = [sys.executable, "-m", "shipper", "setup", "--config", str(config), "--output", url]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        listen = f"127.0.0.1:{free_port()}"
        agent = AgentProcess(self.folder, app.logs, listen=listen, output=url, config=config).start()
        self._stack.callback(agent.stop)
        return agent

    def _traffic(self, app: SampleApp) -> Truth:
        path = self.folder / "truth.json"
        command = [sys.executable, "-m", "deploy.traffic", "--url", app.url, "--visits", "200", "--pause", "0.03"]
        command += ["--fault", "errors", "--truth", str(path)]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        return Truth.read(path)

    def _scraped(self) -> bool:
        """Whether Prometheus saw the last of it, from all targets at one moment, which is kept.

        And a second before: a subquery looks at whole seconds, the last of which is over.
        """
        self.at = time.time()
        truth = self.truth
        patients = truth.patients["create"] - truth.patients["delete"]
        return all(
            next(iter(self.prometheus.ask(f"sum({selected})", at_ms).values()), None) == expected
            for at_ms in (self._at_ms - 1000, self._at_ms)
            for selected, expected in (
                ("up", 5),
                ('records_active{kind="patient"}', patients),
                ('login_attempts_total{job="shipper"}', truth.logins.total()),
                ('patient_operations_total{job="shipper"}', truth.patients.total()),
                ('appointment_bookings_total{job="shipper"}', truth.appointments.total()),
                ('prescription_created_total{job="shipper"}', truth.prescriptions.total()),
            )
        )

    @property
    def _at_ms(self) -> int:
        return int(self.at * 1000)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's series at that moment."""
        return self.prometheus.query(expression, self._at_ms)

    def values(self, query: Query, environment: str = "test") -> list[float]:
        """What a panel would show; NaN is nothing."""
        expression = substituted(query.target["expr"], environment)
        if query.target.get("instant"):
            found = [series["value"] for series in self.query(expression)]
        else:
            ranges = self.prometheus.query_range(expression, self.at - SHOWN_S, self.at)
            found = [value for series in ranges for value in series["values"]]
        return [float(value) for _, value in found if not math.isnan(float(value))]

    def documents(self, query: Query) -> int:
        """How many documents or buckets a panel of the index would show."""
        index = f"{self.prefixes[query.source]}-*"
        self.elasticsearch.indices.refresh(index=index)
        asked: dict[str, Any] = {
            "query": {
                "bool": {
                    "filter": [
                        {
                            "range": {
                                query.target["timeField"]: {
                                    "gte": self._at_ms - RANGE_S * 1000,
                                    "lte": self._at_ms,
                                    "format": "epoch_millis",
                                }
                            }
                        },
                        {"query_string": {"analyze_wildcard": True, "query": substituted(query.target["query"])}},
                    ]
                }
            }
        }
        aggregations = {
            found["id"]: {"terms": {"field": found["field"], "size": int(found["settings"]["size"])}}
            for found in query.target["bucketAggs"]
        }
        answer = self.elasticsearch.search(index=index, size=10, aggs=aggregations or None, **asked)
        if aggregations:
            return sum(len(found["buckets"]) for found in answer["aggregations"].values())
        return len(answer["hits"]["hits"])

    def stop(self) -> None:
        """All of it, and what was written to the shared server."""
        self._stack.close()
        for prefix in self.prefixes.values():
            for index in self.elasticsearch.indices.get(index=f"{prefix}-*"):
                self.elasticsearch.indices.delete(index=index)
            self.elasticsearch.options(ignore_status=404).indices.delete_index_template(name=prefix)
        self.elasticsearch.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, elasticsearch: str) -> Iterator[System]:
    """Running, with traffic behind it."""
    found = System(tmp_path_factory.mktemp("system"), elasticsearch)
    try:
        yield found.start()
        if (page := os.environ.get("SHIPPER_TEST_PANELS")) is not None:
            Path(page).write_text("\n".join(live(found)) + "\n", encoding="utf-8")
    except Unavailable as error:
        missing(str(error), HINT)
    finally:
        found.stop()


def live(system: System) -> Iterator[str]:
    """A page of every query with what it showed: what there is to look at where Grafana cannot run."""
    yield from (
        "# Dashboards, live",
        "",
        "What every query of every panel showed while the sample application had traffic, asked of a real Prometheus with",
        "the real exporters, and of a real Elasticsearch. Written by",
        "`SHIPPER_TEST_PANELS=docs/dashboards-live.md .venv/bin/python -m pytest tests/integration/test_dashboard_queries.py`.",
        "What the panels are for stands in [dashboards.md](dashboards.md).",
        "",
        "| dashboard | row | panel | query | showed |",
        "| --- | --- | --- | --- | --- |",
    )
    for query in QUERIES:
        board, row, title, _ = query.name.split(" | ")
        asked = query.target.get("expr") or query.target["query"]
        if "expr" in query.target:
            values = system.values(query)
            showed = f"{values[-1]:.4g}" if values else "nothing"
        else:
            showed = f"{system.documents(query)} documents or groups"
        text = " ".join(asked.split()).replace("|", "\\|")
        yield f"| {board} | {row} | {title} | `{text}` | {showed} |"


@pytest.mark.parametrize("query", QUERIES, ids=[query.name for query in QUERIES])
def test_every_query_of_every_panel_returns_data(system: System, query: Query) -> None:
    """No panel stays empty while there is traffic."""
    assert system.values(query) if "expr" in query.target else system.documents(query)


def test_no_query_shows_another_environment(system: System) -> None:
    """The variable filters every query but a constant."""
    for query in QUERIES:
        if "expr" in query.target and "vector(0)" not in query.target["expr"]:
            assert not system.values(query, environment="elsewhere"), query.name


def test_the_business_numbers_are_the_truth(system: System) -> None:
    """Whole numbers, equal to what was confirmed."""
    truth = system.truth
    for title, expected in (
        ("New Patients Today", truth.patients["create"]),
        ("Total Active Patients", truth.patients["create"] - truth.patients["delete"]),
        ("Scheduled Today", truth.appointments["scheduled"]),
        ("Prescriptions Created Today", truth.prescriptions.total()),
        ("Active Users", 4),
    ):
        found = panel(BUSINESS, title)
        assert system.values(Query(title, found, found["targets"][0])) == [expected], title


@pytest.mark.parametrize("query", [query for query, _ in VARIABLES.values()], ids=VARIABLES)
def test_every_variable_has_values(system: System, query: str) -> None:
    """Its metric is there, and carries the label."""
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    assert match is not None
    assert all(series["metric"][match[2]] for series in system.query(match[1]))
    assert system.query(match[1])


def test_every_metric_that_the_rules_ask_for_is_told_by_somebody(system: System) -> None:
    """By the application, an exporter or the shipper: a rule over a name that nobody exports is silent for ever."""
    text = "\n".join(path.read_text() for path in sorted((PROMETHEUS / "rules").glob("*.yml")))
    names = set(re.findall(r"(?<![\w:])([a-z]\w*)\{(?=\w)", text))
    assert len(names) > 20
    assert {name for name in names if not system.query(f"count({name})")} == set()
