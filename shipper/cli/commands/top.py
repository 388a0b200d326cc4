"""`shipper top`: a running agent, looked at again and again."""

import sys
import time
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shipper.bootstrap import build_pipeline
from shipper.cli.commands.status import behind, told_configuration
from shipper.cli.commands.tail import stopped_by_signals
from shipper.cli.options import configured
from shipper.cli.status_sample import Sample, compared, take
from shipper.cli.terminal.cells import console_of
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import working
from shipper.config.settings import Settings
from shipper.presentation.format import short, size
from shipper.system.errors import ShipperError
from shipper.system.shutdown import StopEvent
from shipper_processors.sanitize import printable

NARROW, MEDIUM = 60, 100
"""Columns below which a screen gets the most telling columns alone, and all but the widest."""
MOST_COUNTERS = 12
WIDEST = 9
"""Cells of a size: `999.9 KiB`."""


@click.command()
@click.option("--once", is_flag=True, help="One look, taken over --interval, and end.")
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, metavar="SECONDS",
    help="Time between two looks.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@configured("state_dir", "listen")
def top(settings: Settings, *, once: bool, interval: float, form: str) -> None:
    """Watch a running agent: rates, lag, output, counters, files.

    Asks the agent at --listen; one that serves no pages is looked at through its state directory. On a terminal the
    screen is drawn anew at each look; elsewhere each look is printed, with --format json as one object a line. Ends
    with Ctrl-C.
    """
    names = {metric.name: metric.labels for metric in build_pipeline.saved_metrics(settings)}
    console, stopping = console_of(), stopped_by_signals()
    with working("asking the agent"):
        before = take(settings, names)
    if form == "table" and console.is_terminal and not once:
        draw(settings, names, console, before, interval, stopping)
        return
    while not stopping.wait(interval):
        now = take(settings, names)
        found = compared(before, now)
        if form == "json":
            click.echo(as_json(found, indent=once))
        else:
            console.print(view(found, console.width, None))
        sys.stdout.flush()
        if once:
            return
        before = now


