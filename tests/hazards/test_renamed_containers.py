"""`docker rename` while a container is followed: its next lines carry the new name."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shipper.agent.agent import Agent
from shipper.bootstrap import build_agent
from shipper.config.settings import Settings
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.system.clock import Clock
from tests.hazards.rig import docker_line
from tests.waiting import until

ID = "4f" * 32


class Container:
    """A container's folder, as the engine writes it."""

    def __init__(self, folder: Path, name: str, **labels: str) -> None:
        self.folder = folder / ID
        self.folder.mkdir(parents=True)
        self.labels, self.lines = labels, 0
        self.rename(name)

    def rename(self, name: str) -> None:
        """Write the configuration beside its place, and put it there: the file has a new inode."""
        draft = self.folder / ".tmp-config.v2.json"
        config = {"Image": "keneyapp:2.0.0", "Labels": self.labels}
        draft.write_text(json.dumps({"ID": ID, "Name": f"/{name}", "Config": config}))
        os.replace(draft, self.folder / "config.v2.json")

    def log(self, number: int, **fields: Any) -> None:
        """Append structured lines."""
        with (self.folder / f"{ID}-json.log").open("ab") as file:
            for _ in range(number):
                self.lines += 1
                entry = {"correlation_id": "a", "event": "login_failed", "message": str(self.lines), **fields}
                file.write(docker_line(json.dumps(entry) + "\n", at=self.lines))


def settings_of(folder: Path, *, native: bool, notify: bool) -> Settings:
    """The settings of an agent over the folder."""
    return Settings(
        inputs=[f"docker:{folder}/containers/*/*-json.log"],
        output=f"local:{folder}/store",
        state_dir=folder / "state",
        compiled=native,
        tail={"notify": notify, "poll_interval": 0.05, "batch_age": 0.0},
    )


def stored(settings: Settings) -> list[dict[str, Any]]:
    """Return the stored documents in the order of their lines."""
    reader = registry.reader(settings)
    entries = sorted(reader.search(Query(limit=None)), key=lambda entry: int(entry["message"]))
    reader.close()
    return entries


def names(settings: Settings) -> list[tuple[str, str]]:
    """Return the container's and the service's name of each stored line."""
    return [(entry["container"]["name"], entry["service"]["name"]) for entry in stored(settings)]


def taken(agent: Agent, settings: Settings, number: int) -> None:
    """Take turns until so many lines are stored."""

    def turned() -> bool:
        agent.turn(hurry=True)
        return len(stored(settings)) >= number

    until(turned)


@pytest.mark.parametrize("notify", [True, False], ids=["reported", "polled"])
@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_a_renamed_container_has_its_new_name_from_then_on(tmp_path: Path, *, native: bool, notify: bool) -> None:
    """Name and service follow with the next line, counters of the new service begin at 0, and no line counts twice."""
    container = Container(tmp_path / "containers", "blue")
    settings = settings_of(tmp_path, native=native, notify=notify)
    agent = build_agent.agent(settings, Clock())
    container.log(3)
    taken(agent, settings, 3)
    expected = [("blue", "blue")] * 3
    for name in ("green", "red", "blue"):
        container.rename(name)
        container.log(2)
        expected += [(name, name)] * 2
        taken(agent, settings, len(expected))
    assert names(settings) == expected
    values = agent.ledger.published.values
    counted = {key[1][0]: value for key, value in values.items() if key[0] == "failed_login_attempts_total"}
    assert counted == {"blue": 5, "green": 2, "red": 2}
    agent.close()


def test_a_rename_keeps_ids_labels_and_what_the_service_is_called_by_them(tmp_path: Path) -> None:
    """A label still names the service, a restart adds nothing, and a removed container keeps its name."""
    container = Container(tmp_path / "containers", "blue", **{"com.docker.compose.service": "backend"})
    settings = settings_of(tmp_path, native=True, notify=True)
    agent = build_agent.agent(settings, Clock())
    container.log(2)
    taken(agent, settings, 2)
    container.rename("green")
    container.labels["shipper.service"] = "frontend"
    container.rename("green")
    container.log(1)
    taken(agent, settings, 3)
    (container.folder / "config.v2.json").unlink()
    container.log(1)
    taken(agent, settings, 4)
    agent.close()
    assert names(settings) == [("blue", "backend")] * 2 + [("green", "frontend")] * 2
    again = build_agent.agent(settings, Clock())
    again.turn(hurry=True)
    again.close()
    assert len(stored(settings)) == 4
