"""What may go wrong is shown as 0 before it does, so that `increase()` sees the first time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.agent.agent import Agent
from shipper.bootstrap import build_agent
from shipper.config.settings import Settings
from shipper.metrics.catalogue import OVERFLOWS, VIOLATIONS
from shipper.system.clock import Clock
from shipper_schemas.violation import Kind
from tests.hazards.rig import docker_line

MEDICATIONS = {"name": "medications_total", "help": "h", "when": {"event": "given"}}
NAMED = {"labels": {"medication": {"field": "medication"}}}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """One with a counter whose label has one place; it has read nothing."""
    found = build_agent.agent(
        Settings(
            inputs=[f"docker:{tmp_path}/*.log"],
            output=f"local:{tmp_path}/store",
            state_dir=tmp_path / "state",
            counters={
                "max_label_values": 1,
                "rules": [{**MEDICATIONS, **NAMED}, {**MEDICATIONS, "name": "gifts_total"}],
            },
        ),
        Clock(),
    )
    yield found
    found.close()


def test_overflows_start_at_zero(agent: Agent) -> None:
    """For every counter that has labels, the configured ones too; one without labels cannot overflow."""
    agent.run_once()
    shown = {labels[0]: value for (name, labels), value in agent.ledger.committed.items() if name == OVERFLOWS.name}
    assert {"medications_total", "failed_login_attempts_total", "prescription_created_total"} <= shown.keys()
    assert "gifts_total" not in shown
    assert set(shown.values()) == {0}


def test_overflows_are_counted_by_metric(agent: Agent, tmp_path: Path) -> None:
    """One value has its place; each further one is told."""
    lines = (f'{{"correlation_id":"c","event":"given","medication":"{name}"}}\n' for name in ("a", "b", "c"))
    (tmp_path / "app.log").write_bytes(b"".join(map(docker_line, lines)))
    agent.run_once()
    assert agent.ledger.committed[OVERFLOWS.name, ("medications_total",)] == 2


def test_violations_start_at_zero(agent: Agent) -> None:
    """Each kind of them."""
    agent.run_once()
    assert {kind: agent.ledger.committed[VIOLATIONS.name, (kind.value,)] for kind in Kind} == dict.fromkeys(Kind, 0)
