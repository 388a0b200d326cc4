"""`shipper top`: a live view of a running agent."""

import sys
import time
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shipper.bootstrap import build_pipeline
from shipper.cli.commands.status import behind, configuration_line
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
"""Terminal widths below which only the essential columns, or all but the widest ones, are shown."""
MOST_COUNTERS = 12
WIDEST = 9
"""Cells of a size: `999.9 KiB`."""


@click.command()
@click.option("--once", is_flag=True, help="Print one sample, measured during --interval, and exit.")
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, metavar="SECONDS",
    help="Time between samples.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@configured("state_dir", "listen")
def top(settings: Settings, *, once: bool, interval: float, form: str) -> None:
    """Watch a running agent live: rates, lag, output, counters, files.

    Queries the agent at --listen; an agent without an HTTP server is read through its state directory. A terminal
    shows a screen that is updated with each sample; otherwise each sample is printed, with --format json as one
    object per line. Stop with Ctrl-C.
    """
    names = {metric.name: metric.labels for metric in build_pipeline.saved_metrics(settings)}
    console, stopping = console_of(), stopped_by_signals()
    with working("querying the agent"):
        before = take(settings, names)
    if form == "table" and console.is_terminal and not once:
        draw(settings, names, console, before, interval, stopping)
        return
    while not stopping.wait(interval):
        now = take(settings, names)
        report = compared(before, now)
        if form == "json":
            click.echo(as_json(report, indent=once))
        else:
            console.print(view(report, console.width, None))
        sys.stdout.flush()
        if once:
            return
        before = now


def draw(  # noqa: PLR0913, PLR0917 -- the inputs of a sample, and the stop flag
    settings: Settings, names: dict[str, tuple[str, ...]], console: Console, before: Sample, interval: float,
    stopping: StopEvent,
) -> None:  # fmt: skip
    """Update the screen until stopped; wait for an agent that has ended."""
    with Live(console=console, screen=True, auto_refresh=False) as live:
        live.update(Text(f"watching {before.address} …", "dim"), refresh=True)
        while not stopping.wait(interval):
            try:
                now = take(settings, names)
            except ShipperError as error:
                live.update(unavailable(error), refresh=True)
                continue
            report = compared(before, now)
            live.update(view(report, console.width, console.height), refresh=True)
            before = now


def unavailable(error: ShipperError) -> RenderableType:
    """Return the screen shown while no agent answers."""
    at = time.strftime("%H:%M:%S UTC", time.gmtime())
    return Text.assemble(
        (f"{at} {printable(error.what)}", "bold red"), f"\n{printable(error.hint)}\nwaiting for an agent …"
    )


