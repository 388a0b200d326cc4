"""`shipper tail`: new entries of the inputs, live, as the agent would store them."""

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from shipper_processors.sanitize import printable
from shipper_schemas.quarantine import kinds

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
    shown, hidden = 0, Hidden()
    try:
        for body in bodies(follower, stopping, wanted, None if quarantined else hidden):
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
        hidden.report()


@dataclass(slots=True)
class Hidden:
    """Matching entries that are not shown because they were quarantined, by reason."""

    number: int = 0
    reasons: set[str] = field(default_factory=set)

    def add(self, body: Body) -> None:
        """Add an entry; report a reason once."""
        self.number += 1
        for kind in kinds(body):
            if kind not in self.reasons:
                self.reasons.add(kind)
                click.echo(f"quarantined and not shown: {printable(kind)}; show with --quarantined", err=True)

    def report(self) -> None:
        """Report the number of entries."""
        if self.number:
            entries = "1 matching entry was" if self.number == 1 else f"{self.number:,} matching entries were"
            click.echo(f"{entries} quarantined and not shown; show with --quarantined", err=True)


def bodies(follower: LiveTail, stopping: StopEvent, wanted: Test, hidden: Hidden | None) -> Iterator[Body]:
    """Yield matching documents, with `_id` and `_index`, until `stopping` is set.

    Quarantined ones are added to `hidden` instead; None shows them.
    """
    while not stopping.is_set():
        quiet = True
        for outcome, document in follower.turn():
            quiet = False
            body: Body = orjson.loads(document.body)
            if not wanted(body):
                pass
            elif outcome == INDEXED or hidden is None:
                yield {**body, "_id": document.id.hex(), "_index": document.index}
            else:
                hidden.add(body)
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
