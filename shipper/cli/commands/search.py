"""`shipper search`: what the store holds, as a table, as JSON lines, or as the timeline of one request."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import click
from rich.console import Console

from shipper.cli.options import configured
from shipper.cli.search_options import Said, of_container, of_event, of_level, of_text
from shipper.cli.terminal.progress import working
from shipper.cli.terminal.render import render_json, render_table, render_timeline
from shipper.config.settings import Settings
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.outputs.base import Reader
from shipper.presentation.format import short_id
from shipper.presentation.time_expression import parse_when
from shipper.system.clock import Clock
from shipper_processors.sanitize import printable
from shipper_processors.times import format_ms

TABLE_LIMIT, TIMELINE_LIMIT = 100, 1000
RENDERERS = {"table": render_table, "json": render_json, "timeline": render_timeline}


class When(click.ParamType[int]):
    """A time in milliseconds since the epoch, as `parse_when` reads it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Read it, or fail as a mistake of usage."""
        if isinstance(value, int):
            return value
        try:
            return parse_when(value, Clock().wall_ms())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def refuse_backwards(since: int | None, until: int | None) -> None:
    """Raise UsageError where nothing can lie between the two."""
    if since is not None and until is not None and since >= until:
        message = "--until is not after --since: nothing can lie between the two"
        raise click.UsageError(message)


@click.command()
@click.argument("correlation_id", required=False, type=Said())
@of_event
@of_level
@of_container
@click.option("--since", type=When(), help="From this time on: RFC 3339, a date, or how long ago (15m, 2h, 3d).")
@click.option("--until", type=When(), help="Before this time.")
@of_text
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N",
    help=f"At most so many entries, 0 for all; {TABLE_LIMIT}, or {TIMELINE_LIMIT} of one correlation id, if not given.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(list(RENDERERS)),
    help="`timeline` where a correlation id is given, `table` otherwise.",
)  # fmt: skip
@configured("output")
def search(settings: Settings, *, limit: int | None, form: str | None, **terms: Any) -> None:  # noqa: ANN401
    """Find entries: those of one CORRELATION_ID, or the newest that match; the newest last."""
    one_request = terms["correlation_id"] is not None
    most = limit if limit is not None else TIMELINE_LIMIT if one_request else TABLE_LIMIT
    form = form or ("timeline" if one_request else "table")
    if form == "timeline" and not one_request:
        message = "a timeline is of one request: give its CORRELATION_ID"
        raise click.UsageError(message)
    refuse_backwards(terms["since"], terms["until"])
    query = Query(**terms, limit=most or None, newest_first=bool(most) and not one_request)
    reader = registry.reader(settings)
    console = Console(highlight=False)
    if show(reader, query, form, console) == 0:
        click.echo(nothing_found(reader, query, settings.output), err=True)
        sys.exit(1)


def show(reader: Reader, query: Query, form: str, console: Console) -> int:
    """Render what `query` finds, the newest last; how many entries that were. Says on stderr where there are more."""
    limit = query.limit
    found: Iterable[dict[str, Any]] = reader.search(replace(query, limit=None if limit is None else limit + 1))
    more = False
    if limit is not None:
        with working("searching") as count:
            entries = list(count(found))
        more, entries = len(entries) > limit, entries[:limit]
        found = reversed(entries) if query.newest_first else entries
    shown = RENDERERS[form](found, console)
    if more:
        which = "newest" if query.newest_first else "first"
        click.echo(f"Only the {which} {limit} entries; --limit 0 shows all.", err=True)
    return shown


def nothing_found(reader: Reader, query: Query, where: str) -> str:
    """What was searched for, and where; whether the quarantine holds something of that correlation id."""
    names = ("correlation_id", "event", "level", "container", "text")
    asked = [f"{name.replace('_', ' ')} {value!r}" for name in names if (value := getattr(query, name)) is not None]
    bounds = (("since", query.since), ("until", query.until))
    asked += [f"{name} {format_ms(ms)}" for name, ms in bounds if ms is not None]
    sought = f" with {', '.join(asked)}" if asked else ""
    lines = [printable(f"No entries{sought} in {where}.")]
    wanted = query.correlation_id
    if wanted:
        with working("looking through the quarantine") as count:
            held = list(count(reader.quarantine(mentioning=wanted)))
        if held:
            number = "1 entry" if len(held) == 1 else f"{len(held)} entries"
            lines.append(f"The quarantine holds {number} with it: `shipper quarantine show {short_id(held[0])}`.")
        else:
            lines.append("The quarantine holds nothing with it either.")
    return "\n".join(lines)