def view(report: dict[str, Any], width: int, height: int | None) -> Group:
    """Return a report for people, fitted to the screen; not shortened if `height` is None."""
    head = [line for line in heading(report) if line is not None]
    room = None if height is None else max(2, height - len(head) - 6)
    most = MOST_COUNTERS if room is None else min(MOST_COUNTERS, room // 2)
    counted = [counter for counter in report["counters"] if counter["value"]][:most]
    left = None if room is None else max(1, room - len(counted))
    parts: list[RenderableType] = [*head, Text()]
    if counted:
        parts += [counter_table(counted, width), Text()]
    logs = report["logs"][:left]
    parts.append(log_table(logs, width) if logs else Text("no logs followed yet", "dim"))
    if len(logs) < len(report["logs"]):
        parts.append(Text(f"and {len(report['logs']) - len(logs)} more logs", "dim"))
    return Group(*parts)


def heading(report: dict[str, Any]) -> list[Text | None]:
    """Return one line each for agent, throughput, lag, output and configuration."""
    rates, lag, output, events = report["rates"], report["lag"], report["output"], report["rates"]["events"]
    agent = f"agent at {printable(report['address'])}" if report["from"] == "agent" else (
        f"agent without HTTP server, state in {printable(report['address'])}"
    )  # fmt: skip
    memory = f", {size(report['memory_bytes'])} of memory" if report["memory_bytes"] else ""
    by_outcome = ", ".join(f"{short(events[name])} {name}" for name in events)
    waiting = size(lag["bytes"]) if lag["messages"] is None else f"{messages(lag['messages'])} messages"
    waits = "" if lag["seconds"] is None else f", {lag['seconds']:,.1f} s"
    style = "bold red" if (lag["seconds"] or 0) > 60 else "green"  # noqa: PLR2004 -- a minute
    error = output["error"]
    state = Text("available", "green") if error is None else Text(f"unavailable: {printable(error)}", "bold red")
    url = f"{printable(output['url'] or '')} ".lstrip()
    if output["url"] is None:
        state = Text("shown only by the agent's HTTP server", "dim")
    latency = "" if output["request_seconds"] is None else f", {output['request_seconds'] * 1000:,.1f} ms per batch"
    problems = "".join(f", {output[name]:,.0f} {name}" for name in ("retries", "throttled", "refused") if output[name])
    configuration = report["configuration"]
    attention = configuration and (
        configuration["error"] or configuration["waiting"] or configuration["restart_needed"]
    )
    return [
        Text.assemble(("shipper  ", "bold"), f"{agent}{memory}"),
        Text(f"reads    {short(rates['lines'])} lines/s, {size(rates['bytes'])}/s"),
        Text(f"events/s {by_outcome or 'none yet'}"),
        Text.assemble("lag      ", (f"{waiting}{waits}", style)),
        Text.assemble("output   ", url, state, f"{latency}{problems}"),
        configuration_line(configuration) if attention else None,
        *(
            Text(f"cannot read {printable(path)}: {printable(why)}", "yellow")
            for path, why in list(report["unreadable"].items())[:3]
        ),
    ]


def counter_table(counters: list[dict[str, Any]], width: int) -> Table:
    """Return the counters of the rules, most active first."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    widest = max(len("total"), *(len(f"{counter['value']:,.0f}") for counter in counters))
    table.add_column("total", justify="right", no_wrap=True, min_width=widest)
    table.add_column("/s", justify="right", no_wrap=True, min_width=5)
    table.add_column("counter", overflow="ellipsis", no_wrap=True)
    for counter in counters:
        labels = ",".join(f"{name}={value}" for name, value in counter["labels"].items())
        name = counter["name"].removesuffix("_total") if width < NARROW else counter["name"]
        shown = f"{name}{{{labels}}}" if labels else name
        style = "bold cyan" if counter["per_second"] else ""
        table.add_row(f"{counter['value']:,.0f}", Text(short(counter["per_second"]), style), Text(printable(shown)))
    return table


def messages(number: float | None) -> str:
    """Format a number of messages."""
    return "-" if number is None else f"{number:,.0f}"


def log_table(logs: list[dict[str, Any]], width: int) -> Table:
    """Return the logs, largest lag first."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    columns = ["lag", "/s"] if width < NARROW else ["size", "lag", "/s"] if width < MEDIUM else [
        "size", "counted", "shipped", "lag", "waits", "/s"
    ]  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True, min_width=WIDEST)
    table.add_column("log", overflow="ellipsis", no_wrap=True)
    for log in logs:
        waiting, format_value = behind(log), size if log.get("lag_messages") is None else messages
        cells: dict[str, str | Text] = {
            "size": format_value(log["size"]),
            "counted": format_value(log["counted"]),
            "shipped": format_value(log["shipped"]),
            "lag": Text(format_value(waiting), "yellow" if waiting else ""),
            "waits": f"{log.get('lag_seconds') or 0:,.1f}s",
            "/s": format_value(log["per_second"]),
        }
        name = log.get("container") or log["path"]
        table.add_row(*(cells[column] for column in columns), Text(printable(name)))
    return table
