"""Prometheus as a process, over the project's configuration and rules."""

import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.services.monitoring import programs
from tests.services.processes import ServerProcess, free_port
from tests.services.rule_copies import scraping, shortened

Labels = tuple[tuple[str, str], ...]


class PrometheusServer:
    """One server on a loopback port of its own; its configuration, data and log lie in `folder`."""

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, str],
        *,
        alertmanager: str | None = None,
        rules: Path | None = None,
        every: str = "1s",
    ) -> None:
        """Starts nothing. `targets`: job to host:port; `rules`: a folder, by default a copy with a `for:` of 1 s."""
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._folder = folder
        self._process = ServerProcess(folder, "prometheus")
        targets = {job: self.address if job == "prometheus" else address for job, address in targets.items()}
        content = scraping(targets, rules or shortened(folder / "rules", every=every), alertmanager, every)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(content, sort_keys=False))

    def start(self) -> "PrometheusServer":
        """Start it and wait until it is ready. Raises Unavailable."""
        command = [
            programs().prometheus,
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address={self.address}",
        ]
        self._process.start(command, self._ready, seconds=30)
        return self

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, query: str) -> dict[Labels, float]:
        """Values of an instant query by their labels."""
        found = self._get(f"query?{urllib.parse.urlencode({'query': query})}")["result"]
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found}

    def alerts(self, state: str = "firing") -> list[str]:
        """Names of the alerts in that state."""
        return sorted(
            alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == state
        )

    def down(self) -> list[str]:
        """Jobs with a target that did not answer its last scrape, or was not asked yet."""
        active = self._get("targets?state=active")["activeTargets"]
        return sorted(target["labels"]["job"] for target in active if target["health"] != "up")

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=10) as answer:
            return json.load(answer)["data"]

    def stop(self) -> None:
        """SIGTERM."""
        self._process.stop()
