"""The pipeline built from the settings."""

from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shipper.bootstrap import build_agent
from shipper.bootstrap.build_pipeline import skew_of
from shipper.config.settings import Settings
from shipper.metrics.catalogue import WITHOUT_ID
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.system.clock import Clock
from shipper_processors.route import Skew


def test_bounds_and_zone_of_times_are_configured() -> None:
    """Durations in seconds become milliseconds, the name of a zone becomes the zone."""
    settings = Settings.model_validate(
        {"schema": {"max_future": "1s", "max_past": "2s", "max_age": "3s", "timezone": "Europe/Paris"}}
    )
    assert skew_of(settings) == Skew(1000, 2000, 3000, ZoneInfo("Europe/Paris"))
    assert skew_of(Settings()) == Skew()


def test_the_bound_of_services_holds_across_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each restart restores the services that have series from the state, so that they cannot grow without end."""
    monkeypatch.setattr(build_agent, "ServiceBounds", partial(ServiceBounds, most=1))
    for number, name in enumerate(("a", "b", "a")):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        line = f'{{"log":"{{}}\\n","stream":"stdout","time":"2026-11-23T10:00:0{number}Z"}}\n'
        (folder / f"{number}.log").write_text(line)
        settings = Settings.model_validate(
            {
                "inputs": [{"type": "docker", "glob": f"{folder}/*.log", "service": name}],
                "output": f"local:{tmp_path}/store",
                "state_dir": tmp_path / "state",
            }
        )
        agent = build_agent.agent(settings, Clock())
        agent.run_once()
        values = agent.ledger.committed
        agent.close()
    assert {key[1]: value for key, value in values.items() if key[0] == WITHOUT_ID.name} == {("a",): 2, ("other",): 1}
