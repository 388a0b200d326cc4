"""A real Prometheus for the tests, scraping every second."""

import json
import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.services.debian import program
from tests.services.http import answers, ask
from tests.services.processes import ServerProcess, free_port


class ScrapingPrometheus:
    """One server over jobs and their targets; rule files may be given."""

    def __init__(self, folder: Path, targets: Mapping[str, str], labels: Mapping[str, str], *rules: Path) -> None:
        """`targets` maps a job to HOST:PORT, `labels` go to every target. Starts nothing. Raises Unavailable."""
        self._program = program("prometheus", "prometheus")
        self._folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.process = ServerProcess(folder, "prometheus")
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [address], "labels": dict(labels)}]}
            for job, address in targets.items()
        ]
        times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        configuration = {"global": times, "rule_files": [os.fspath(rule) for rule in rules], "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML

    def start(self) -> "ScrapingPrometheus":
        """Start it. Raises Unavailable."""
        command = [
            self._program, f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/tsdb",
            f"--web.listen-address={self.address}",
        ]  # fmt: skip
        self.process.start(command, lambda: answers(f"{self.url}/-/ready"), seconds=30)
        return self

    def query(self, expression: str, time: float | None = None) -> list[dict[str, Any]]:
        """An instant query's series. Fails with what the server says of it."""
        given = {"query": expression, **({} if time is None else {"time": str(time)})}
        return self._asked("query", given)

    def query_range(self, expression: str, start: float, end: float, step: str = "1s") -> list[dict[str, Any]]:
        """A range query's series."""
        return self._asked("query_range", {"query": expression, "start": str(start), "end": str(end), "step": step})

    def _asked(self, what: str, given: Mapping[str, str]) -> list[dict[str, Any]]:
        status, found = ask(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(given)}", seconds=30)
        assert status == 200, f"{given['query']}: {found}"
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()
