"""Stage: everything that takes part, started in order on loopback ports, and ended whatever happens.

It is for a checkout: servers come from Debian packages by the same code that the tests start them with.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from deploy.demo import engine
from deploy.demo.samples import scrape, total
from deploy.traffic.visits import Traffic
from tests.services import exporters
from tests.services.alertmanager_server import AlertmanagerServer
from tests.services.exposed import Exposed
from tests.services.java import HERE
from tests.services.postgres_server import PostgresServer
from tests.services.processes import free_port
from tests.services.prometheus_server import PrometheusServer, over_rules
from tests.services.redis_server import RedisServer
from tests.services.rule_copies import shortened
from tests.services.sinks import PagerDutySink, SlackSink, SmtpSink

SEED = 11
POOL = 5
"""Connections of the application's pool."""
AVAILABLE, MEMORY = "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"


class Stage:
    """The application with its servers, the shipper, Prometheus, Alertmanager, and who is told."""

    application: engine.Running
    """The application, running."""
    why_no_container: str | None
    """Why it runs as a process, where it does."""
    traffic: Traffic
    prometheus: PrometheusServer
    alertmanager: AlertmanagerServer
    slack: SlackSink
    pager: PagerDutySink
    redis_url: str

    def __init__(self, folder: Path) -> None:
        """Starts nothing; `folder` takes what all of it writes."""
        self.folder = folder
        self.listen = f"127.0.0.1:{free_port()}"
        self.store = f"local:{folder}/store"
        self.node = {AVAILABLE: 60.0, MEMORY: 100.0}
        """What stands in for the node's exporter: a healthy machine cannot be made short of memory politely."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start all of it. Raises Unavailable, with the cure."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        enter, later = self._stack.enter_context, self._stack.callback
        database, redis = PostgresServer(), RedisServer(self._made("redis"))
        later(database.remove)
        database.start()
        later(redis.stop)
        redis.start()
        self.redis_url = redis.url
        self._engine()
        self._application(database.url, redis.url)
        self._agent()
        self.slack, self.pager, mail = enter(SlackSink()), enter(PagerDutySink()), enter(SmtpSink())
        self.alertmanager = AlertmanagerServer(
            self._made("alertmanager"), slack=self.slack.url, pagerduty=self.pager.url, smtp=mail.address,
            group_wait="200ms",
        )  # fmt: skip
        later(self.alertmanager.stop)
        self.alertmanager.start()
        targets = {
            "keneyapp-backend": self.address,
            "shipper": self.listen,
            "node": enter(Exposed(self.node)).address,
            "redis": enter(exporters.redis(self.folder, redis.url)),
            "postgres": enter(exporters.postgres(self.folder, database.url)),
        }
        rules = shortened(self._made("rules"))
        (rules / "slo.yml").unlink()  # minutes of failures burn a month's budget, whose alert silences the others
        self.prometheus = over_rules(
            self._made("prometheus"), targets, alertmanager=self.alertmanager.address, rules=rules
        )
        later(self.prometheus.stop)
        self.prometheus.start()
        waited(lambda: len(self.prometheus.query("up == 1")) == len(targets), "Prometheus sees all targets")

    def _engine(self) -> None:
        """A Docker engine of its own, where none answers and this user may start one."""
        reachable = subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
        if reachable or os.geteuid() != 0:
            return
        script, folder = str(HERE / "docker.sh"), tempfile.mkdtemp(prefix="shipper-story-")
        with suppress(subprocess.CalledProcessError):
            subprocess.run([script, "install"], check=True, capture_output=True)
            started = subprocess.run([script, "start", folder], check=True, capture_output=True, text=True)
            os.environ["DOCKER_HOST"] = started.stdout.strip()
            self._stack.callback(os.environ.pop, "DOCKER_HOST", None)
            self._stack.callback(subprocess.run, [script, "stop", folder], capture_output=True, check=False)

    def _application(self, database: str, redis: str) -> None:
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        given = {"DATABASE_URL": database, "REDIS_URL": redis, "SAMPLE_APP_FAULTS": "1"}
        self.application, self.why_no_container = engine.start(port, self._made("containers"), given)
        self._stack.callback(self.stop_application)
        self.traffic = Traffic(f"http://{self.address}", SEED)
        waited(lambda: answers(f"http://{self.address}/live"), "the application answers")

    def _agent(self) -> None:
        command = [sys.executable, "-m", "shipper", "run", "--input", self.application.logs, "--output", self.store]
        command += ["--state-dir", f"{self.folder}/state", "--listen", self.listen]
        with (self.folder / "agent.log").open("wb") as log:
            agent = subprocess.Popen(command, stdout=log, stderr=log)
        self._stack.callback(agent.wait, 30)
        self._stack.callback(agent.terminate)
        waited(lambda: answers(f"http://{self.listen}/ready"), "the shipper is ready")

    def _made(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True)
        return path

    def stop_application(self) -> None:
        """End it; a second time does nothing."""
        if not getattr(self, "_stopped", False):
            self._stopped = True
            self.application.stop()

    def counted(self, metric: str, **labels: str) -> float:
        """What the shipper's counter says."""
        return total(scrape(f"http://{self.listen}/metrics"), metric, labels)

    def stored(self, correlation_id: str) -> bool:
        """Whether `shipper search` finds that request."""
        return self.search(correlation_id, "--format", "json").returncode == 0

    def search(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`shipper search` over the story's store."""
        command = [sys.executable, "-m", "shipper", "search", *arguments, "--output", self.store]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def told(self, alert: str) -> dict[str, Any] | None:
        """The message about an alert that Slack got, by the runbook that it links; None where there is none yet."""
        page = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in alert).lstrip("-")
        page = page.replace("a-p-i", "api")
        found = self.slack.messages(f"/{page}.md")
        return found[0] if found else None

    def inhibitors(self, alert: str) -> set[str]:
        """Names of the alerts that silence this one, as Alertmanager tells."""
        with urllib.request.urlopen(f"{self.alertmanager.url}/api/v2/alerts", timeout=5) as answer:
            known = json.load(answer)
        names = {one["fingerprint"]: one["labels"]["alertname"] for one in known}
        silencing = [one["status"]["inhibitedBy"] for one in known if one["labels"]["alertname"] == alert]
        return {names[found] for several in silencing for found in several if found in names}


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 -- HTTP
    except OSError:
        return False


class TooLate(Exception):
    """Something that has to happen did not, in the time that it may take."""


def waited(condition: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    """How many seconds it took until a condition came true. Raises TooLate."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TooLate(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began
