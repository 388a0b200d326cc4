"""`shipper tail`: entries as the agent would store them, read directly from the inputs without changing anything."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shipper.agent.live_tail import LiveTail
from shipper.bootstrap import build_agent, build_inputs
from shipper.cli.commands.tail import Hidden, bodies
from shipper.cli.terminal.render import Stream
from shipper.config.settings import Settings
from shipper.model.batch import INDEXED, QUARANTINED
from shipper.model.query import Query
from shipper.outputs.query_filter import accepts
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.errors import ConfigurationError
from shipper.system.shutdown import StopEvent
from tests.cli.conftest import made
from tests.examples import examples
from tests.hazards.rig import ManualClock, docker_line


def line(**fields: Any) -> bytes:
    """Return a container line."""
    return docker_line(json.dumps({"correlation_id": "c-1", "event": "tick", **fields}) + "\n")


class Node:
    """A folder with a log and its follower."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock = folder / "app.log", ManualClock()
        self.path.write_bytes(line(message="before"))
        self.settings = Settings.model_validate(
            {"inputs": [f"docker:{folder}/*.log"], "state_dir": folder / "state", "host": "node-1"}
        )
        self.follower = build_inputs.follower(self.settings, self.clock)

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def turn(self) -> list[tuple[str, dict[str, Any]]]:
        self.clock.pass_seconds(3)
        return [(outcome, json.loads(document.body)) for outcome, document in self.follower.turn()]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Yield a node after its first turn."""
    watched = Node(tmp_path)
    assert watched.turn() == []
    yield watched
    watched.follower.close()


def test_new_entries_are_shown_as_they_would_be_stored(node: Node) -> None:
    """Only new ones; enriched and masked, quarantined ones with reasons; a new log from its beginning."""
    node.write(line(message="mail to ada@example.org") + line(event="login_failed", correlation_id=None))
    (first, stored), (second, quarantined) = node.turn()
    assert (first, second) == (INDEXED, QUARANTINED)
    assert (stored["message"], stored["host"], stored["log"]["file"]["path"]) == (
        "mail to [redacted:email]", {"name": "node-1"}, str(node.path),
    )  # fmt: skip
    assert [reason["kind"] for reason in quarantined["reasons"]] == ["correlation_id_missing"]
    (node.path.parent / "new.log").write_bytes(line(message="new"))
    assert [body["message"] for _, body in node.turn()] == ["new"]


def test_rotation_loses_no_line(node: Node) -> None:
    """The rest of the rotated file comes first, then the new one."""
    node.write(line(message="1"))
    node.turn()
    node.write(line(message="2"))
    node.path.rename(f"{node.path}.1")
    node.path.write_bytes(line(message="3"))
    messages = [body["message"] for _ in range(4) for _, body in node.turn()]
    assert messages == ["2", "3"]


def test_nothing_is_written(node: Node) -> None:
    """No state, no key, no store."""
    node.write(line())
    node.turn()
    assert [path.name for path in node.path.parent.iterdir()] == ["app.log"]


def test_the_offsets_of_an_agent_are_not_affected(node: Node) -> None:
    """An agent on the same files reads them as without a tail."""
    agent = build_agent.agent(
        node.settings.model_copy(update={"output": f"local:{node.path.parent}/store"}), ManualClock()
    )
    node.write(line(message="1"))
    assert len(node.turn()) == 1
    agent.run_once()
    assert agent.outcomes()["indexed"] == 2
    agent.close()


def test_a_topic_is_not_read(tmp_path: Path) -> None:
    """It would take messages from the group; the error has a hint."""
    with pytest.raises(ConfigurationError, match="indexers"):
        build_inputs.follower(Settings.model_validate({"inputs": ["kafka://k:9092/logs"]}), ManualClock())


def test_only_matching_entries_are_shown(node: Node) -> None:
    """Quarantined entries only on request; it ends when stopped."""
    node.write(b"".join([line(event="a"), line(event="b"), line(event="a", correlation_id=None)]))
    stopping = StopEvent()
    matches = bodies(node.follower, stopping, accepts(Query(event="a")), None)
    body = next(matches)
    assert (body["event"], body["_index"]) == ("a", "keneyapp-logs-2026.11.23")
    stopping.set()
    assert list(matches) == []


def test_quarantined_entries_are_announced(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """Each reason once, and their number at the end; entries that do not match are none of them."""
    lost = line(event="login_failed", correlation_id=None)
    node.write(lost * 2 + line(event="login_failed") + line(event="request_complete", correlation_id=None))
    stopping, hidden = StopEvent(), Hidden()
    matches = bodies(node.follower, stopping, accepts(Query(event="login_failed")), hidden)
    assert next(matches)["correlation_id"] == "c-1"
    stopping.set()
    list(matches)
    hidden.report()
    assert capsys.readouterr().err.splitlines() == [
        "quarantined and not shown: correlation_id_missing; show with --quarantined",
        "2 matching entries were quarantined and not shown; show with --quarantined",
    ]


EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["tick", "tock"]), "level": st.sampled_from(["debug", "info", "warning", "error"])},
    optional={
        "correlation_id": st.sampled_from(["a", "b"]),
        "message": st.sampled_from(["the quick fox", "the fox is quick", "hound", "quicker"]),
        "container": st.sampled_from([{"name": "web", "id": "4f00"}, {"id": "4e"}]),
    },
)
QUERIES = st.builds(
    Query,
    correlation_id=st.none() | st.sampled_from(["a", "x"]),
    event=st.none() | st.sampled_from(["tick", "x"]),
    level=st.none() | st.sampled_from(["info", "warn", "error"]),
    container=st.none() | st.sampled_from(["web", "4f", "backend", "x"]),
    text=st.none() | st.sampled_from(["quick", "fox quick", '"quick fox"', "x"]),
)


@examples(30)
@given(st.lists(EVENTS, max_size=6), QUERIES)
def test_filters_match_as_in_a_search(
    tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, Any]], query: Query
) -> None:
    """Both select the same documents."""
    store = LocalStore(tmp_path_factory.mktemp("store"))
    documents = [made(number, **event) for number, event in enumerate(events)]
    if documents:
        store.write(documents)
    searched = [body["log"]["offset"] for body in LocalReader(store.directory).search(query)] if documents else []
    store.close()
    is_match = accepts(query)
    assert searched == [number for number, document in enumerate(documents) if is_match(json.loads(document.body))]


# --- on a terminal -----------------------------------------------------------------------------


def streamed(width: int, *entries: dict[str, Any]) -> list[str]:
    """Return the lines of entries on a terminal of that width."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, highlight=False)
    stream = Stream(console)
    for entry in entries:
        stream.show(entry)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


