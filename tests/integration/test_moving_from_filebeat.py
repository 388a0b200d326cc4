"""The page on migrating from Filebeat, run as written: no gap, no duplicate, no counter changed."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch, helpers

from deploy.services.processes import free_port
from tests.deploy.pages import examples
from tests.integration.agent import AgentProcess
from tests.integration.conftest import missing
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
PAGE = Path(__file__).parents[2] / "docs" / "migrating-from-filebeat.md"
CONTAINERS = ("a" * 64, "b" * 64)
DAYS = ("2026-11-24", "2026-11-25")
KEYWORDS = {"properties": {"container": {"properties": {"id": {"type": "keyword"}}}}}


class Move:
    """A node's logs, the former Filebeat, and the commands of the page with its paths filled in."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.name = folder, url, f"m{uuid.uuid4().hex[:8]}"
        self.client = Elasticsearch(url)
        self.written: list[tuple[str, str]] = []
        """Day and correlation id of every line."""

    def log(self, day: str, number: int) -> list[dict[str, object]]:
        """Write lines of both containers, every third a failed login; return them as Filebeat would send them."""
        sent: list[dict[str, object]] = []
        for container in CONTAINERS:
            place = self.folder / "containers" / container
            place.mkdir(parents=True, exist_ok=True)
            with (place / f"{container}-json.log").open("a", encoding="utf-8") as file:
                for at in range(number):
                    correlation, time = uuid.uuid4().hex, f"{day}T10:00:{at % 60:02d}.{len(self.written):09d}Z"
                    event = "login_failed" if at % 3 == 0 else "patient_read"
                    entry = json.dumps({"correlation_id": correlation, "event": event})
                    file.write(json.dumps({"log": f"{entry}\n", "stream": "stdout", "time": time}) + "\n")
                    self.written.append((day, correlation))
                    sent.append({"@timestamp": time, **json.loads(entry), "container": {"id": container}})
        return sent

    def filebeat(self, day: str, sent: list[dict[str, object]]) -> None:
        """Store what Filebeat sent, under ids that the server chooses."""
        index = f"{self.name}-logs-{day.replace('-', '.')}"
        self.client.indices.create(index=index, mappings=KEYWORDS, settings={"number_of_replicas": 0})
        helpers.bulk(self.client, [{"_index": index, "_source": source} for source in sent], refresh=True)

    def filled_in(self, text: str) -> str:
        """Return an example with the test's server, folders and names."""
        for shown, here in (
            ("http://elasticsearch:9200", self.url),
            ("/etc/shipper.yaml", f"{self.folder}/shipper.yaml"),
            ("/var/lib/docker/containers", f"{self.folder}/containers"),
            ("/var/lib/shipper", f"{self.folder}/state"),
            ("keneyapp", self.name),
            ("shipper run", "shipper run --once"),
        ):
            text = text.replace(shown, here)
        return text

    def configure(self, number: int) -> None:
        """Apply the page's configuration with that number."""
        text = self.filled_in(list(examples(PAGE, "yaml"))[number])
        (self.folder / "shipper.yaml").write_text(text, encoding="utf-8")

    def run_commands(self, number: int) -> str:
        """Run the page's commands with that number; return their output."""
        env = {
            **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SHIPPER_LISTEN": "off", "SHIPPER_ELASTICSEARCH__REPLICAS": "0",
        }  # fmt: skip
        script = self.filled_in(list(examples(PAGE, "sh"))[number])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], env=env, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        self.client.indices.refresh()
        return done.stdout

    def stored(self) -> Counter[tuple[str, str]]:
        """Return day and correlation id of every event under the final names."""
        hits = helpers.scan(self.client, index=f"{self.name}-logs-*")
        return Counter((hit["_index"][-10:].replace(".", "-"), hit["_source"]["correlation_id"]) for hit in hits)

    def clean(self) -> None:
        """Remove everything that it created on the server."""
        for index in self.client.indices.get(index=f"*{self.name}-*"):
            self.client.indices.delete(index=index)
        for template in self.client.indices.get_index_template(name=f"{self.name}-*")["index_templates"]:
            self.client.indices.delete_index_template(name=template["name"])
        self.client.close()


@pytest.fixture
def move(tmp_path: Path, elasticsearch: str) -> Iterator[Move]:
    """Yield two days of logs that Filebeat has sent, and an older day that is only in its index."""
    for program in ("bash", "curl", "jq"):
        if shutil.which(program) is None:
            missing(f"no {program} for the commands of the page", f"apt-get install {program}")
    node = Move(tmp_path, elasticsearch)
    yield node
    node.clean()


def test_migrating_as_the_page_says_leaves_no_gap_and_no_duplicate(move: Move) -> None:
    """Side by side, compared, moved and filled: each line is in the index once, and counted once."""
    side_by_side, compare, set_aside, start, fill = 0, 1, 3, 4, 5
    move.filebeat("2026-11-01", [{"correlation_id": "long-ago", "event": "e", "container": {"id": CONTAINERS[0]}}])
    for day in DAYS:
        move.filebeat(day, move.log(day, 30))
    move.configure(1)
    move.run_commands(side_by_side)
    output = move.run_commands(compare)
    counts = [json.loads(line) for line in output.replace("}\n{", "}\x00{").split("\x00")]
    assert [entry.get("count") for entry in counts[:3]] == [60, 60, None]
    assert counts[3] == counts[4] == {container[:12]: 30 for container in CONTAINERS}
    move.log(DAYS[1], 10)  # meanwhile Filebeat is stopped, and the agent is between two runs
    move.run_commands(set_aside)
    move.configure(2)
    move.run_commands(start)
    move.log(DAYS[1], 10)
    move.run_commands(fill)
    agent = AgentProcess(
        move.folder, listen=f"127.0.0.1:{free_port()}", output=move.url, config=move.folder / "shipper.yaml"
    ).start()
    until(lambda: agent.metric("failed_login_attempts_total") == 2 * (10 + 10 + 4 + 4))
    assert agent.stop() == 0
    move.client.indices.refresh()
    assert move.stored() == Counter([*move.written, ("2026-11-01", "long-ago")])
