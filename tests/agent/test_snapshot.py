"""Snapshots: other threads see one consistent state of an agent, and its age."""

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shipper.agent.agent_snapshot import FILES, LAG_BYTES, LAG_SECONDS, UNREADABLE
from shipper.agent.agent_status import AgentPublisher
from shipper.agent.maintenance import Maintenance
from shipper.system.errors import StateError
from tests.hazards.rig import Rig
from tests.web.pages.rig import Site

STEPS, LOGS_A_STEP = 12, 40


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Switch threads fifty times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


class Visitor(threading.Thread):
    """Requests everything that the server shows of the agent repeatedly, and records inconsistencies."""

    def __init__(self, publisher: AgentPublisher) -> None:
        super().__init__()
        self.publisher, self.site = publisher, Site(agent=publisher)
        self.ended, self.answers, self.problems = threading.Event(), 0, list[str]()
        self.files = set[int]()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self.visit()
            except Exception as error:  # noqa: BLE001 -- shown by the test
                self.problems.append(repr(error))

    def visit(self) -> None:
        for path in ("/status", "/metrics", "/health", "/ready", "/"):
            reply = self.site.get(path)
            self.answers += 1
            self.expect(reply.status == 200 or path == "/ready", f"{path}: {reply.status}")
            if path == "/metrics":
                self.expect_metrics(reply.text)
        self.site.clock.now += 3.0  # each page takes a sample of its own
        snapshot = self.publisher.snapshot
        rows, gauges = snapshot.status()["logs"], snapshot.metrics().gauges
        self.files.add(len(rows))
        self.expect(gauges[FILES.name, ()] == len(rows), "files and rows")
        self.expect(gauges[LAG_BYTES.name, ("local",)] == sum(row["lag_bytes"] for row in rows), "lag and rows")
        waits = max((row["lag_seconds"] for row in rows), default=0.0)
        self.expect(abs(gauges[LAG_SECONDS.name, ("local",)] - waits) < 0.01, "wait and rows")
        self.expect(gauges[UNREADABLE.name, ()] == len(snapshot.status()["unreadable"]), "unreadable and gauge")

    def expect_metrics(self, text: str) -> None:
        """Expect that every line became an event with one outcome, in the counters of one commit."""
        samples = {
            (s.name, *s.labels.values()): s.value for f in text_string_to_metric_families(text) for s in f.samples
        }
        events = sum(value for (name, *_), value in samples.items() if name == "shipper_events_total")
        lines = samples.get(("shipper_lines_read_total",), 0.0)
        self.expect(events == lines, f"{events} events of {lines} lines")

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.problems.append(what)


@pytest.mark.usefixtures("eager_switching")
def test_snapshots_are_consistent_while_logs_appear_and_disappear(tmp_path: Path) -> None:
    """Thousands of logs, a few at a time; no response fails, and none mixes two moments."""
    rig = Rig(tmp_path)
    agent = rig.start()
    publisher = AgentPublisher(agent, "local", interval_s=0.0)
    agent.after_turn = publisher.publish
    visitors = [Visitor(publisher), Visitor(publisher)]
    for visitor in visitors:
        visitor.start()
    for step in range(STEPS):
        for number in range(LOGS_A_STEP):
            rig.write(rig.lines(2), rig.logs / f"{step}-{number}.log")
        rig.read()
        for path in rig.logs.glob(f"{step - 1}-*.log"):
            path.unlink()
        rig.clock.pass_seconds(6)
    rig.drain()
    for visitor in visitors:
        visitor.ended.set()
        visitor.join()
    assert [visitor.problems[:5] for visitor in visitors] == [[], []]
    assert all(visitor.answers > 5 for visitor in visitors)
    assert len(visitors[0].files | visitors[1].files) > 2
    assert len(rig.serials()) == STEPS * LOGS_A_STEP * 2
    assert len(publisher.snapshot.status()["logs"]) == LOGS_A_STEP


def test_a_snapshot_does_not_change(tmp_path: Path) -> None:
    """A snapshot that is kept stays the same after later turns."""
    rig = Rig(tmp_path)
    agent = rig.start()
    publisher = AgentPublisher(agent, "local", interval_s=0.0)
    agent.after_turn = publisher.publish
    rig.write(rig.lines(3))
    rig.read()
    held = publisher.snapshot
    before = shown(held)
    rig.write(rig.lines(3))
    rig.write(rig.lines(3), rig.logs / "other.log")
    rig.read()
    assert shown(held) == before
    assert shown(publisher.snapshot) != before


def shown(snapshot: Any) -> str:
    """Return the whole content of a snapshot."""
    metrics = snapshot.metrics()
    return repr((snapshot.ready, snapshot.status(), metrics.metrics, metrics.values, metrics.created, metrics.gauges))


def test_logs_that_did_not_change_keep_their_row(tmp_path: Path) -> None:
    """Rows of thousands of quiet logs are not rebuilt; a log that waits still reports its lag."""
    rig = Rig(tmp_path)
    agent = rig.start()
    publisher = AgentPublisher(agent, "local", interval_s=0.0)
    agent.after_turn = publisher.publish
    quiet = rig.logs / "quiet.log"
    rig.write(rig.lines(1), quiet)
    rig.read()
    rig.output.unavailable = True
    rig.write(rig.lines(1))
    rig.read()
    rows = {row.path: row for row in publisher.snapshot.measured.logs}
    rig.clock.pass_seconds(30)
    agent.turn()
    later = {row.path: row for row in publisher.snapshot.measured.logs}
    assert all(later[path] is rows[path] for path in (str(quiet), str(rig.path)))
    waits = {row["path"]: row["lag_seconds"] for row in publisher.snapshot.status()["logs"]}
    assert (waits[str(quiet)], waits[str(rig.path)]) == (0.0, pytest.approx(30.25))


def test_an_agent_that_hangs_in_a_turn_is_stuck(tmp_path: Path) -> None:
    """The age of the snapshot shows it, since a hanging turn publishes none."""
    rig = Rig(tmp_path)
    agent = rig.start()
    publisher = AgentPublisher(agent, "local", stuck_after=60.0)
    agent.after_turn = publisher.publish
    agent.turn()
    seen = []

    def maintenance(_now_ms: int) -> None:
        for seconds in (59, 2):
            rig.clock.pass_seconds(seconds)
            seen.append(publisher.snapshot.health().checks["loop"])

    agent.maintenance = Maintenance(maintenance)
    agent.turn()
    assert seen == ["healthy", "stuck"]
    assert publisher.snapshot.health().status == "healthy"


def test_an_agent_whose_state_cannot_be_written_is_degraded_and_not_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for room, turn after turn: a restart would not help."""
    rig = Rig(tmp_path)
    agent = rig.start()
    publisher = AgentPublisher(agent, "local", stuck_after=60.0)
    agent.after_turn = publisher.publish
    agent.turn()

    def refuse(*_rows: object) -> None:
        raise StateError("the disk is full", "make room")

    monkeypatch.setattr(type(agent.state), "commit", refuse)
    rig.write(rig.lines(1))
    for _ in range(5):
        agent.turn()
        rig.clock.pass_seconds(50)
    health = publisher.snapshot.health()
    assert (health.status, health.checks["state"], health.checks["loop"]) == ("degraded", "degraded", "healthy")
    assert json.dumps(publisher.snapshot.status()["state"]["error"]) == '"the disk is full"'