WIDE = {"@timestamp": "2026-11-23T10:00:00.000Z", "event": "患者を作成しました", "level": "error",
        "service": {"name": "バックエンド"}, "message": "患者さん " * 20}  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_screen(width: int) -> None:
    """Also with wide characters; a narrow screen keeps level, event and message."""
    from rich.cells import cell_len

    lines = streamed(width, WIDE, WIDE | {"event": "x"})
    assert len(lines) == 3
    assert max(map(cell_len, lines)) <= width
    assert all("ERROR" in entry and "患者" in entry for entry in lines[1:])
    assert ("バック" in lines[1]) == (width >= 60)


def test_a_quarantined_entry_shows_its_reasons() -> None:
    """Hostile bytes are escaped."""
    entry = {"@timestamp": "2026-11-23T10:00:00.000Z", "reasons": [{"kind": "json_invalid"}], "raw": "{\x1b[2J"}
    assert streamed(80, entry)[1] == r"10:00:00.000  QUARANTINED  json_invalid  {\x1b[2J"


def test_the_command_follows_and_stops_cleanly(tmp_path: Path) -> None:
    """JSON lines are printed immediately; SIGINT ends it with exit code 0."""
    log = tmp_path / "app.log"
    log.write_bytes(line(message="before"))
    process = subprocess.Popen(
        [sys.executable, "-m", "shipper", "tail", "--input", f"docker:{tmp_path}/*.log", "--format", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        printed: list[str] = []
        reader = threading.Thread(target=lambda: printed.append(process.stdout.readline()))  # type: ignore[union-attr]
        reader.start()
        number = 0
        while reader.is_alive():
            number += 1
            with log.open("ab") as file:
                file.write(line(message=str(number)))
            reader.join(0.1)
        assert json.loads(printed[0])["message"].isdigit()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    assert sorted(os.listdir(tmp_path)) == ["app.log"]


def test_the_follower_uses_the_python_path(node: Node) -> None:
    """Each entry is shown, so there are no runs of the native path."""
    assert isinstance(node.follower, LiveTail)
    assert node.follower.tail.fast_chain is None
