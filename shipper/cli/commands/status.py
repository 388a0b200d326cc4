"""`shipper status`: the status of an agent, from its HTTP server or its state directory."""

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
from shipper.system.version import NATIVE_COST
from shipper.web.client import Response, fetch
from shipper_processors.envelope import without_surrogates
from shipper_processors.sanitize import printable

MIB = 1024 * 1024


@click.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@configured("state_dir", "listen")
def status(settings: Settings, *, form: str) -> None:
    """Show followed files, offsets, lag and the state of the output.

    Queries the running agent at --listen. If none answers, reads the state directory; its lock shows if an agent is
    running.
    """
    with working("querying the agent"):
        report = from_agent(settings) or from_state(settings.state_dir)
    if form == "json":
        click.echo(as_json(report))
    else:
        show(report, console_of())


def from_agent(settings: Settings) -> dict[str, Any] | None:
    """Return the status of a running agent; None if none answers.

    Raises ShipperError if it requires a token and its state directory is not available instead.
    """
    if settings.listen == "off":
        return None
    response = page(settings, "/status")
    if response is None:
        return None
    if response.status == HTTPStatus.UNAUTHORIZED and not locked(settings.state_dir / LOCK):
        raise ShipperError(
            f"the agent at {settings.listen} requires its token",
            "give the agent's --config, or set the variable SHIPPER_TOKEN to its token",
        )
    try:
        report = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    return report if isinstance(report, dict) and "logs" in report else None


def page(settings: Settings, path: str) -> Response | None:
    """Fetch a page of the agent at `listen`; None if none answers."""
    return fetch(settings.listen, path, settings.token.get_secret_value() if settings.token else None)


def from_state(directory: Path) -> dict[str, Any]:
    """Return the offsets of the last commit, with the lock as `running`. Raises ShipperError if there are none."""
    path = directory / FILE
    if not path.exists():
        raise ShipperError(
            f"no agent answers, and {path} does not exist", "start one with `shipper run`, or give --state-dir"
        )
    with open_read_only(directory) as db:
        rows = db.execute("SELECT path, count_offset, coalesce(ship_offset, count_offset) FROM log").fetchall()
    logs = [_log_from_state(path, counted, shipped) for path, counted, shipped in rows]
    state = {"directory": str(directory), "error": None}
    return {"running": locked(directory / LOCK), "state": state, "logs": logs}


def _log_from_state(stored: str | bytes, counted: int, shipped: int) -> dict[str, Any]:
    path = os.fsdecode(stored)
    try:
        size = Path(path).stat().st_size
    except OSError:
        size = None
    lag = None if size is None or size < shipped else size - shipped
    return {"path": without_surrogates(path), "size": size, "counted": counted, "shipped": shipped, "lag_bytes": lag}


def changes_line(changes: dict[str, Any], logs: int) -> str:
    """Return how the agent notices changes of files, and why some of them are polled."""
    polled, reasons = changes["logs_polled"], "; ".join(changes["reasons"])
    if changes["by"] == "polling":
        return f"changes polled: {reasons}"
    some = f"; {polled:,} of {logs:,} logs polled: {reasons}" if polled else ""
    return f"changes reported by inotify in {changes['folders_watched']:,} folders{some}"


def show(report: dict[str, Any], console: Console) -> None:
    """Print a status for people."""
    running = Text("running", "bold green") if report["running"] else Text("not running", "bold yellow")
    console.print(Text.assemble("agent   ", running, f", state in {printable(report['state']['directory'])}"))
    if report["running"] and "output" not in report:
        console.print(Text("http    no answer; showing the offsets of the last commit", "yellow"))
    if "path" in report:
        console.print(f"path    {report['path']}" if report["path"] == "native" else f"path    Python: {NATIVE_COST}")
    if "output" in report:
        error = report["output"]["error"]
        availability = (
            Text("available", "green") if error is None else Text(f"unavailable: {printable(error)}", "bold red")
        )
        console.print(Text.assemble(f"output  {printable(report['output']['url'])} ", availability))
        if hint := report["output"].get("hint"):
            console.print(Text(f"        {printable(hint)}", "dim"))
    for line in _reading_lines(report):
        console.print(line)
    if report.get("configuration"):
        console.print(configuration_line(report["configuration"]))
    for path, error in report.get("unreadable", {}).items():
        console.print(Text(f"cannot read {printable(path)}: {printable(error)}", "yellow"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("size", "counted", "shipped", "lag"):
        table.add_column(name, justify="right")
    table.add_column("log", overflow="fold")
    for log in report["logs"]:
        numbers = map(_number, (log["size"], log["counted"], log["shipped"], behind(log)))
        table.add_row(
            *numbers, Text(printable(log.get("container") or log["path"]))
        )  # only a Text is printed without markup
    console.print(table if report["logs"] else "no logs followed yet")


def _reading_lines(report: dict[str, Any]) -> list[Text | str]:
    """Return the lines on the spool and on how changes are noticed."""
    changes, spool = report.get("changes"), spool_line(report.get("spool"))
    lines: list[Text | str] = [] if spool is None else [spool]
    return [*lines, printable(changes_line(changes, len(report["logs"])))] if changes else lines


def spool_line(spool: dict[str, Any] | None) -> Text | None:
    """Return what waits for the output in rotated files, and how long the spool lasts; None if nothing does."""
    if not spool or not (spool["held_files"] or spool["files"] or spool["error"]):
        return None
    mebibytes = f"{spool['bytes'] / MIB:,.1f} of {spool['max_bytes'] / MIB:,.0f} MiB"
    line = Text(f"spool   {spool['files']:,} files, {mebibytes}; {spool['held_files']:,} rotated files held open")
    if spool["hours_left"] is not None:
        line.append(f"; lasts {spool['hours_left']:,} hours at the present rate")
    if spool["error"]:
        line.append(f"; cannot write: {printable(spool['error'])}", "bold red")
    return line


def behind(log: dict[str, Any]) -> int | None:
    """Return the unshipped bytes of a log, or messages of a partition."""
    lag: int | None = log["lag_bytes"] if log.get("lag_messages") is None else log["lag_messages"]
    return lag


def configuration_line(loaded: dict[str, Any]) -> Text:
    """Return the configuration in effect, and the reason why the current file is not."""
    line = Text.assemble(
        "config  ", printable(loaded["file"] or "no file"), f", in effect since {loaded['loaded_at']} "
    )
    if loaded["error"] is not None:
        line.append(f"invalid now: {printable(loaded['error'], newlines=True)}", "bold red")
    elif loaded["waiting"]:
        line.append("a change waits for the output", "yellow")
    elif loaded["restart_needed"]:
        line.append(f"restart needed for {', '.join(map(printable, loaded['restart_needed']))}", "yellow")
    return line


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
