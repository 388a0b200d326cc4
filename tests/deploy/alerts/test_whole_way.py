"""From a number that a target shows to the message that people read, through a real Prometheus and Alertmanager.

The rules are the project's but for `for:` and the interval; targets, receivers and waits are local and short.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.services.exposed import Exposed
from deploy.services.monitoring import Programs
from deploy.services.prometheus_server import PrometheusServer, over_rules
from tests.deploy.alerts.desk import Desk, runbook, staffed
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
ALERT = "HighFailedLoginAttempts"
FAILED = 'failed_login_attempts_total{service="backend"}'
COUNTED = "application:failed_login_attempts:increase5m"
EVERY = "250ms"
ENOUGH = 16
"""Samples from which on extrapolation adds less than one to eleven."""
Record = Callable[[str, object], None]


@pytest.fixture
def desk(tools: Programs, tmp_path: Path) -> Iterator[Desk]:
    """Receivers and Alertmanager."""
    with staffed(tmp_path / "alertmanager") as receivers:
        yield receivers


@pytest.fixture
def agent() -> Iterator[Exposed]:
    """The metrics of an agent."""
    with Exposed({FAILED: 0}) as exposed:
        yield exposed


@pytest.fixture
def backend() -> Iterator[Exposed]:
    """An application that shows nothing of interest."""
    with Exposed({"active_users": 1}) as exposed:
        yield exposed


@pytest.fixture
def prometheus(desk: Desk, agent: Exposed, backend: Exposed, tmp_path: Path) -> Iterator[PrometheusServer]:
    """Watches both, and has seen both."""
    targets = {"shipper": agent.address, "keneyapp-backend": backend.address}
    server = over_rules(tmp_path, targets, alertmanager=desk.server.address, every=EVERY).start()
    try:
        until(lambda: server.down() == [] and list(server.ask(COUNTED).values()) == [0])
        yield server
    finally:
        server.stop()


def test_failed_logins_become_a_message(
    desk: Desk, agent: Exposed, prometheus: PrometheusServer, record_testsuite_property: Record
) -> None:
    """Ten hold still; one more is told to Slack, with the number, the application and the runbook, and to nobody else."""
    until(lambda: all(number >= ENOUGH for number in prometheus.ask(f"count_over_time({FAILED}[1m])").values()))
    agent.samples[FAILED] = 10
    until(lambda: list(prometheus.ask(COUNTED).values()) == [10])
    assert ALERT not in prometheus.alerts("pending") + prometheus.alerts()
    began = time.monotonic()
    agent.samples[FAILED] = 11
    until(lambda: bool(desk.slack.messages("logins to backend")))
    record_testsuite_property("seconds from the failed login to Slack", round(desk.slack.arrival("logins") - began, 2))
    assert ALERT in prometheus.alerts()
    page = runbook(ALERT)
    (message,) = desk.slack.messages(page)
    assert message["title"] == "MEDIUM: Many logins fail"
    assert "11 logins to backend were refused within five minutes; the limit is 10." in message["text"]
    assert not [event for event in desk.pager.events if page in str(event)]
    assert not [mail for mail in desk.mail.messages if "Many logins fail" in mail["Subject"]]


def test_api_that_ends_wakes_somebody(
    desk: Desk, backend: Exposed, prometheus: PrometheusServer, record_testsuite_property: Record
) -> None:
    """The pager hears of it, from the cluster that the configuration names."""
    began = time.monotonic()
    backend.close()
    until(lambda: bool(desk.pager.received and desk.slack.messages("unreachable")))
    record_testsuite_property("seconds from the end of the API to the pager", round(desk.pager.times[0] - began, 2))
    payload = desk.pager.events[0]["payload"]
    assert (payload["component"], payload["group"]) == ("backend", "production")
    assert "APIDown" in prometheus.alerts()
