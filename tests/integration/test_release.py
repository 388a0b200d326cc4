"""After a fix, rejected entries go where they would have gone: the same id, the same day, in either store."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from shipper.config.settings import Settings
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.outputs.base import Reader

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
ID = "4f" * 32
LINES = [
    {"trace": "t-1", "event": "login_failed", "timestamp": "2026-11-22T23:59:59Z"},
    {"trace": "t-2", "event": "patient_created", "password": "hunter2"},
    {"correlation_id": "c-3", "event": "patient_updated"},
    {"event": "nameless"},
]
FIXED = {"fields": {"correlation_id": ["trace"]}}


class Site:
    """One log, and a store with its own indices."""

    def __init__(self, folder: Path, output: str) -> None:
        self.folder, self.output, self.own = folder, output, f"r{uuid.uuid4().hex[:6]}"
        log = folder / "logs" / ID / f"{ID}-json.log"
        log.parent.mkdir(parents=True)
        for number, entry in enumerate(LINES):
            record = {"log": json.dumps(entry) + "\n", "stream": "stdout", "time": f"2026-11-23T00:00:0{number}.5Z"}
            with log.open("a") as file:
                file.write(json.dumps(record) + "\n")

    def settings(self, name: str, **schema: Any) -> dict[str, Any]:
        """Return a configuration whose indices and state are called `name`."""
        settings = {
            "inputs": [f"docker:{self.folder}/logs/*/*-json.log"],
            "output": self.output if self.output.startswith("http") else f"local:{self.folder}/{name}",
            "state_dir": f"{self.folder}/state-{name}",
            "listen": "off",
            "index": {"prefix": f"{name}-logs", "quarantine_prefix": f"{name}-quarantine"},
            "elasticsearch": {"replicas": 0},
        }
        return {**settings, **({"schema": schema} if schema else {})}

    def shipper(self, settings: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with that configuration."""
        (self.folder / "shipper.yaml").write_text(json.dumps(settings))
        return subprocess.run(
            [sys.executable, "-m", "shipper", *arguments, "--config", "shipper.yaml"],
            cwd=self.folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def prepared(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Install the templates if the output needs them; return the settings."""
        if self.output.startswith("http"):
            assert self.shipper(settings, "setup").returncode == 0
        return settings

    def stored(self, settings: dict[str, Any]) -> list[tuple[str, str, str | None]]:
        """Return id, day and correlation id of the documents in the main indices."""
        if self.output.startswith("http"):
            with Elasticsearch(self.output) as client:
                client.indices.refresh(index=f"{settings['index']['prefix']}-*")
        reader: Reader = registry.reader(Settings.model_validate(settings))
        rows = [(entry["_id"], entry["_index"][-10:], entry.get("correlation_id")) for entry in reader.search(Query())]
        reader.close()
        return sorted(rows)


@pytest.fixture(params=["local", "elasticsearch"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Yield a log over each store."""
    output = "local" if request.param == "local" else request.getfixturevalue("elasticsearch")
    prepared = Site(tmp_path, output)
    yield prepared
    if output.startswith("http"):
        with Elasticsearch(output) as client:
            for index in client.indices.get(index=f"{prepared.own}*"):
                client.indices.delete(index=index)
            client.indices.delete_index_template(name=f"{prepared.own}*")


def test_released_entries_are_those_that_a_correct_schema_would_have_stored(site: Site) -> None:
    """Two of three rejected ones are accepted after the fix; the index equals one that needed no fix, id by id."""
    wrong = site.prepared(site.settings(f"{site.own}a"))
    assert site.shipper(wrong, "run", "--once").stdout.startswith("1 indexed, 3 quarantined")
    fixed = site.settings(f"{site.own}a", **FIXED)
    if site.output.startswith("http"):
        with Elasticsearch(site.output) as client:
            client.indices.refresh(index=f"{site.own}a-*")
    released = site.shipper(fixed, "quarantine", "release", "--all")
    assert (released.returncode, released.stdout.splitlines()[:2]) == (1, ["released: 2", "still rejected: 1"])
    right = site.prepared(site.settings(f"{site.own}b", **FIXED))
    assert site.shipper(right, "run", "--once").stdout.startswith("3 indexed, 1 quarantined")
    assert site.stored(fixed) == site.stored(right)
    assert [day for _, day, correlation in site.stored(fixed) if correlation == "t-1"] == ["2026.11.22"]
    again = site.shipper(fixed, "quarantine", "release", "--all")
    assert again.stdout.splitlines()[0] == "released: 0"
    assert site.stored(fixed) == site.stored(right)
