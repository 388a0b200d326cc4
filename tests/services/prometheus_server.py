"""A real Prometheus for the tests, over a folder of blocks."""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.services.java import HERE, Unavailable
from tests.services.processes import ServerProcess, free_port

Series = dict[tuple[tuple[str, str], ...], float]


def promtool() -> str:
    """Its path, installed where that can be. Raises Unavailable."""
    found = subprocess.run([HERE / "promtool.sh"], capture_output=True, text=True, check=False)
    if found.returncode != 0 or shutil.which("prometheus") is None:
        raise Unavailable(f"no promtool and prometheus: {found.stderr.strip()}")
    return found.stdout.strip()


def blocks_from(openmetrics: Path, blocks: Path) -> None:
    """Have promtool make blocks of a history. Raises AssertionError with what it said."""
    command = [promtool(), "tsdb", "create-blocks-from", "openmetrics", str(openmetrics), str(blocks)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


class PrometheusServer:
    """Prometheus on a port of its own. It scrapes nothing."""

    def __init__(self, folder: Path, blocks: Path) -> None:
        """Start it and wait until it answers. Raises Unavailable."""
        (folder / "prometheus.yml").write_text("")
        self.address = f"127.0.0.1:{free_port()}"
        command = [
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={blocks}",
            "--storage.tsdb.retention.time=100y", f"--web.listen-address={self.address}",
        ]  # fmt: skip
        self.process = ServerProcess(folder, "prometheus")
        self.process.start(command, self._ready)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def ask(self, query: str, time_ms: int) -> Series:
        """An instant query's values by labels."""
        asked = urllib.parse.urlencode({"query": query, "time": time_ms / 1000})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query?{asked}", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found["data"]["result"]}

    def value(self, query: str, time_ms: int) -> float:
        """An instant query's only value."""
        (value,) = self.ask(query, time_ms).values()
        return value

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.stop()
