"""`shipper status`: what the agent is at, from itself or from the state it left."""

import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shipper.cli.options import configured
from shipper.cli.terminal.cells import console_of
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import working
from shipper.config.settings import Settings
from shipper.diagnose.preflight import locked
from shipper.state.database import FILE, LOCK, open_read_only
from shipper.system.errors import ShipperError
from shipper.web.client import Answer, ask
from shipper_processors.envelope import without_surrogates
from shipper_processors.sanitize import printable


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@configured("state_dir", "listen")
def status(settings: Settings, *, form: str) -> None:
    """Show files followed, positions, lag and the state of the output.

    Asks the running agent at --listen; where none answers, reads the state directory, and tells by its lock whether
    an agent runs.
    """
    with working("asking the agent"):
        found = from_agent(settings) or from_state(settings.state_dir)
    if form == "json":
        click.echo(as_json(found))
    else:
        show(found, console_of())


def from_agent(settings: Settings) -> dict[str, Any] | None:
    """What a running agent says of itself, None where none answers.

    Raises ShipperError where it asks for a token, and its state is not here to be looked at instead.
    """
    if settings.listen == "off":
        return None
    answer = page(settings, "/status")
    if answer is None:
        return None
    if answer.status == HTTPStatus.UNAUTHORIZED and not locked(settings.state_dir / LOCK):
        raise ShipperError(
            f"what answers at {settings.listen} asks for the agent's token",
            "give the agent's --config, or its token as the variable SHIPPER_TOKEN",
        )
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and "logs" in found else None


def page(settings: Settings, path: str) -> Answer | None:
    """A page of what answers at `listen`; None where nothing does."""
    return ask(settings.listen, path, settings.token.get_secret_value() if settings.token else None)


def from_state(directory: Path) -> dict[str, Any]:
    """The positions that the last commit left, and whether an agent holds them. Raises ShipperError where none are."""
    path = directory / FILE
    if not path.exists():
        raise ShipperError(
            f"no agent answers, and {path} does not exist", "start one with `shipper run`, or give --state-dir"
        )
    with open_read_only(directory) as db:
        rows = db.execute("SELECT path, counted_offset, coalesce(shipped_offset, counted_offset) FROM log").fetchall()
    logs = [_resting(path, counted, shipped) for path, counted, shipped in rows]
    state = {"directory": str(directory), "error": None}
    return {"running": locked(directory / LOCK), "state": state, "logs": logs}


def _resting(kept: str | bytes, counted: int, shipped: int) -> dict[str, Any]:
    path = os.fsdecode(kept)
    try:
        size = Path(path).stat().st_size
    except OSError:
        size = None
    lag = None if size is None or size < shipped else size - shipped
    return {"path": without_surrogates(path), "size": size, "counted": counted, "shipped": shipped, "lag_bytes": lag}


def show(found: dict[str, Any], console: Console) -> None:
    """Print a status for people."""
    running = Text("running", "bold green") if found["running"] else Text("not running", "bold yellow")
    console.print(Text.assemble("agent   ", running, f", state in {printable(found['state']['directory'])}"))
    if found["running"] and "output" not in found:
        console.print(Text("pages   do not answer; these are the positions of its last commit", "yellow"))
    if "output" in found:
        error = found["output"]["error"]
        word = Text("takes events", "green") if error is None else Text(f"away: {printable(error)}", "bold red")
        console.print(Text.assemble(f"output  {printable(found['output']['url'])} ", word))
        if hint := found["output"].get("hint"):
            console.print(Text(f"        {printable(hint)}", "dim"))
    if found.get("configuration"):
        console.print(told_configuration(found["configuration"]))
    for path, error in found.get("unreadable", {}).items():
        console.print(Text(f"cannot read {printable(path)}: {printable(error)}", "yellow"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("size", "counted", "shipped", "lag"):
        table.add_column(name, justify="right")
    table.add_column("log", overflow="fold")
    for log in found["logs"]:
        numbers = map(_number, (log["size"], log["counted"], log["shipped"], behind(log)))
        table.add_row(*numbers, Text(printable(log.get("container") or log["path"])))  # a text alone may hold styles
    console.print(table if found["logs"] else "no logs followed yet")


def behind(log: dict[str, Any]) -> int | None:
    """What of a log is not shipped yet: bytes, or messages of a partition."""
    found: int | None = log["lag_bytes"] if log.get("lag_messages") is None else log["lag_messages"]
    return found


def told_configuration(found: dict[str, Any]) -> Text:
    """The configuration in effect, and what stands in the way of the one that the file holds now."""
    said = Text.assemble("config  ", printable(found["file"] or "no file"), f", in effect since {found['loaded_at']} ")
    if found["error"] is not None:
        said.append(f"refused now: {printable(found['error'], newlines=True)}", "bold red")
    elif found["waiting"]:
        said.append("a change waits for the output to answer", "yellow")
    elif found["restart_needed"]:
        said.append(f"restart for {', '.join(map(printable, found['restart_needed']))}", "yellow")
    return said


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
