"""Alertmanager as a process with the project's configuration, delivering to local receivers."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.services.http import answers
from deploy.services.monitoring import ALERTMANAGER, programs
from deploy.services.processes import ServerProcess, free_port

SECRETS = "/etc/alertmanager/secrets"
NOWHERE = "http://127.0.0.1:9/"
ROUTING_KEY, SMTP_PASSWORD = "a-routing-key", "a-password"


def delivering(folder: Path, pagerduty: str, smtp: str, group_wait: str) -> str:
    """The project's configuration; only secrets, addresses and waiting times are replaced."""
    text = (ALERTMANAGER / "alertmanager.yml").read_text().replace(SECRETS, str(folder / "secrets"))
    content: dict[str, Any] = yaml.safe_load(text)
    content["global"] |= {"pagerduty_url": pagerduty, "smtp_smarthost": smtp, "smtp_require_tls": False}
    content["route"] |= {"group_wait": group_wait, "group_interval": group_wait}
    content["templates"] = [str(ALERTMANAGER / pattern) for pattern in content["templates"]]
    return yaml.safe_dump(content, sort_keys=False)


class AlertmanagerServer:
    """One server on a free loopback port; its configuration, secrets, data and log are in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        slack: str = NOWHERE,
        pagerduty: str = NOWHERE,
        smtp: str = "127.0.0.1:9",
        group_wait: str = "1s",
    ) -> None:
        """Write the configuration, start nothing. `slack`, `pagerduty`: URLs to post to; `smtp`: host:port."""
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._folder = folder
        self._process = ServerProcess(folder, "alertmanager")
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        secrets = {"slack-webhook": slack, "pagerduty-routing-key": ROUTING_KEY, "smtp-password": SMTP_PASSWORD}
        for name, value in secrets.items():
            (folder / "secrets" / name).write_text(value)
        (folder / "alertmanager.yml").write_text(delivering(folder, pagerduty, smtp, group_wait))

    def start(self) -> "AlertmanagerServer":
        """Start the server and wait until it is ready. Raises Unavailable."""
        command = [
            programs().alertmanager,
            f"--config.file={self._folder}/alertmanager.yml",
            f"--storage.path={self._folder}/data",
            f"--web.listen-address={self.address}",
            f"--web.external-url={self.url}",
            "--cluster.listen-address=",
        ]
        self._process.start(command, lambda: answers(f"{self.url}/-/ready"), seconds=30)
        return self

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Post alerts as Prometheus does: mappings of `labels`, `annotations` and, once resolved, `endsAt`."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def suppressed(self) -> Sequence[str]:
        """Names of the alerts that are inhibited now."""
        return sorted(one["labels"]["alertname"] for one in self._alerts() if one["status"]["inhibitedBy"])

    def silencing(self, alert: str) -> set[str]:
        """Names of the alerts that inhibit this one now."""
        known = self._alerts()
        names = {one["fingerprint"]: one["labels"]["alertname"] for one in known}
        by = {print_ for one in known if names[one["fingerprint"]] == alert for print_ in one["status"]["inhibitedBy"]}
        return {names[print_] for print_ in by if print_ in names}

    def _alerts(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            alerts: list[dict[str, Any]] = json.load(answer)
        return alerts

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self._process.stop()
