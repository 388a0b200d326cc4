"""Libraries that a command loads: each costs its start and its memory, so a command loads only those it uses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, sys
from shipper.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
CHAIN = (
    "shipper_processors.chain_plan",
    "shipper_processors.redact",
    "shipper_processors.text_heads",
    "shipper_native",
)
SERVERS = ("elasticsearch", "elastic_transport", "urllib3", "kafka", "confluent_kafka", "docker")
TERMINAL = ("rich.console", "structlog.dev")
ALWAYS_HEAVY = ("rich.traceback", "pygments", "jinja2", "starlette", "uvicorn")
WEB = ("prometheus_client", "http.server", "wsgiref", "shipper.web.app")


def loaded(tmp_path: Path, *arguments: str) -> set[str]:
    """Run a command in a process of its own, and return the modules it has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=list(arguments))],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_neither_settings_nor_a_library(tmp_path: Path, arguments: list[str]) -> None:
    """The overview needs click alone."""
    unwanted = {"pydantic", "yaml", "structlog", "msgspec", *CHAIN, *SERVERS, *TERMINAL, *ALWAYS_HEAVY}
    unwanted -= {"shipper_native", "kafka", "confluent_kafka"} if arguments == ["--version"] else set()
    assert not unwanted & loaded(tmp_path, *arguments)


def test_search_of_the_embedded_store_loads_neither_chain_nor_servers(tmp_path: Path) -> None:
    """A search reads the store: no log, no YAML without a file, no chain, no client of a server."""
    modules = loaded(tmp_path, "search", "abc123", "--output", f"local:{tmp_path}/store")
    assert not {"yaml", "structlog", "asyncio", *CHAIN, *SERVERS, *ALWAYS_HEAVY} & modules


def test_agent_loads_no_terminal_library_and_no_unused_server(tmp_path: Path) -> None:
    """An agent with the embedded store has neither a terminal's libraries nor a server's in memory."""
    modules = loaded(tmp_path, "run", "--once", *options(tmp_path), "--listen=off")
    assert not {*SERVERS, *TERMINAL, *ALWAYS_HEAVY} - {"structlog.dev"} & modules


def test_agent_without_an_address_loads_no_web_server(tmp_path: Path) -> None:
    """Without `listen`, nothing of the web server is in memory; with it, the metrics library comes with a scrape."""
    assert not {*WEB} & loaded(tmp_path, "run", "--once", *options(tmp_path), "--listen=off")
    assert {*WEB} & loaded(tmp_path, "run", "--once", *options(tmp_path), "--listen=127.0.0.1:0") == {*WEB[1:]}


def options(tmp_path: Path) -> list[str]:
    """Return the options of an agent with an empty folder and the embedded store."""
    return [f"--input=docker:{tmp_path}/*/*-json.log", f"--output=local:{tmp_path}/store"]
