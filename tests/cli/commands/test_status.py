"""`shipper status`: from an agent that answers, from the state of one that does not, and past other programs."""

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
from shipper.cli.commands.status import from_agent, show, spool_line
from shipper.config.settings import Settings
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError
from shipper.web.server import serve
from tests.cli.conftest import Shipper


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Yield an agent that has scanned an empty folder."""
    settings = Settings.model_validate({
        "inputs": [f"docker:{tmp_path}/*.log"], "output": f"local:{tmp_path}/out", "state_dir": tmp_path / "state",
    })  # fmt: skip
    built = build_agent.agent(settings, Clock())
    built.run_once()
    yield built
    built.close()


@pytest.fixture
def stranger() -> Iterator[str]:
    """Yield the address of a program with another protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError), server.accept()[0] as client:
                client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        server.settimeout(10)
        thread = threading.Thread(target=greet)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_the_agent_is_queried_directly(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured proxy does not get the token, and does not hide the agent."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serve("127.0.0.1:0", AgentPublisher(agent, "local"), None) as address:
        report = from_agent(Settings(listen=str(address).removeprefix("http://")))
    assert report is not None
    assert report["running"]


def test_a_token_may_have_any_characters(agent: Agent) -> None:
    """It is sent as UTF-8, as the server reads it."""
    with serve("0.0.0.0:0", AgentPublisher(agent, "local"), "tökén 薬") as address:
        listen = str(address).removeprefix("http://")
        assert from_agent(Settings.model_validate({"listen": listen, "token": "tökén 薬"})) is not None


def test_an_agent_that_does_not_answer_is_shown_as_running(agent: Agent, tmp_path: Path, shipper: Shipper) -> None:
    """Without HTTP server, with another token, or blocked: its lock shows it, with the offsets of the last commit."""
    state = tmp_path / "state"
    with serve("0.0.0.0:0", AgentPublisher(agent, "local"), "token") as address:
        listen = str(address).removeprefix("http://")
        for listen_option in (listen, "off"):
            code, out, _ = shipper("status", "--listen", listen_option, "--state-dir", str(state))
            assert code == 0
            assert out.startswith("agent   running")
            assert "http    no answer" in out


@pytest.mark.parametrize("command", [["status"], ["top", "--once", "--interval", "0.1"]])
def test_in_a_pipe_paths_are_whole(
    tmp_path: Path, shipper: Shipper, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """At any length, since the next program needs them."""
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
    """In messages, like its other numbers."""
    log = {"path": "kafka://logs/0", "size": 9000, "counted": 7800, "shipped": 7800, "lag_bytes": None,
           "lag_messages": 1200}  # fmt: skip
    console = Console(file=io.StringIO(), width=80, color_system=None)
    show({"running": True, "state": {"directory": "s"}, "output": {"url": "u", "error": None}, "logs": [log]}, console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[-1].split() == ["9,000", "7,800", "7,800", "1,200", "kafka://logs/0"]


def test_an_unavailable_output_is_shown_with_its_hint() -> None:
    """No other command is needed for it."""
    console = Console(file=io.StringIO(), width=80, color_system=None)
    output = {"url": "http://es:9200", "error": "it cannot be reached", "hint": "see whether it runs"}
    show({"running": True, "state": {"directory": "s"}, "output": output, "logs": []}, console)
    assert isinstance(console.file, io.StringIO)
    assert (
        "output  http://es:9200 unavailable: it cannot be reached\n        see whether it runs\n"
        in console.file.getvalue()
    )


def test_a_missing_token_is_an_error(agent: Agent, tmp_path: Path) -> None:
    """On another machine, or with another state directory, there is no other source."""
    with serve("0.0.0.0:0", AgentPublisher(agent, "local"), "token") as address:
        listen = str(address).removeprefix("http://")
        with pytest.raises(ShipperError, match="requires its token") as caught:
            from_agent(Settings(listen=listen, state_dir=tmp_path / "elsewhere"))
    assert "SHIPPER_TOKEN" in caught.value.hint


@pytest.mark.parametrize("command", ["status", "top"])
def test_another_program_at_the_address_is_not_an_agent(shipper: Shipper, stranger: str, command: str) -> None:
    """Its output is not parsed; the state directory is read instead."""
    code, _, err = shipper(command, "--listen", stranger)
    assert code == 1
    assert err.startswith("error: no agent answers")


def test_an_endless_response_does_not_block(shipper: Shipper, tmp_path: Path) -> None:
    """Only responses of an agent are read; other streams are closed."""
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
        code, _, err = shipper("status", "--listen", listen, "--state-dir", str(tmp_path / "none"))
        thread.join(10)
    assert (code, thread.is_alive()) == (1, False)
    assert err.startswith("error: no agent answers")


@pytest.mark.parametrize("name", ["ward#3", "ward?mode=memory", "50%25"])
@pytest.mark.parametrize("command", [("status",), ("check",), ("top", "--once", "--interval", "0.1")])
def test_a_state_directory_may_have_any_name(
    shipper: Shipper, tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    """URL characters have no special meaning."""
    settings = Settings.model_validate({
        "inputs": [f"plain:{tmp_path}/*.log"], "output": f"local:{tmp_path}/out", "state_dir": tmp_path / name,
    })  # fmt: skip
    (tmp_path / "app.log").touch()
    agent = build_agent.agent(settings, Clock())
    agent.run_once()
    options = (
        ["--input", f"plain:{tmp_path}/*.log", "--output", f"local:{tmp_path}/out"] if command == ("check",) else []
    )
    code, out, err = shipper(*command, *options, "--listen", "off", "--state-dir", str(tmp_path / name))
    agent.close()
    assert code == 0, out + err
    assert "cannot be read" not in out


def test_the_spool_is_shown_with_the_hours_that_it_lasts() -> None:
    """Only where files wait for the output."""
    spool = {
        "held_files": 2, "held_bytes": 10, "files": 3, "bytes": 512 * 1024, "max_bytes": 1 << 30, "hours_left": 41.5,
        "error": None,
    }  # fmt: skip
    line = spool_line(spool)
    assert line is not None
    assert line.plain == (
        "spool   3 files, 0.5 of 1,024 MiB; 2 rotated files held open; lasts 41.5 hours at the present rate"
    )
    assert spool_line(dict.fromkeys(spool, 0)) is None
    full = spool_line({**spool, "hours_left": None, "error": "No space left"})
    assert full is not None
    assert full.plain.endswith("held open; cannot write: No space left")
