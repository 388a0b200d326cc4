"""Reload: a changed configuration is taken over whole or refused whole, and no count, line or id suffers from it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.agent.agent_snapshot import LOADED_AT, RELOADED
from shipper.agent.agent_status import Vitals
from shipper.bootstrap import build_agent
from shipper.bootstrap.reload import Reloader
from shipper.config import read
from shipper.config.settings import Settings
from shipper.metrics.catalogue import FAILURE, RELOADS, SUCCESS
from shipper.model.query import Query
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.errors import OutputUnavailable
from shipper_schemas.metrics import Distribution
from tests.hazards.rig import ManualClock, MemoryOutput, docker_line

NO_SHOWS = {"name": "no_shows_total", "help": "h", "when": {"event": "missed"}}


class Node:
    """An agent over a folder, its configuration file, and its reloader; time stands still but for `look`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.clock = folder, folder / "shipper.yaml", ManualClock()
        self.serial = 0
        self.write()
        configuration = read(self.file, {}, {})
        self.agent = build_agent.agent(configuration.settings, self.clock)
        self.agent.delivery.jitter.seed(1)
        self.vitals = Vitals(self.agent, "local")
        self.reloader = Reloader(configuration, self.agent, self.vitals, self.clock)
        self.agent.after_turn = self.after_turn

    def after_turn(self) -> None:
        self.vitals.take()
        self.reloader.turn()

    def write(self, **more: Any) -> None:
        """The configuration file, replaced as an editor does it."""
        given = {
            "inputs": [f"docker:{self.folder}/a/*.log"],
            "output": f"local:{self.folder}/store",
            "state_dir": str(self.folder / "state"),
            "host": "node-1",
            "tail": {"scan_interval": "1ms", "batch_age": 0},
            **more,
        }
        new = self.file.with_suffix(".new")
        new.write_text(yaml.safe_dump(given))
        new.replace(self.file)

    def log(self, event: str, folder: str = "a", **fields: Any) -> None:
        """One entry in the log of a container."""
        self.serial += 1
        entry = {"correlation_id": f"c-{self.serial}", "event": event, **fields}
        path = self.folder / folder / "app.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(docker_line(json.dumps(entry) + "\n", at=self.serial))

    def turns(self, number: int = 6, seconds: float = 3.0) -> None:
        """Go round, with time enough between for a look at the files."""
        for _ in range(number):
            self.agent.turn()
            self.clock.pass_seconds(seconds)

    def value(self, name: str, *labels: str) -> Any:
        return self.agent.ledger.committed.get((name, labels))

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = self.vitals.snapshot.status()["configuration"]
        return found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node whose agent follows one folder."""
    found = Node(tmp_path)
    yield found
    found.agent.close()


def test_a_new_rule_counts_from_its_reload_on(node: Node) -> None:
    """What was read before is not counted again; the series starts at zero, and the reload is told."""
    node.log("missed")
    node.turns()
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.value("no_shows_total") == 0
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") == 1
    assert (node.value(RELOADS.name, SUCCESS), node.value(RELOADS.name, FAILURE)) == (1, 0)
    gauges = node.vitals.snapshot.metrics().gauges
    assert gauges[RELOADED.name, ()] == 1
    assert gauges[LOADED_AT.name, ()] > 1_795_428_000
    assert node.told()["error"] is None


def test_a_removed_rule_keeps_its_count_and_goes_on_from_it(node: Node) -> None:
    """Shown with its last value, and the same rule later adds to it."""
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    node.log("missed")
    node.turns()
    node.write()
    node.turns()
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") == 1
    assert "no_shows_total" in node.vitals.snapshot.metrics().metrics
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") == 2


def test_a_wrong_file_is_refused_whole_with_its_reason(node: Node) -> None:
    """The line is named, nothing of the file is taken over, health tells; once it is right, all of it is."""
    node.write(counters={"rules": [NO_SHOWS]}, schema={"policies": {"unstructured": "dorp"}})
    node.turns()
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") is None
    assert "schema.policies.unstructured" in node.told()["error"]
    assert "line " in node.told()["error"]
    assert node.vitals.snapshot.health().checks["configuration"] == "degraded"
    assert node.vitals.snapshot.metrics().gauges[RELOADED.name, ()] == 0
    assert node.value(RELOADS.name, FAILURE) == 1
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.vitals.snapshot.health().checks["configuration"] == "healthy"
    assert node.value("no_shows_total") == 0


def test_a_refused_file_is_refused_once(node: Node) -> None:
    """Not at each look; SIGHUP asks again."""
    node.file.write_text("counters: [")
    node.turns(10)
    assert node.value(RELOADS.name, FAILURE) == 1
    node.reloader.requested = True
    node.turns()
    assert node.value(RELOADS.name, FAILURE) == 2


def test_an_unchanged_file_is_reloaded_when_asked_alone(node: Node) -> None:
    """A new time of change or inode is no change of content; SIGHUP always reads."""
    node.turns()
    os.utime(node.file)
    node.write()
    node.turns(10)
    assert node.value(RELOADS.name, SUCCESS) == 0
    node.reloader.requested = True
    node.turns()
    assert node.value(RELOADS.name, SUCCESS) == 1


def test_a_half_written_file_is_not_read(node: Node) -> None:
    """Content has to be the same at two looks."""
    node.turns()
    node.file.write_text("counters: [")
    node.agent.turn()
    node.clock.pass_seconds(3)
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert (node.value(RELOADS.name, SUCCESS), node.value(RELOADS.name, FAILURE)) == (1, 0)


def test_a_configmap_swap_is_a_change(node: Node, tmp_path: Path) -> None:
    """The kubelet swaps `..data`, a symbolic link to a folder, and never touches what the link of the file says."""
    text = node.file.read_text()
    for name, extra in (("one", ""), ("two", yaml.safe_dump({"counters": {"rules": [NO_SHOWS]}}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shipper.yaml").write_text(text + extra)
    (tmp_path / "..data").symlink_to("one")
    node.file.unlink()
    node.file.symlink_to("..data/shipper.yaml")
    node.turns(6)
    assert node.value(RELOADS.name, SUCCESS) == 0
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    node.turns(6)
    assert (node.value(RELOADS.name, SUCCESS), node.value("no_shows_total")) == (1, 0)


def test_a_changed_secret_file_is_a_change(node: Node, tmp_path: Path) -> None:
    """Also where the configuration names it with the very same words."""
    (tmp_path / "key").write_text("one")
    node.write(redact={"mode": "hash", "key_file": str(tmp_path / "key")})
    node.turns()
    before = node.agent.pipeline.redactor.redact_text("mail a@example.org")
    (tmp_path / "key").write_text("two")
    node.turns()
    assert node.value(RELOADS.name, SUCCESS) == 2
    assert node.agent.pipeline.redactor.redact_text("mail a@example.org") != before


def test_what_needs_a_restart_is_said_and_the_rest_taken_over(node: Node) -> None:
    """An address in use cannot be given up for one that may not be had."""
    node.write(listen="127.0.0.1:9", counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.told()["restart_needed"] == ["listen"]
    assert node.value("no_shows_total") == 0
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.told()["restart_needed"] == []


def test_an_input_that_comes_is_followed_and_one_that_goes_rests(node: Node) -> None:
    """Named again, it is read on from where it stood: nothing twice, nothing left out."""
    both = [f"docker:{node.folder}/a/*.log", f"docker:{node.folder}/b/*.log"]
    node.log("login_failed")
    node.log("login_failed", "b")
    node.turns()
    assert len(node.agent.tail.logs) == 1
    node.write(inputs=both)
    node.turns()
    assert len(node.agent.tail.logs) == 2
    node.write(inputs=both[1:])
    node.turns()
    node.log("login_failed")
    node.log("login_failed", "b")
    node.turns()
    assert list(node.agent.tail.logs) == [str(node.folder / "b/app.log")]
    node.write(inputs=both)
    node.turns()
    assert sum(
        value for (name, _), value in node.agent.ledger.committed.items()
        if name == "failed_login_attempts_total" and not isinstance(value, Distribution)
    ) == 4  # fmt: skip
    assert node.agent.outcomes() == {"indexed": 4, "quarantined": 0, "dropped": 0, "duplicate": 0}


def test_a_log_whose_file_is_gone_is_read_to_its_end(node: Node) -> None:
    """Though no input names it any more: the last words of a container are not lost to a reload."""
    node.log("login_failed")
    node.turns(1)
    node.log("login_failed")
    (node.folder / "a/app.log").unlink()
    node.write(inputs=[f"docker:{node.folder}/b/*.log"])
    node.reloader.requested = True
    node.turns(8)
    assert node.agent.outcomes()["indexed"] == 2


def test_a_new_input_may_begin_at_the_end_and_a_known_one_does_not_jump(node: Node) -> None:
    """A container that comes with the reload is read from its beginning where its input was there before."""
    node.turns()
    old, new = {"type": "docker", "glob": f"{node.folder}/a/*.log", "from": "end"}, {
        "type": "docker", "glob": f"{node.folder}/b/*.log", "from": "end"}  # fmt: skip
    node.write(inputs=[old])
    node.reloader.requested = True
    node.turns()
    node.write(inputs=[old, new])
    node.log("login_failed")
    node.log("login_failed", "b")
    node.reloader.requested = True
    node.turns()
    node.log("login_failed", "b")
    node.turns()
    assert node.agent.outcomes()["indexed"] == 2


def test_what_an_input_says_holds_for_logs_that_are_followed(node: Node) -> None:
    """Another service, from the next line on."""
    node.log("login_failed")
    node.turns()
    node.write(inputs=[{"type": "docker", "glob": f"{node.folder}/a/*.log", "service": "portal"}])
    node.turns()
    assert node.value("failed_login_attempts_total", "portal") == 0
    node.log("login_failed")
    node.turns()
    assert node.value("failed_login_attempts_total", "portal") == 1


@pytest.mark.parametrize("inputs", [["plain:{}/a/*.log"], ["kafka://localhost:9092/logs"]])
def test_a_log_is_not_read_as_another_type(node: Node, inputs: list[str]) -> None:
    """Its ids would be others; the reason is told and the agent goes on."""
    node.log("login_failed")
    node.turns()
    node.write(inputs=[found.format(node.folder) for found in inputs])
    node.turns()
    assert node.told()["error"].startswith("inputs: ")
    node.log("login_failed")
    node.turns()
    assert node.agent.outcomes()["indexed"] == 2


def test_a_histogram_with_other_buckets_begins_anew(node: Node) -> None:
    """And /metrics can be read: what was counted into other buckets fits none of these."""
    rule = {"name": "seconds", "type": "histogram", "help": "h", "when": {"event": "done"}, "field": "duration_ms"}
    node.write(counters={"rules": [{**rule, "buckets": [1, 2]}]})
    node.turns()
    node.log("done", duration_ms=1)
    node.turns()
    assert node.value("seconds").counts == [1, 0, 0]
    node.write(counters={"rules": [{**rule, "buckets": [1, 2, 3]}]})
    node.turns()
    node.log("done", duration_ms=3)
    node.turns()
    assert node.value("seconds").counts == [0, 0, 1, 0]


def test_a_new_mask_holds_for_the_next_line(node: Node) -> None:
    """Also for logs whose lines go through the compiled chain, which is made anew."""
    node.log("moved", ward="B4")
    node.turns()
    node.write(redact={"fields": ["ward"]})
    node.turns()
    node.log("moved", ward="B4")
    node.turns()
    stored = LocalReader(node.folder / "store").search(Query(event="moved"))
    assert [body["extra"]["ward"] for body in stored] == ["B4", "[redacted:field]"]


def test_the_client_of_the_output_is_made_anew_where_its_settings_change(tmp_path: Path) -> None:
    """Its section of the file, or what a file holds that it names; else it stays, with its connections."""
    before = Settings.model_validate({"output": "http://127.0.0.1:9", "state_dir": tmp_path, "host": "n"})
    after = before.model_copy(update={"elasticsearch": before.elasticsearch.model_copy(update={"in_flight": 2})})
    for settings, files_changed, anew in ((before, False, False), (after, False, True), (before, True, True)):
        change = build_agent.change(settings, before, from_end=False, files_changed=files_changed)
        assert (change.output is not None) == anew
        assert change.waits == anew
        if change.output is not None:
            change.output.close()


# --- while something is on its way ----------------------------------------------------------------


@pytest.fixture
def slow(node: Node) -> MemoryOutput:
    """An output that answers when it is told to."""
    output = MemoryOutput()
    output.slow = True
    node.agent.delivery.output = output
    return output


def flagging(node: Node) -> None:
    """Ask for another policy."""
    node.write(schema={"policies": {"correlation_id_missing": "flag"}})
    node.reloader.requested = True


def test_a_change_of_policies_waits_for_what_was_sent(node: Node, slow: MemoryOutput) -> None:
    """Counting goes on meanwhile, and each entry is in one index."""
    node.log("login_failed", correlation_id=None)
    node.turns(1)
    flagging(node)
    node.turns(2)
    node.log("login_failed", correlation_id=None)
    node.turns(3)
    assert node.told()["waiting"]
    assert node.value("failed_login_attempts_total", "app") == 2
    assert len(slow.unanswered) == 1
    slow.answer(0)
    node.turns(3)
    assert not node.told()["waiting"]
    while slow.unanswered:
        slow.answer(0)
        node.turns(2)
    assert sorted(index[:18] for index, _ in slow.stored) == ["keneyapp-logs-2026", "keneyapp-quarantin"]
    assert len({id_ for _, id_ in slow.stored}) == 2


def test_a_change_of_policies_waits_for_what_may_be_stored(node: Node, slow: MemoryOutput) -> None:
    """The output stored a batch and went away before it said so: the batch goes to the same index again."""
    node.log("login_failed", correlation_id=None)
    node.turns(1)
    future, documents = slow.unanswered.pop()
    slow.write(documents)
    future.set_exception(OutputUnavailable("the connection broke", "wait"))
    slow.unavailable = True
    flagging(node)
    node.turns(3)
    assert node.told()["waiting"]
    slow.unavailable = slow.slow = False
    node.clock.pass_seconds(60)
    node.turns(3)
    assert not node.told()["waiting"]
    node.log("login_failed", correlation_id=None)
    node.turns(3)
    assert sorted(index[:18] for index, _ in slow.stored) == ["keneyapp-logs-2026", "keneyapp-quarantin"]
    assert node.value("failed_login_attempts_total", "app") == 2


def test_a_change_of_rules_waits_for_nothing(node: Node, slow: MemoryOutput) -> None:
    """An output that is away delays no counter."""
    node.log("login_failed")
    node.turns(1)
    node.write(counters={"rules": [NO_SHOWS]})
    node.reloader.requested = True
    node.turns(3)
    assert len(slow.unanswered) == 1
    assert node.value("no_shows_total") == 0
