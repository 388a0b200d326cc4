"""Commands that the pages show are those that the shipper has, and say what it does."""

import json
import re
import tomllib
from pathlib import Path

from shipper.config.output_settings import KafkaSettings
from shipper.metrics.catalogue import measured, saved
from shipper.outputs.kafka.client import topics_of
from shipper.outputs.kafka.message import FRAME_BYTES
from tests.deploy.pages import cells, examples
from tests.docs.command_line import command_lines

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ELASTICSEARCH, KAFKA = DOCS / "elasticsearch.md", DOCS / "kafka.md"


def test_the_agents_role_is_the_one_that_is_deployed() -> None:
    """The least rights have been worked out once."""
    script = (ROOT / "deploy" / "compose" / "users.sh").read_text(encoding="utf-8")
    deployed = re.findall(r"role/shipper <<'END'\n(.*?)END\n", script, re.DOTALL)
    assert [json.loads(text) for text in examples(ELASTICSEARCH, "json")] == [json.loads(text) for text in deployed]


def test_topics_to_create_are_those_that_are_written() -> None:
    """For the address that the same page shows, and with more copies than may be missing."""
    agent, _ = command_lines(KAFKA)
    shown = [line for text in examples(KAFKA, "sh") for line in text.replace("\\\n", "").splitlines()]
    created = [line for line in shown if line.startswith("kafka-topics")]
    named = [re.findall(r"--topic (\S+)", line)[0] for line in created]
    assert named == [*topics_of(agent[agent.index("--output") + 1], KafkaSettings())]
    for line in created:
        copies, least = (int(re.findall(rf"{name}[ =](\d+)", line)[0]) for name in ("factor", "insync.replicas"))
        assert 1 < least < copies


def test_metrics_of_an_indexer_are_those_it_has() -> None:
    """Every name on the page."""
    known = {metric.name for metric in (*measured("indexer"), *saved("indexer"))}
    assert set(re.findall(r"`(shipper_\w+)`", KAFKA.read_text(encoding="utf-8"))) <= known


def test_bounds_and_defaults_of_kafka_are_those_of_the_code() -> None:
    """Where the page gives a number or a name."""
    text, settings = KAFKA.read_text(encoding="utf-8"), KafkaSettings()
    assert f"`kafka.group`\n  (`{settings.group}`)" in text
    assert settings.events_per_record == 1
    assert "so it is 1 unless" in text
    assert f"{FRAME_BYTES // 1024} KiB of several" in text


def test_replay_tells_every_exit_code() -> None:
    """The three that every command has."""
    assert [row[0] for row in cells(DOCS / "replay.md", "A lost day, step by step")] == ["0", "1", "2"]


def test_every_library_has_its_reason() -> None:
    """Whatever pyproject.toml asks for is named in the decision on libraries."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *(name for names in extras for name in names)]
    wanted += [name for names in project["dependency-groups"].values() for name in names if isinstance(name, str)]
    asked = {re.split(r"[^\w-]", name)[0] for name in wanted}
    told = (DOCS / "decisions" / "0007-libraries.md").read_text(encoding="utf-8")
    assert {name for name in asked if f"**{name}**" not in told} == set()
