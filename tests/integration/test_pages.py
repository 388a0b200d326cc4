"""The steps of docs/elasticsearch.md and docs/replay.md, done over real servers as they stand there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from deploy.services.monitoring import HINT, programs
from deploy.services.prometheus_server import PrometheusServer
from deploy.services.unavailable import Unavailable
from shipper.outputs.dead_letters import FILE, DeadLetters
from tests.deploy.pages import examples
from tests.integration.conftest import missing
from tests.outputs.conftest import make_document

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
DOCS = Path(__file__).parents[2] / "docs"
BACKUP, DATA = "/backup/node-7/containers", "/var/lib/prometheus/data"
CONTAINER = "4f6d0c3b9a1e" * 5 + "4f6d"
LOGINS = 5
Shell = Callable[[str], str]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs what a page shows, in a folder of its own, with this shipper."""
    for program in ("bash", "curl", "jq", "zcat"):
        if shutil.which(program) is None:
            missing(f"no {program} for the commands of the page", f"apt-get install {program}")
    own = tmp_path / "bin" / "shipper"
    own.parent.mkdir()
    own.write_text(f'#!/bin/sh\nexec {sys.executable} -m shipper "$@"\n')
    own.chmod(0o755)

    def run(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-c", f"set -e -o pipefail\n{commands}"], cwd=tmp_path, capture_output=True, text=True,
            timeout=90, check=False, env={**os.environ, "PATH": f"{own.parent}:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def shown(page: str, beginning: str) -> str:
    """The one example that holds a line with that beginning."""
    found = [text for text in examples(DOCS / page, "sh") if f"\n{beginning}" in f"\n{text}"]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def prefix(elasticsearch: str) -> Iterator[str]:
    """Of indices that are removed at the end."""
    name = "letters"
    with Elasticsearch(elasticsearch) as client:
        yield name
        client.indices.delete(index=f"{name}-2026.11.23", ignore_unavailable=True)


def test_dead_letters_are_read_and_brought_back(shell: Shell, elasticsearch: str, prefix: str, tmp_path: Path) -> None:
    """One was stored already, one is refused still, the others come in; each under its id."""
    state = tmp_path / "shipper-state"
    state.mkdir()
    letters = [make_document(number, prefix=prefix, message=f'line\n"{number}"') for number in range(3)]
    for document in (*letters, letters[0], make_document(9, prefix=prefix, duration_ms="a moment")):
        DeadLetters(state).add(document, "400 nobody would have it")  # each by a run of its own: one by two of them
    mapping = {"properties": {"duration_ms": {"type": "double"}}}
    with Elasticsearch(elasticsearch) as client:
        client.indices.create(index=letters[0].index, mappings=mapping, settings={"number_of_replicas": 0})
        said = shell(shown("elasticsearch.md", "jq -r"))
        assert said.splitlines() == [f"{prefix}-2026.11.23 400 nobody would have it"] * 5
        bring = shown("elasticsearch.md", "mv shipper-state").replace("https://elasticsearch:9200", elasticsearch)
        assert json.loads(shell(bring)) == {"201": 3, "400": 1, "409": 1}
        client.indices.refresh(index=letters[0].index)
        found = {hit["_id"]: hit["_source"] for hit in client.search(index=letters[0].index)["hits"]["hits"]}
    assert found == {document.id.hex(): json.loads(document.body) for document in letters}
    assert not (tmp_path / "shipper-state" / FILE).exists()


def lines(day: int, number: int) -> str:
    """Failed logins of a day of November, a minute apart from noon on, as Docker writes them."""
    made = []
    for minute in range(number):
        at = f"2026-11-{day}T12:{minute:02}:00.5Z"
        entry = {"timestamp": at, "level": "warning", "event": "login_failed", "correlation_id": f"c-{day}-{minute}"}
        made.append(json.dumps({"log": json.dumps(entry) + "\n", "stream": "stdout", "time": at}) + "\n")
    return "".join(made)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Logs of three days, the first of them in a rotated file."""
    folder = tmp_path / "backup" / CONTAINER
    folder.mkdir(parents=True)
    (folder / f"{CONTAINER}-json.log.1").write_text(lines(21, 3))
    (folder / f"{CONTAINER}-json.log").write_text(lines(22, LOGINS) + lines(23, 2))
    return folder.parent


def test_a_lost_day_comes_back_step_by_step(shell: Shell, backup: Path, tmp_path: Path) -> None:
    """Looked at, done, done again: that day and no other, each event once; the files stay as they were."""
    before = {path: path.read_bytes() for path in backup.rglob("*.log*")}
    look, do = shown(
        "replay.md", "shipper replay /backup/node-7/containers --since 2026-11-22 --until 2026-11-23 --dry-run"
    ).splitlines()
    said = shell(look.replace(BACKUP, str(backup)))
    assert f"{LOGINS}  would be indexed" in said
    assert f"{LOGINS}  failed_login_attempts_total" in said
    assert not (tmp_path / "shipper-data").exists()
    assert f"{LOGINS}  added to the index" in shell(do.replace(BACKUP, str(backup)))
    assert f"{LOGINS}  were there already" in shell(do.replace(BACKUP, str(backup)))
    assert len(shell("shipper search --limit 0 --format json").splitlines()) == LOGINS
    assert {path: path.read_bytes() for path in backup.rglob("*.log*")} == before
    assert list((tmp_path / "shipper-state" / "replay").iterdir()) == []


def test_a_file_by_the_standard_input_gives_the_ids_of_its_container(shell: Shell, backup: Path) -> None:
    """What the folder gave is found again."""
    shell(f"shipper replay {backup}")
    shell(f"gzip -c {backup}/{CONTAINER}/{CONTAINER}-json.log.1 > backend-json.log.3.gz")
    assert "3  were there already" in shell(shown("replay.md", "zcat"))


def test_the_counters_past_comes_into_prometheus_step_by_step(shell: Shell, backup: Path, tmp_path: Path) -> None:
    """The commands of the page; then its expression gives what the lines hold."""
    data = tmp_path / "data"
    try:
        folder = Path(programs().promtool).parent
        steps = shown("replay.md", "promtool").replace(BACKUP, str(backup)).replace(DATA, str(data))
        shell(f"PATH={folder}:$PATH\n{steps}")
        server = PrometheusServer(tmp_path, data=data).start()
    except Unavailable as error:
        missing(str(error), HINT)
    try:
        (expression,) = examples(DOCS / "replay.md", "promql")
        end = int(datetime(2026, 11, 22, 12, 30, tzinfo=UTC).timestamp() * 1000)
        assert server.ask(expression, end) == {(("service", CONTAINER[:12]),): LOGINS}
    finally:
        server.stop()
