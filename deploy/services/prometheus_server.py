"""A Prometheus process: with targets, the project's rules, or blocks of historical data."""

import json
import subprocess
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from deploy.services.http import answers, ask
from deploy.services.monitoring import programs
from deploy.services.processes import ServerProcess, free_port
from deploy.services.rule_copies import scraping, shortened

Labels = tuple[tuple[str, str], ...]
Series = list[dict[str, Any]]


def blocks_from(openmetrics: Path, blocks: Path) -> None:
    """Convert an OpenMetrics history into blocks with promtool. Raises Unavailable; AssertionError with its output."""
    command = [programs().promtool, "tsdb", "create-blocks-from", "openmetrics", str(openmetrics), str(blocks)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


class PrometheusServer:
    """One server on a free loopback port; its configuration, data and log are in `folder`."""

    def __init__(self, folder: Path, configuration: Mapping[str, Any] | None = None, data: Path | None = None) -> None:
        """Write the configuration, start nothing. `data` may contain blocks; retention is unlimited."""
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._folder, self._data = folder, data or folder / "data"
        self._process = ServerProcess(folder, "prometheus")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration or {}), sort_keys=False))

    def start(self) -> "PrometheusServer":
        """Start the server and wait until it is ready. Raises Unavailable."""
        command = [
            programs().prometheus, f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._data}",
            "--storage.tsdb.retention.time=100y", f"--web.listen-address={self.address}",
        ]  # fmt: skip
        self._process.start(command, lambda: answers(f"{self.url}/-/ready"), seconds=30)
        return self

    def query(self, expression: str, time_ms: int | None = None) -> Series:
        """The series of an instant query. Raises AssertionError with the server's error."""
        return self._query("query", {"query": expression, **({} if time_ms is None else {"time": f"{time_ms / 1000}"})})

    def query_range(self, expression: str, start: float, end: float, step: str = "1s") -> Series:
        """The series of a range query; times in seconds since the epoch."""
        return self._query("query_range", {"query": expression, "start": str(start), "end": str(end), "step": step})

    def ask(self, expression: str, time_ms: int | None = None) -> dict[Labels, float]:
        """The values of an instant query, by labels."""
        series = self.query(expression, time_ms)
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in series}

    def value(self, expression: str, time_ms: int | None = None) -> float:
        """The only value of an instant query."""
        (value,) = self.ask(expression, time_ms).values()
        return value

    def alerts(self, state: str = "firing") -> list[str]:
        """Names of the alerts in that state."""
        alerts = self._get("alerts")["alerts"]
        return sorted(alert["labels"]["alertname"] for alert in alerts if alert["state"] == state)

    def down(self) -> list[str]:
        """Jobs with a target whose last scrape failed, or that was not scraped yet."""
        active = self._get("targets?state=active")["activeTargets"]
        return sorted(target["labels"]["job"] for target in active if target["health"] != "up")

    def _query(self, what: str, parameters: Mapping[str, str]) -> Series:
        series: Series = self._get(f"{what}?{urllib.parse.urlencode(parameters)}")["result"]
        return series

    def _get(self, path: str) -> Any:  # noqa: ANN401 -- what the API answers
        status, content = ask(f"{self.url}/api/v1/{path}", seconds=30)
        assert status == HTTPStatus.OK, f"{urllib.parse.unquote_plus(path)}: {json.dumps(content)}"
        return content["data"]

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self._process.stop()


def over_rules(
    folder: Path,
    targets: Mapping[str, str],
    *,
    alertmanager: str | None = None,
    rules: Path | None = None,
    every: str = "1s",
) -> PrometheusServer:
    """A server with the project's configuration and other targets (job to host:port), not started.

    `rules` is a folder, by default a copy of the project's with `for: 1s`.
    """
    rules = rules or shortened(folder / "rules", every=every)
    return PrometheusServer(folder, scraping(targets, rules, alertmanager, every))


def over_targets(
    folder: Path, targets: Mapping[str, str], labels: Mapping[str, str], rules: Path | None = None
) -> PrometheusServer:
    """A server with one target for each job (host:port), all with `labels`, scraped every second; not started."""
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [address], "labels": dict(labels)}]}
        for job, address in targets.items()
    ]
    times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    rule_files = [] if rules is None else [f"{rules}/*.yml"]
    return PrometheusServer(folder, {"global": times, "rule_files": rule_files, "scrape_configs": jobs})
