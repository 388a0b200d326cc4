"""Everybody who is told of alerts, as local receivers around a real Alertmanager."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.services.alertmanager_server import AlertmanagerServer
from deploy.services.sinks import PagerDutySink, SlackSink, SmtpSink
from tests.deploy.alerts.conftest import alerts


@dataclass(frozen=True)
class Desk:
    """The receivers, and the server that tells them."""

    slack: SlackSink
    pager: PagerDutySink
    mail: SmtpSink
    server: AlertmanagerServer


@contextmanager
def staffed(folder: Path, group_wait: str = "500ms") -> Iterator[Desk]:
    """A desk with its Alertmanager running. Raises Unavailable."""
    with SlackSink() as slack, PagerDutySink() as pager, SmtpSink() as mail:
        server = AlertmanagerServer(
            folder, slack=slack.url, pagerduty=pager.url, smtp=mail.address, group_wait=group_wait
        ).start()
        try:
            yield Desk(slack, pager, mail, server)
        finally:
            server.stop()


def runbook(name: str) -> str:
    """The page that the rule of that name links."""
    return next(str(alert.rule["annotations"]["runbook_url"]) for alert in alerts() if alert.name == name)


def fired(name: str, description: str, *, resolved: bool = False, **labels: str) -> dict[str, Any]:
    """An alert as Prometheus sends it: the labels and annotations of its rule, and the cluster."""
    rule = next(alert.rule for alert in alerts() if alert.name == name)
    posted = {
        "labels": {"alertname": name, "cluster": "production", **rule["labels"], **labels},
        "annotations": {**rule["annotations"], "description": description},
    }
    return {**posted, "endsAt": datetime.now(UTC).isoformat()} if resolved else posted
