"""Hostile content through the whole agent: into a real Elasticsearch, out of the commands, and through promtool."""

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from deploy.services.monitoring import HINT, programs
from deploy.services.processes import free_port
from deploy.services.unavailable import Unavailable
from shipper.config.settings import Settings
from shipper.outputs import registry
from tests.hazards.hostile import CORRELATION_ID, ENTRIES, RECORDS, SERVICES, deceiving
from tests.integration.agent import AgentProcess
from tests.integration.conftest import missing
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def containers(folder: Path) -> int:
    """Write a container with a failed login for each hostile service, and one that prints everything; return the number of lines."""
    for number, service in enumerate(["backend", *SERVICES.values()]):
        place = folder / f"{number:064x}"
        place.mkdir(parents=True)
        labels = {"shipper.service": service, service: service}
        config = {"Name": f"/{service}", "Config": {"Labels": labels, "Image": service}}
        (place / "config.v2.json").write_text(json.dumps(config), encoding="utf-8")
        names = RECORDS if number == 0 else ["failed login of a hostile client", "prescription of injected series"]
        (place / f"{place.name}-json.log").write_bytes(b"".join(RECORDS[name] for name in names))
    return len(RECORDS) + 2 * len(SERVICES)


def test_every_hostile_entry_is_in_elasticsearch_once_and_the_mapping_is_unharmed(
    elasticsearch: str, tmp_path: Path
) -> None:
    """Stored, or quarantined by the schema or the index; no other index, and no new field in the mapping."""
    own = uuid.uuid4().hex[:8]
    names = {"prefix": f"h{own}-logs", "quarantine_prefix": f"h{own}-quarantine"}
    config = tmp_path / "shipper.yaml"
    config.write_text(json.dumps({"index": names, "elasticsearch": {"replicas": 0}}), encoding="utf-8")
    settings = Settings(output=elasticsearch, index=names, elasticsearch={"replicas": 0}, state_dir=tmp_path / "s")
    list(registry.installation(settings))
    client = Elasticsearch(elasticsearch)
    try:
        before = set(client.indices.get(index="*"))
        number = containers(tmp_path / "containers")
        for _ in range(2):
            agent = AgentProcess(
                tmp_path, f"docker:{tmp_path}/containers/*/*-json.log", output=elasticsearch, config=config
            )
            done = agent.once()
            assert done.returncode == 0, done.stderr
            # without a state all documents are sent again, and are duplicates
            (tmp_path / "state").rename(tmp_path / f"state-{uuid.uuid4().hex}")
        client.indices.refresh(index=f"h{own}-*")
        hits = all_hits(client, f"h{own}-*")
        assert Counter(hit["_id"] for hit in hits).most_common(1)[0][1] == 1
        assert len(hits) == number
        made = set(client.indices.get(index="*")) - before
        assert made == {f"{names['prefix']}-2026.11.23", f"{names['quarantine_prefix']}-2026.11.23"}
        kinds = Counter(reason["kind"] for hit in hits for reason in hit["_source"].get("reasons", []))
        assert "internal_error" not in kinds
        for index in made:
            mapped = client.indices.get_mapping(index=index)[index]["mappings"]
            template = client.indices.simulate_template(name=index.rpartition("-")[0])["template"]["mappings"]
            assert fields_of(mapped) == fields_of(template), index
        count = client.count(index=f"{names['prefix']}-*", query={"term": {"correlation_id": CORRELATION_ID}})["count"]
        assert count > 20
        shown_by_commands(tmp_path, config, elasticsearch)
    finally:
        for index in client.indices.get(index=f"h{own}-*"):
            client.indices.delete(index=index)
        for name in names.values():
            client.options(ignore_status=404).indices.delete_index_template(name=name)
        client.close()


def all_hits(client: Elasticsearch, indices: str) -> list[dict[str, Any]]:
    """Return every document."""
    return list(client.search(index=indices, size=1000)["hits"]["hits"])


def fields_of(mapping: dict[str, Any], above: str = "") -> set[str]:
    """Return the names of all mapped fields with their types."""
    fields = set()
    for name, field in mapping.get("properties", {}).items():
        fields |= {f"{above}{name}: {field.get('type', 'object')}"} | fields_of(field, f"{above}{name}.")
    return fields


def shown_by_commands(folder: Path, config: Path, output: str) -> None:
    """Assert that search and quarantine print it clean, each entry on one line."""
    common = ["--config", str(config), "--output", output]
    entries = printed("search", *common, "--limit", "0").stdout
    assert deceiving(entries) == []
    lines = printed("search", *common, "--limit", "0", "--format", "json").stdout.splitlines()
    assert len([json.loads(line) for line in lines]) == len(entries.splitlines())
    assert deceiving(shipper("search", *common, CORRELATION_ID, "--limit", "0")) == []
    assert deceiving(shipper("quarantine", "list", *common)) == []
    listed = shipper("quarantine", "list", *common, "--entries", "--limit", "0")
    assert deceiving(listed) == []
    for line in listed.splitlines()[:2]:
        assert deceiving(shipper("quarantine", "show", *common, line.split()[0])) == []


def shipper(*arguments: str) -> str:
    """Return the output of a command, on both streams."""
    done = printed(*arguments)
    return done.stdout + done.stderr


def printed(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command that must succeed; a search's notice of quarantined entries is on the error stream."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done


def test_promtool_and_commands_take_what_a_running_agent_shows_of_hostile_containers(tmp_path: Path) -> None:
    """No injected series, no name that promtool rejects; `status`, `top` and the agent's own log are clean."""
    try:
        tool = programs().promtool
    except Unavailable as error:
        missing(str(error), HINT)
    number = containers(tmp_path / "containers")
    listen = f"127.0.0.1:{free_port()}"
    agent = AgentProcess(tmp_path, f"docker:{tmp_path}/containers/*/*-json.log", listen=listen).start()
    try:
        until(lambda: agent.metric("shipper_events_total") >= number, 120)
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        common = ["--state-dir", f"{tmp_path}/state", "--listen", listen]
        shown = shipper("status", *common) + shipper("status", *common, "--format", "json")
        shown += shipper("top", *common, "--once", "--interval", "0.2")
    finally:
        assert agent.stop() == 0
    checked = subprocess.run(
        [tool, "check", "metrics"], input=text, capture_output=True, text=True, env=os.environ, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    assert deceiving(text) == []
    assert "31337" not in text
    assert agent.metric("up") == 0
    logins = [line for line in text.splitlines() if line.startswith("failed_login_attempts_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in logins) >= 1 + len(SERVICES)
    assert deceiving(shown) == []
    assert deceiving((tmp_path / "agent.log").read_text(encoding="utf-8")) == []
    assert len(agent.events()) + len(agent.quarantined()) == number
    assert len(ENTRIES) < number
