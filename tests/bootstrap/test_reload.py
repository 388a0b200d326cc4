"""Reload: a changed configuration is applied as a whole or rejected as a whole, and no count, line or id is lost."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.agent.agent_snapshot import LOADED_AT, RELOADED
from shipper.agent.agent_status import AgentPublisher
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
    """An agent over a folder, its configuration file, and its reloader; the test moves the clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.clock = folder, folder / "shipper.yaml", ManualClock()
        self.serial = 0
        self.write()
        configuration = read(self.file, {}, {})
        self.agent = build_agent.agent(configuration.settings, self.clock)
        self.agent.delivery.jitter.seed(1)
        self.publisher = AgentPublisher(self.agent, "local")
        self.reloader = Reloader(configuration, self.agent, self.publisher, self.clock)
        self.agent.after_turn = self.after_turn

    def after_turn(self) -> None:
        self.publisher.publish()
        self.reloader.turn()

    def write(self, **more: Any) -> None:
        """Replace the configuration file as an editor does."""
        settings = {
            "inputs": [f"docker:{self.folder}/a/*.log"],
            "output": f"local:{self.folder}/store",
            "state_dir": str(self.folder / "state"),
            "host": "node-1",
            "tail": {"scan_interval": "1ms", "batch_age": 0},
            **more,
        }
        new = self.file.with_suffix(".new")
        new.write_text(yaml.safe_dump(settings))
        new.replace(self.file)

    def log(self, event: str, folder: str = "a", **fields: Any) -> None:
        """Write one entry to the log of a container."""
        self.serial += 1
        entry = {"correlation_id": f"c-{self.serial}", "event": event, **fields}
        path = self.folder / folder / "app.log"
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(docker_line(json.dumps(entry) + "\n", at=self.serial))

    def turns(self, number: int = 6, seconds: float = 3.0) -> None:
        """Run turns, with enough time between them for a check of the files."""
        for _ in range(number):
            self.agent.turn()
            self.clock.pass_seconds(seconds)

    def value(self, name: str, *labels: str) -> Any:
        return self.agent.ledger.committed.get((name, labels))

    def configuration(self) -> dict[str, Any]:
        status: dict[str, Any] = self.publisher.snapshot.status()["configuration"]
        return status


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node whose agent follows one folder."""
    running = Node(tmp_path)
    yield running
    running.agent.close()


def test_a_new_rule_counts_from_its_reload_on(node: Node) -> None:
    """Lines read before are not counted again; the series starts at zero, and the reload is reported."""
    node.log("missed")
    node.turns()
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.value("no_shows_total") == 0
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") == 1
    assert (node.value(RELOADS.name, SUCCESS), node.value(RELOADS.name, FAILURE)) == (1, 0)
    gauges = node.publisher.snapshot.metrics().gauges
    assert gauges[RELOADED.name, ()] == 1
    assert gauges[LOADED_AT.name, ()] > 1_795_428_000
    assert node.configuration()["error"] is None


def test_a_removed_rule_keeps_its_count_and_continues_from_it(node: Node) -> None:
    """Its last value stays shown, and the same rule later adds to it."""
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    node.log("missed")
    node.turns()
    node.write()
    node.turns()
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") == 1
    assert "no_shows_total" in node.publisher.snapshot.metrics().metrics
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") == 2


def test_an_invalid_file_is_rejected_as_a_whole_with_its_reason(node: Node) -> None:
    """The line is reported, nothing of the file is applied, and health is degraded; once fixed, all of it is applied."""
    node.write(counters={"rules": [NO_SHOWS]}, schema={"policies": {"unstructured": "dorp"}})
    node.turns()
    node.log("missed")
    node.turns()
    assert node.value("no_shows_total") is None
    assert "schema.policies.unstructured" in node.configuration()["error"]
    assert "line " in node.configuration()["error"]
    assert node.publisher.snapshot.health().checks["configuration"] == "degraded"
    assert node.publisher.snapshot.metrics().gauges[RELOADED.name, ()] == 0
    assert node.value(RELOADS.name, FAILURE) == 1
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.publisher.snapshot.health().checks["configuration"] == "healthy"
    assert node.value("no_shows_total") == 0


def test_an_invalid_file_is_rejected_once(node: Node) -> None:
    """Not at each check; SIGHUP reads it again."""
    node.file.write_text("counters: [")
    node.turns(10)
    assert node.value(RELOADS.name, FAILURE) == 1
    node.reloader.requested = True
    node.turns()
    assert node.value(RELOADS.name, FAILURE) == 2


def test_an_unchanged_file_is_reloaded_only_on_request(node: Node) -> None:
    """A new mtime or inode is not a change of content; SIGHUP always reads."""
    node.turns()
    os.utime(node.file)
    node.write()
    node.turns(10)
    assert node.value(RELOADS.name, SUCCESS) == 0
    node.reloader.requested = True
    node.turns()
    assert node.value(RELOADS.name, SUCCESS) == 1


def test_a_half_written_file_is_not_read(node: Node) -> None:
    """The content has to be the same at two checks."""
    node.turns()
    node.file.write_text("counters: [")
    node.agent.turn()
    node.clock.pass_seconds(3)
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert (node.value(RELOADS.name, SUCCESS), node.value(RELOADS.name, FAILURE)) == (1, 0)


def test_a_configmap_swap_is_a_change(node: Node, tmp_path: Path) -> None:
    """The kubelet swaps `..data`, a symbolic link to a folder, and never changes the link of the file."""
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
    """Even if the configuration that names it does not change."""
    (tmp_path / "key").write_text("one")
    node.write(redact={"mode": "hash", "key_file": str(tmp_path / "key")})
    node.turns()
    before = node.agent.pipeline.redactor.redact_text("mail a@example.org")
    (tmp_path / "key").write_text("two")
    node.turns()
    assert node.value(RELOADS.name, SUCCESS) == 2
    assert node.agent.pipeline.redactor.redact_text("mail a@example.org") != before


def test_keys_that_need_a_restart_are_reported_and_the_rest_is_applied(node: Node) -> None:
    """A listening address is not released for one that may be taken."""
    node.write(listen="127.0.0.1:9", counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.configuration()["restart_needed"] == ["listen"]
    assert node.value("no_shows_total") == 0
    node.write(counters={"rules": [NO_SHOWS]})
    node.turns()
    assert node.configuration()["restart_needed"] == []


def test_an_added_input_is_followed_and_a_removed_one_pauses(node: Node) -> None:
    """Added again, it resumes at its checkpoint: nothing is read twice or skipped."""
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


def test_a_log_whose_file_was_deleted_is_read_to_its_end(node: Node) -> None:
    """Even if no input names it any more: a reload does not lose the last lines of a container."""
    node.log("login_failed")
    node.turns(1)
    node.log("login_failed")
    (node.folder / "a/app.log").unlink()
    node.write(inputs=[f"docker:{node.folder}/b/*.log"])
    node.reloader.requested = True
    node.turns(8)
    assert node.agent.outcomes()["indexed"] == 2


def test_a_new_input_may_start_at_the_end_and_a_known_one_skips_nothing(node: Node) -> None:
    """A container that starts during the reload is read from its beginning if its input existed before."""
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


def test_changed_input_settings_apply_to_followed_logs(node: Node) -> None:
    """Another service applies from the next line on."""
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
    """Its ids would change; the reason is reported and the agent continues."""
    node.log("login_failed")
    node.turns()
    node.write(inputs=[template.format(node.folder) for template in inputs])
    node.turns()
    assert node.configuration()["error"].startswith("inputs: ")
    node.log("login_failed")
    node.turns()
    assert node.agent.outcomes()["indexed"] == 2


def test_a_histogram_with_other_buckets_starts_at_zero(node: Node) -> None:
    """And /metrics can be read: the old bucket counts do not fit the new buckets."""
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


def test_a_new_mask_applies_to_the_next_line(node: Node) -> None:
    """Also for logs on the native path, whose chain is rebuilt."""
    node.log("moved", ward="B4")
    node.turns()
    node.write(redact={"fields": ["ward"]})
    node.turns()
    node.log("moved", ward="B4")
    node.turns()
    stored = LocalReader(node.folder / "store").search(Query(event="moved"))
    assert [body["extra"]["ward"] for body in stored] == ["B4", "[redacted:field]"]


def test_the_client_of_the_output_is_rebuilt_if_its_settings_change(tmp_path: Path) -> None:
    """Its section of the file, or the content of a file that it names; otherwise it keeps its connections."""
    before = Settings.model_validate({"output": "http://127.0.0.1:9", "state_dir": tmp_path, "host": "n"})
    after = before.model_copy(update={"elasticsearch": before.elasticsearch.model_copy(update={"in_flight": 2})})
    for settings, files_changed, rebuilt in ((before, False, False), (after, False, True), (before, True, True)):
        change = build_agent.change(settings, before, from_end=False, files_changed=files_changed)
        assert (change.output is not None) == rebuilt
        assert change.waits == rebuilt
        if change.output is not None:
            change.output.close()


# --- with batches in flight -----------------------------------------------------------------------


@pytest.fixture
def slow(node: Node) -> MemoryOutput:
    """Return an output whose requests the test finishes."""
    output = MemoryOutput()
    output.slow = True
    node.agent.delivery.output = output
    return output


def flagging(node: Node) -> None:
    """Request a reload with another policy."""
    node.write(schema={"policies": {"correlation_id_missing": "flag"}})
    node.reloader.requested = True


def test_a_change_of_policies_waits_for_batches_in_flight(node: Node, slow: MemoryOutput) -> None:
    """Counting continues, and each entry is in one index."""
    node.log("login_failed", correlation_id=None)
    node.turns(1)
    flagging(node)
    node.turns(2)
    node.log("login_failed", correlation_id=None)
    node.turns(3)
    assert node.configuration()["waiting"]
    assert node.value("failed_login_attempts_total", "app") == 2
    assert len(slow.unanswered) == 1
    slow.answer(0)
    node.turns(3)
    assert not node.configuration()["waiting"]
    while slow.unanswered:
        slow.answer(0)
        node.turns(2)
    assert sorted(index[:18] for index, _ in slow.stored) == ["keneyapp-logs-2026", "keneyapp-quarantin"]
    assert len({id_ for _, id_ in slow.stored}) == 2


def test_a_change_of_policies_waits_for_batches_of_unknown_result(node: Node, slow: MemoryOutput) -> None:
    """The output stored a batch and failed before its response: the batch goes to the same index again."""
    node.log("login_failed", correlation_id=None)
    node.turns(1)
    future, documents = slow.unanswered.pop()
    slow.write(documents)
    future.set_exception(OutputUnavailable("the connection broke", "wait"))
    slow.unavailable = True
    flagging(node)
    node.turns(3)
    assert node.configuration()["waiting"]
    slow.unavailable = slow.slow = False
    node.clock.pass_seconds(60)
    node.turns(3)
    assert not node.configuration()["waiting"]
    node.log("login_failed", correlation_id=None)
    node.turns(3)
    assert sorted(index[:18] for index, _ in slow.stored) == ["keneyapp-logs-2026", "keneyapp-quarantin"]
    assert node.value("failed_login_attempts_total", "app") == 2


def test_a_change_of_rules_waits_for_nothing(node: Node, slow: MemoryOutput) -> None:
    """An unavailable output delays no counter."""
    node.log("login_failed")
    node.turns(1)
    node.write(counters={"rules": [NO_SHOWS]})
    node.reloader.requested = True
    node.turns(3)
    assert len(slow.unanswered) == 1
    assert node.value("no_shows_total") == 0
