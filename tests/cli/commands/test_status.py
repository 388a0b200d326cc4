"""`shipper status`: from the agent that answers, from the state of one that does not, and past whatever else is there."""

import io
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from shipper.agent.agent import Agent
from shipper.agent.agent_status import AgentPublisher
from shipper.bootstrap import build_agent
from shipper.cli.commands.status import from_agent, show
from shipper.config.settings import Settings
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError
from shipper.web.server import serve
from tests.cli.conftest import Shipper


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent that has looked at an empty folder."""
    settings = Settings.model_validate({
        "inputs": [f"docker:{tmp_path}/*.log"], "output": f"local:{tmp_path}/out", "state_dir": tmp_path / "state",
    })  # fmt: skip
    found = build_agent.agent(settings, Clock())
    found.run_once()
    yield found
    found.close()


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a program that greets in another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError), server.accept()[0] as client:
                client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        server.settimeout(10)
        thread = threading.Thread(target=greet)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_the_agent_is_asked_directly(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is set for the way out is not handed the token, nor taken for an agent that does not answer."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serve("127.0.0.1:0", AgentPublisher(agent, "local"), None) as address:
        found = from_agent(Settings(listen=str(address).removeprefix("http://")))
    assert found is not None
    assert found["running"]


def test_a_token_of_any_letters_is_given(agent: Agent) -> None:
    """As the server reads it: its bytes are those of UTF-8."""
    with serve("0.0.0.0:0", AgentPublisher(agent, "local"), "tökén 薬") as address:
        listen = str(address).removeprefix("http://")
        assert from_agent(Settings.model_validate({"listen": listen, "token": "tökén 薬"})) is not None


def test_a_running_agent_that_does_not_answer_is_a_running_agent(
    agent: Agent, tmp_path: Path, shipper: Shipper
) -> None:
    """It serves no pages, wants another token, or hangs: its lock tells, and its positions are those of a commit."""
    state = tmp_path / "state"
    with serve("0.0.0.0:0", AgentPublisher(agent, "local"), "token") as address:
        listen = str(address).removeprefix("http://")
        for asked in (listen, "off"):
            code, out, _ = shipper("status", "--listen", asked, "--state-dir", str(state))
            assert code == 0
            assert out.startswith("agent   running")
            assert "pages   do not answer" in out


@pytest.mark.parametrize("command", [["status"], ["top", "--once", "--interval", "0.1"]])
def test_in_a_pipe_paths_are_whole(
    tmp_path: Path, shipper: Shipper, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """However long: the next program looks for them."""
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / ("folder" * 20) / "access.log"
    path.parent.mkdir()
    path.touch()
    settings = Settings.model_validate({
        "inputs": [f"plain:{path}"], "output": f"local:{tmp_path}/out", "state_dir": tmp_path / "state",
    })  # fmt: skip
    agent = build_agent.agent(settings, Clock())
    agent.run_once()
    code, out, _ = shipper(*command, "--listen", "off", "--state-dir", str(tmp_path / "state"))
    agent.close()
    assert code == 0
    assert str(path) in out


def test_the_lag_of_a_partition_is_shown() -> None:
    """In messages, as its other numbers are."""
    log = {"path": "kafka://logs/0", "size": 9000, "counted": 7800, "shipped": 7800, "lag_bytes": None,
           "lag_messages": 1200}  # fmt: skip
    console = Console(file=io.StringIO(), width=80, color_system=None)
    show({"running": True, "state": {"directory": "s"}, "output": {"url": "u", "error": None}, "logs": [log]}, console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[-1].split() == ["9,000", "7,800", "7,800", "1,200", "kafka://logs/0"]


def test_an_output_that_is_away_comes_with_its_hint() -> None:
    """Whoever looks at night needs no other command for it."""
    console = Console(file=io.StringIO(), width=80, color_system=None)
    output = {"url": "http://es:9200", "error": "it cannot be reached", "hint": "see whether it runs"}
    show({"running": True, "state": {"directory": "s"}, "output": output, "logs": []}, console)
    assert isinstance(console.file, io.StringIO)
    assert "output  http://es:9200 away: it cannot be reached\n        see whether it runs\n" in console.file.getvalue()


def test_where_a_token_is_asked_for_it_says_so(agent: Agent, tmp_path: Path) -> None:
    """On another machine, or beside another state directory, there is nothing else to look at."""
    with serve("0.0.0.0:0", AgentPublisher(agent, "local"), "token") as address:
        listen = str(address).removeprefix("http://")
        with pytest.raises(ShipperError, match="asks for the agent's token") as told:
            from_agent(Settings(listen=listen, state_dir=tmp_path / "elsewhere"))
    assert "SHIPPER_TOKEN" in told.value.hint


@pytest.mark.parametrize("command", ["status", "top"])
def test_another_program_at_the_address_is_no_agent(shipper: Shipper, stranger: str, command: str) -> None:
    """What it says is not read as an answer; the state tells the rest."""
    code, _, told = shipper(command, "--listen", stranger)
    assert code == 1
    assert told.startswith("error: no agent answers")


def test_a_program_that_answers_without_end_holds_nobody_up(shipper: Shipper, tmp_path: Path) -> None:
    """Only what an agent says is read; a stream of something else is let go."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def stream() -> None:
            with suppress(OSError), server.accept()[0] as client:
                client.sendall(b"HTTP/1.1 200 OK\r\nServer: stream\r\n\r\n")
                while True:
                    client.sendall(b"data: 1\n\n" * 4096)

        server.settimeout(10)
        thread = threading.Thread(target=stream)
        thread.start()
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        code, _, told = shipper("status", "--listen", listen, "--state-dir", str(tmp_path / "none"))
        thread.join(10)
    assert (code, thread.is_alive()) == (1, False)
    assert told.startswith("error: no agent answers")


@pytest.mark.parametrize("name", ["ward#3", "ward?mode=memory", "50%25"])
@pytest.mark.parametrize("command", [("status",), ("check",), ("top", "--once", "--interval", "0.1")])
def test_a_state_directory_may_have_any_name(
    shipper: Shipper, tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    """Signs that mean something in an address mean nothing here."""
    settings = Settings.model_validate({
        "inputs": [f"plain:{tmp_path}/*.log"], "output": f"local:{tmp_path}/out", "state_dir": tmp_path / name,
    })  # fmt: skip
    (tmp_path / "app.log").touch()
    agent = build_agent.agent(settings, Clock())
    agent.run_once()
    given = ["--input", f"plain:{tmp_path}/*.log", "--output", f"local:{tmp_path}/out"] if command == ("check",) else []
    code, out, told = shipper(*command, *given, "--listen", "off", "--state-dir", str(tmp_path / name))
    agent.close()
    assert code == 0, out + told
    assert "cannot read" not in out
    assert "cannot be read" not in out
