"""`shipper tail`: new entries of the inputs, live, as the agent would store them."""

import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click
import orjson
from rich.console import Console

from shipper.agent.live_tail import LiveTail
from shipper.bootstrap import build_inputs
from shipper.cli.options import configured
from shipper.cli.search_options import NonEmptyText, of_container, of_event, of_level, of_text
from shipper.cli.terminal.render import Stream, json_line
from shipper.config.settings import Settings
from shipper.model.batch import INDEXED
from shipper.model.query import Query
from shipper.outputs.query_filter import Test, accepts
from shipper.presentation.format import Body
from shipper.system.clock import Clock
from shipper.system.logging_setup import configure_own_log
from shipper.system.shutdown import StopEvent

POLL_S = 0.2


@click.command()
@click.option("--correlation-id", type=NonEmptyText(), metavar="ID", help="Entries of this request.")
@of_event
@of_level
@of_container
@of_text
@click.option("--quarantined", is_flag=True, help="Also show quarantined entries, with their reasons.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Exit after N entries.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@configured("inputs")
def tail(settings: Settings, *, quarantined: bool, limit: int | None, form: str, **terms: Any) -> None:  # noqa: ANN401
    """Follow new entries live, as the agent would store them: validated, enriched, masked.

    Reads the inputs directly, from their current end. Needs no running agent and no store, and changes neither: no
    checkpoint or counter moves. Stop with Ctrl-C.
    """
    configure_own_log(settings.log_format, "warning")
    wanted = accepts(Query(**terms))
    follower = build_inputs.follower(settings, Clock())
    stopping = stopped_by_signals()
    console = Console(highlight=False)
    stream = Stream(console)
    if sys.stderr.isatty():
        inputs = ", ".join(item.url for item in settings.inputs)
        click.echo(f"following {inputs}; stop with Ctrl-C", err=True)
    shown = 0
    try:
        for body in bodies(follower, stopping, wanted, quarantined=quarantined):
            if form == "json":
                console.file.write(f"{json_line(body, console.encoding)}\n")
            else:
                stream.show(body)
            console.file.flush()
            shown += 1
            if shown == limit:
                return
    finally:
        follower.close()


def bodies(follower: LiveTail, stopping: StopEvent, wanted: Test, *, quarantined: bool) -> Iterator[Body]:
    """Yield matching documents, with `_id` and `_index`, until `stopping` is set."""
    while not stopping.is_set():
        quiet = True
        for outcome, document in follower.turn():
            quiet = False
            body: Body = orjson.loads(document.body)
            if (outcome == INDEXED or quarantined) and wanted(body):
                yield {**body, "_id": document.id.hex(), "_index": document.index}
            if stopping.is_set():
                return
        if quiet:
            stopping.wait(POLL_S)


def stopped_by_signals() -> StopEvent:
    """Return a flag that SIGINT and SIGTERM set."""
    stopping = StopEvent()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopping
