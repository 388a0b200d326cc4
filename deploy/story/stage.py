"""The servers of the story, started in order on loopback ports and always stopped at the end."""

import glob
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from deploy.demo import engine
from deploy.demo.samples import scrape, total
from deploy.services import docker_engine, exporters
from deploy.services.alertmanager_server import AlertmanagerServer
from deploy.services.exposed import Exposed
from deploy.services.http import answers
from deploy.services.monitoring import PROMETHEUS, programs
from deploy.services.postgres_server import PostgresServer
from deploy.services.processes import free_port
from deploy.services.prometheus_server import PrometheusServer
from deploy.services.redis_server import RedisServer
from deploy.services.rule_copies import scraping, shortened
from deploy.services.sinks import PagerDutySink, SlackSink, SmtpSink
from deploy.services.unavailable import Unavailable
from deploy.traffic.visits import Traffic

SEED = 11
POOL = 5
"""Connections of the application's pool."""
AVAILABLE, MEMORY = "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"
EVERY = "250ms"
"""Interval of rule evaluation and of scraping the shipper; the other targets are scraped once a second."""
RUNBOOKS = {
    rule["alert"]: rule["annotations"]["runbook_url"]
    for group in yaml.safe_load((PROMETHEUS / "rules" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
"""Runbook URLs by alert."""


@dataclass
class Behind:
    """The servers that keep the application's data."""

    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables for the application; empty if it keeps everything in memory."""
    targets: dict[str, str] = field(default_factory=dict)
    """Addresses of the exporters, by job."""
    why_in_memory: str | None = None


class Stage:
    """The application with its servers, the shipper, Prometheus, Alertmanager and the receivers of alerts."""

    behind: Behind
    application: engine.Running
    why_no_container: str | None
    """Reason if the application runs as a process."""
    traffic: Traffic
    prometheus: PrometheusServer
    alertmanager: AlertmanagerServer
    slack: SlackSink
    pager: PagerDutySink

    def __init__(self, folder: Path) -> None:
        """Start nothing; all servers write into `folder`."""
        self.folder = folder
        self.listen = f"127.0.0.1:{free_port()}"
        self.store = f"local:{folder}/store"
        self.node = {AVAILABLE: 60.0, MEMORY: 100.0}
        """Metrics in place of the node's exporter, since exhausting this machine's memory would be unsafe."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start all servers. Raises Unavailable if Prometheus or Alertmanager is not available."""
        try:
            programs()  # check first, before other servers are started
            self.behind = self._behind()
            self._application(self._engine())
            self._agent()
            self._receivers()
            self._prometheus()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _behind(self) -> Behind:
        """PostgreSQL and Redis with their exporters, all or none."""
        with ExitStack() as started:
            try:
                behind = servers(self._made("servers"), started)
            except Unavailable as error:
                return Behind(why_in_memory=str(error))
            self._stack.enter_context(started.pop_all())
            return behind

    def _engine(self) -> str | None:
        """Use the running Docker engine or start a private one; returns the reason if there is none."""
        command = ["docker", "info"]
        if shutil.which("docker") and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return None
        try:
            os.environ["DOCKER_HOST"] = self._stack.enter_context(docker_engine.private())
        except Unavailable as error:
            return str(error)
        self._stack.callback(os.environ.pop, "DOCKER_HOST", None)
        return None

    def _application(self, why_no_engine: str | None) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        variables = {"SAMPLE_APP_FAULTS": "1", **self.behind.environment}
        self.application, why_not = engine.start(port, self._made("containers"), variables)
        self.why_no_container = why_not and (why_no_engine or why_not)
        self._stack.callback(self.stop_application)
        self.traffic = Traffic(f"http://{self.address}", SEED)
        waited(lambda: answers(f"http://{self.address}/live"), "the application responds")

    def _agent(self) -> None:
        command = [sys.executable, "-m", "shipper", "run", "--input", self.application.logs, "--output", self.store]
        command += ["--state-dir", f"{self.folder}/state", "--listen", self.listen]
        with (self.folder / "agent.log").open("wb") as log:
            agent = subprocess.Popen(command, stdout=log, stderr=log)
        self._stack.callback(agent.wait, 30)
        self._stack.callback(agent.terminate)
        waited(lambda: answers(f"http://{self.listen}/ready"), "the shipper is ready")

    def _receivers(self) -> None:
        """Start local receivers for Slack, PagerDuty and mail, and Alertmanager."""
        enter = self._stack.enter_context
        self.slack, self.pager, mail = enter(SlackSink()), enter(PagerDutySink()), enter(SmtpSink())
        self.alertmanager = AlertmanagerServer(
            self._made("alertmanager"), slack=self.slack.url, pagerduty=self.pager.url, smtp=mail.address,
            group_wait="200ms",
        )  # fmt: skip
        self._stack.callback(self.alertmanager.stop)
        self.alertmanager.start()

    def _prometheus(self) -> None:
        """Start Prometheus with the project's configuration, all targets and short intervals."""
        targets = {
            "keneyapp-backend": self.address,
            "shipper": self.listen,
            "node": self._stack.enter_context(Exposed(self.node)).address,
            **self.behind.targets,
        }
        rules = shortened(self._made("rules"), every=EVERY)
        (
            rules / "slo.yml"
        ).unlink()  # minutes of failures consume a month's error budget, whose alert inhibits the others
        configuration = scraping(targets, rules, self.alertmanager.address, oftener={"shipper": EVERY})
        self.prometheus = PrometheusServer(self._made("prometheus"), configuration)
        self._stack.callback(self.prometheus.stop)
        self.prometheus.start()
        waited(lambda: len(self.prometheus.query("up == 1")) == len(targets), "Prometheus sees all targets")

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True)
        return path

    def stop_application(self) -> None:
        """Stop the application; a second call does nothing."""
        if not getattr(self, "_stopped", False):
            self._stopped = True
            self.application.stop()

    def written(self, words: str) -> bool:
        """Return True if a line with these words is in the application's log."""
        logs = glob.glob(self.application.logs.removeprefix("docker:"))
        return any(words.encode() in Path(log).read_bytes() for log in logs)

    def counted(self, metric: str, **labels: str) -> float:
        """Return the value of the shipper's counter."""
        return total(scrape(f"http://{self.listen}/metrics"), metric, labels)

    def value(self, expression: str) -> float:
        """Return the value in Prometheus; 0 if there is none."""
        return max(self.prometheus.ask(expression).values(), default=0)

    def slack_message(self, alert: str) -> dict[str, str] | None:
        """The message about an alert in Slack, by its runbook link; None if there is none yet."""
        return next(iter(self.slack.messages(RUNBOOKS[alert])), None)

    def slack_arrival(self, alert: str) -> float | None:
        """Return the arrival time (monotonic) of that message."""
        return self.slack.arrival(RUNBOOKS[alert]) if self.slack_message(alert) else None

    def paged(self, alert: str) -> dict[str, Any] | None:
        """Return the first PagerDuty event of an alert, by its runbook link."""
        return next((event for event in self.pager.events if RUNBOOKS[alert] in str(event)), None)

    def search(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `shipper search` in the story's store."""
        command = [sys.executable, "-m", "shipper", "search", *arguments, "--output", self.store]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def servers(folder: Path, started: ExitStack) -> Behind:
    """Start PostgreSQL, Redis and their exporters; `started` stops them. Raises Unavailable."""
    database = PostgresServer()
    started.callback(database.remove)  # before Redis, which may be unavailable: the cluster must be removed then too
    redis = RedisServer(folder)
    started.callback(redis.stop)
    database.start()
    redis.start()
    return Behind(
        {"DATABASE_URL": database.url, "REDIS_URL": redis.url, "DATABASE_POOL_SIZE": str(POOL)},
        {
            "redis": started.enter_context(exporters.redis(folder, redis.url)),
            "postgres": started.enter_context(exporters.postgres(folder, database.url)),
        },
    )


class TooLate(Exception):
    """An expected condition was not met in time."""


def waited(condition: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    """Return the seconds until a condition came true. Raises TooLate."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TooLate(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began
