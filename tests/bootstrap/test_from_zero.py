"""Counters of failures start at 0, so that `increase()` sees the first one."""

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
    """Yield an agent that has read nothing, with a counter whose label allows one value."""
    built = build_agent.agent(
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
    yield built
    built.close()


def test_overflows_start_at_zero(agent: Agent) -> None:
    """For every counter with labels, including configured ones; a counter without labels cannot overflow."""
    agent.run_once()
    shown = {labels[0]: value for (name, labels), value in agent.ledger.committed.items() if name == OVERFLOWS.name}
    assert {"medications_total", "failed_login_attempts_total", "prescription_created_total"} <= shown.keys()
    assert "gifts_total" not in shown
    assert set(shown.values()) == {0}


def test_overflows_are_counted_by_metric(agent: Agent, tmp_path: Path) -> None:
    """One value is allowed; each further one is counted as an overflow."""
    lines = (f'{{"correlation_id":"c","event":"given","medication":"{name}"}}\n' for name in ("a", "b", "c"))
    (tmp_path / "app.log").write_bytes(b"".join(map(docker_line, lines)))
    agent.run_once()
    assert agent.ledger.committed[OVERFLOWS.name, ("medications_total",)] == 2


def test_violations_start_at_zero(agent: Agent) -> None:
    """One series for each kind."""
    agent.run_once()
    assert {kind: agent.ledger.committed[VIOLATIONS.name, (kind.value,)] for kind in Kind} == dict.fromkeys(Kind, 0)
