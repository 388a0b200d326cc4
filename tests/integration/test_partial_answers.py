"""Searches of a real server that cannot search everything: the command says what is missing, never that nothing exists."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_elasticsearch import Cluster, Make, cluster, make, names
from tests.outputs.conftest import make_document

__all__ = ["cluster", "make", "names"]
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def days(cluster: Cluster) -> tuple[str, str]:
    """Write twenty entries of each of two days; return their indices."""
    prefix = cluster.names["prefix"]
    days = [
        [make_document(number, prefix=prefix, at=f"2026-11-{day}T10:00:00Z") for number in range(20)]
        for day in (23, 24)
    ]
    for documents in days:
        cluster.write(documents)
    return days[0][0].index, days[1][0].index


def run(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the cluster, as in a pipe."""
    environ = {
        "SHIPPER_OUTPUT": cluster.settings.output,
        "SHIPPER_INDEX__PREFIX": cluster.names["prefix"],
        "SHIPPER_INDEX__QUARANTINE_PREFIX": cluster.names["quarantine_prefix"],
    }
    command = [sys.executable, "-m", "shipper", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def foreign(cluster: Cluster, days: tuple[str, str]) -> str:
    """Return an index of the same pattern whose entries cannot be sorted as ours: its shard fails in each search."""
    assert cluster.client is not None
    index = f"{cluster.names['prefix']}-2026.11.25"
    text: Any = {"properties": {"@timestamp": {"type": "text"}}}
    cluster.client.indices.create(index=index, mappings=text)
    cluster.client.index(index=index, document={"@timestamp": "now"}, refresh=True)
    return index


def test_shards_that_fail_are_named(cluster: Cluster, foreign: str) -> None:
    """The entries of the others are shown, and the command fails; also where the limit ends the search."""
    for limit in ("0", "5"):
        result = run(cluster, "search", "--limit", limit, "--format", "json")
        assert len(result.stdout.splitlines()) == (int(limit) or 40)
        assert result.returncode == 1
        assert "searched only a part: 1 of 3 shards failed" in result.stderr
        assert foreign in result.stderr
    nothing = run(cluster, "search", "--event", "no_such_event")
    assert nothing.returncode == 1
    assert "No entries" not in nothing.stderr
    assert foreign in nothing.stderr


def test_a_closed_index_is_named_where_it_may_hold_entries(cluster: Cluster, days: tuple[str, str]) -> None:
    """Entries that exist are shown with a warning; a time range that ends before it needs none."""
    assert cluster.client is not None
    cluster.client.indices.close(index=days[0])
    result = run(cluster, "search", "--limit", "0", "--format", "json")
    assert (result.returncode, len(result.stdout.splitlines())) == (0, 20)
    assert f"1 index is closed: {days[0]}" in result.stderr
    assert "_open" in result.stderr
    later = run(cluster, "search", "--since", "2026-11-24", "--limit", "0", "--format", "json")
    assert (later.returncode, len(later.stdout.splitlines()), later.stderr) == (0, 20, "")
    newest = run(cluster, "search", "--limit", "20", "--format", "json")
    assert "closed" in newest.stderr, "entry 21 may be in it"
    assert "closed" not in run(cluster, "search", "--limit", "10", "--format", "json").stderr
    nothing = run(cluster, "search", "no-such-id")
    assert nothing.returncode == 1
    assert "No entries" not in nothing.stderr
    assert days[0] in nothing.stderr


def test_an_index_that_may_not_be_read_is_named(cluster: Cluster, days: tuple[str, str]) -> None:
    """A block of reads is an error with the way to remove it."""
    assert cluster.client is not None
    cluster.client.indices.put_settings(index=days[0], settings={"index.blocks.read": True})
    result = run(cluster, "search", "--limit", "0")
    cluster.client.indices.put_settings(index=days[0], settings={"index.blocks.read": None})
    assert result.returncode == 1
    assert "No entries" not in result.stderr
    assert days[0] in result.stderr
    assert "remove the block" in result.stderr


def test_a_server_without_expensive_queries_says_so(
    own_elasticsearch: Any, names: dict[str, str], tmp_path: Path
) -> None:
    """A search for text needs them; the error names the setting, and an id is found without."""
    own_elasticsearch.start()
    cluster = Cluster(own_elasticsearch.url, names, tmp_path).setup()
    assert cluster.client is not None
    cluster.write([make_document(number, prefix=names["prefix"]) for number in range(20)])
    cluster.client.cluster.put_settings(persistent={"search.allow_expensive_queries": False})
    result = run(cluster, "search", "--text", "pharm")
    assert result.returncode == 1
    assert "No entries" not in result.stderr
    assert "search.allow_expensive_queries" in result.stderr
    assert len(run(cluster, "search", "--limit", "0", "--format", "json").stdout.splitlines()) == 20
    cluster.close()


def test_the_quarantine_names_a_closed_index(cluster: Cluster, make: Make) -> None:
    """Its list has the same warning."""
    assert cluster.client is not None
    document = make(1, prefix="keneyapp-quarantine", at="2026-11-23T10:00:00Z")
    cluster.write([document])
    cluster.client.indices.close(index=document.index)
    result = run(cluster, "quarantine", "list")
    assert result.returncode == 1
    assert document.index in result.stderr
    assert "No quarantined entries" not in result.stderr