def draw(  # noqa: PLR0913, PLR0917 -- what a look needs, and when to end
    settings: Settings, names: dict[str, tuple[str, ...]], console: Console, before: Sample, interval: float,
    stopping: StopEvent,
) -> None:  # fmt: skip
    """Draw the screen until it is stopped; an agent that went away is waited for."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(Text(f"looking at {before.address} …", "dim"), refresh=True)
        while not stopping.wait(interval):
            try:
                now = take(settings, names)
            except ShipperError as error:
                live.update(gone(error), refresh=True)
                continue
            found = compared(before, now)
            live.update(view(found, console.width, console.height), refresh=True)
            before = now


def gone(error: ShipperError) -> RenderableType:
    """What is shown while no agent is there."""
    at = time.strftime("%H:%M:%S UTC", time.gmtime())
    return Text.assemble((f"{at} {printable(error.what)}", "bold red"), f"\n{printable(error.hint)}\nwaiting for it …")


def view(found: dict[str, Any], width: int, height: int | None) -> Group:
    """A look for people, for a screen of that size; all of it where the height is None."""
    head = [line for line in heading(found) if line is not None]
    room = None if height is None else max(2, height - len(head) - 6)
    most = MOST_COUNTERS if room is None else min(MOST_COUNTERS, room // 2)
    counted = [counter for counter in found["counters"] if counter["value"]][:most]
    left = None if room is None else max(1, room - len(counted))
    parts: list[RenderableType] = [*head, Text()]
    if counted:
        parts += [counter_table(counted, width), Text()]
    logs = found["logs"][:left]
    parts.append(log_table(logs, width) if logs else Text("no logs followed yet", "dim"))
    if len(logs) < len(found["logs"]):
        parts.append(Text(f"and {len(found['logs']) - len(logs)} more logs", "dim"))
    return Group(*parts)


def heading(found: dict[str, Any]) -> list[Text | None]:
    """Agent, throughput, lag, output, configuration: a line each."""
    rates, lag, output, events = found["rates"], found["lag"], found["output"], found["rates"]["events"]
    where = f"agent at {printable(found['address'])}" if found["from"] == "agent" else (
        f"agent over {printable(found['address'])}, which serves no pages"
    )  # fmt: skip
    memory = f", {size(found['memory_bytes'])} of memory" if found["memory_bytes"] else ""
    said = ", ".join(f"{short(events[name])} {name}" for name in events)
    waiting = size(lag["bytes"]) if lag["messages"] is None else f"{messages(lag['messages'])} messages"
    waits = "" if lag["seconds"] is None else f", {lag['seconds']:,.1f} s"
    style = "bold red" if (lag["seconds"] or 0) > 60 else "green"  # noqa: PLR2004 -- a minute
    error = output["error"]
    state = Text("takes events", "green") if error is None else Text(f"away: {printable(error)}", "bold red")
    url = f"{printable(output['url'] or '')} ".lstrip()
    if output["url"] is None:
        state = Text("is told by the agent's pages alone", "dim")
    latency = "" if output["request_seconds"] is None else f", {output['request_seconds'] * 1000:,.1f} ms a batch"
    troubles = "".join(f", {output[name]:,.0f} {name}" for name in ("retries", "throttled", "refused") if output[name])
    configuration = found["configuration"]
    trouble = configuration and (configuration["error"] or configuration["waiting"] or configuration["restart_needed"])
    return [
        Text.assemble(("shipper  ", "bold"), f"{where}{memory}"),
        Text(f"reads    {short(rates['lines'])} lines/s, {size(rates['bytes'])}/s"),
        Text(f"events/s {said or 'none yet'}"),
        Text.assemble("lag      ", (f"{waiting}{waits}", style)),
        Text.assemble("output   ", url, state, f"{latency}{troubles}"),
        told_configuration(configuration) if trouble else None,
        *(
            Text(f"cannot read {printable(path)}: {printable(why)}", "yellow")
            for path, why in list(found["unreadable"].items())[:3]
        ),
    ]


def counter_table(found: list[dict[str, Any]], width: int) -> Table:
    """Counters of the rules, the busiest first."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    widest = max(len("total"), *(len(f"{counter['value']:,.0f}") for counter in found))
    table.add_column("total", justify="right", no_wrap=True, min_width=widest)
    table.add_column("/s", justify="right", no_wrap=True, min_width=5)
    table.add_column("counter", overflow="ellipsis", no_wrap=True)
    for counter in found:
        labels = ",".join(f"{name}={value}" for name, value in counter["labels"].items())
        name = counter["name"].removesuffix("_total") if width < NARROW else counter["name"]
        shown = f"{name}{{{labels}}}" if labels else name
        style = "bold cyan" if counter["per_second"] else ""
        table.add_row(f"{counter['value']:,.0f}", Text(short(counter["per_second"]), style), Text(printable(shown)))
    return table


def messages(number: float | None) -> str:
    """How many messages, as numbers of a partition are told."""
    return "-" if number is None else f"{number:,.0f}"


def log_table(found: list[dict[str, Any]], width: int) -> Table:
    """Logs, those furthest behind first."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    columns = ["lag", "/s"] if width < NARROW else ["size", "lag", "/s"] if width < MEDIUM else [
        "size", "counted", "shipped", "lag", "waits", "/s"
    ]  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True, min_width=WIDEST)
    table.add_column("log", overflow="ellipsis", no_wrap=True)
    for log in found:
        waiting, told = behind(log), size if log.get("lag_messages") is None else messages
        cells: dict[str, str | Text] = {
            "size": told(log["size"]),
            "counted": told(log["counted"]),
            "shipped": told(log["shipped"]),
            "lag": Text(told(waiting), "yellow" if waiting else ""),
            "waits": f"{log.get('lag_seconds') or 0:,.1f}s",
            "/s": told(log["per_second"]),
        }
        name = log.get("container") or log["path"]
        table.add_row(*(cells[column] for column in columns), Text(printable(name)))
    return table
