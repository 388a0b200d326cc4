"""`shipper search`: entries of the store as a table, as JSON lines, or as the timeline of one request."""

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import click
from rich.console import Console

from shipper.cli.options import configured
from shipper.cli.partial_search import Entries
from shipper.cli.search_options import NonEmptyText, of_container, of_event, of_level, of_text
from shipper.cli.terminal.progress import working
from shipper.cli.terminal.render import render_json, render_table, render_timeline
from shipper.config.settings import Settings
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.outputs.base import Reader
from shipper.presentation.format import short_id
from shipper.presentation.quarantine_notice import quarantine_notice
from shipper.presentation.time_expression import parse_when
from shipper.system.clock import Clock
from shipper.system.errors import StoreUnreadable
from shipper_processors.sanitize import printable
from shipper_processors.times import format_ms

TABLE_LIMIT, TIMELINE_LIMIT = 100, 1000
USABLE_ID = re.compile(r"(?=[^A-Za-z0-9]{0,127}[A-Za-z0-9])[\w.:/+=@-]{1,128}", re.ASCII)
"""An id with a word to search for, and nothing to quote."""
RENDERERS = {"table": render_table, "json": render_json, "timeline": render_timeline}


class When(click.ParamType[int]):
    """A time in milliseconds since the epoch, parsed by `parse_when`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Parse the value, or fail with a usage error."""
        if isinstance(value, int):
            return value
        try:
            return parse_when(value, Clock().wall_ms())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def refuse_backwards(since: int | None, until: int | None) -> None:
    """Raise UsageError where the time range is empty."""
    if since is not None and until is not None and since >= until:
        message = "empty time range: --until must be later than --since"
        raise click.UsageError(message)


@click.command()
@click.argument("correlation_id", required=False, type=NonEmptyText())
@of_event
@of_level
@of_container
@click.option("--since", type=When(), help="Start of the time range: RFC 3339, a date, or an age (15m, 2h, 3d).")
@click.option("--until", type=When(), help="End of the time range, exclusive.")
@of_text
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N",
    help=f"Maximum number of entries, 0 for all. [default: {TABLE_LIMIT}; {TIMELINE_LIMIT} with a correlation id]",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(list(RENDERERS)),
    help="[default: timeline with a correlation id, else table]",
)  # fmt: skip
@configured("output")
def search(settings: Settings, *, limit: int | None, form: str | None, **terms: Any) -> None:  # noqa: ANN401
    """Find the entries of one CORRELATION_ID or trace id, or the newest matching entries; newest last.

    Reports quarantined entries that match on standard error, with the configuration that admits them.
    """
    one_request = terms["correlation_id"] is not None
    most = limit if limit is not None else TIMELINE_LIMIT if one_request else TABLE_LIMIT
    form = form or ("timeline" if one_request else "table")
    if form == "timeline" and not one_request:
        message = "--format timeline needs a CORRELATION_ID"
        raise click.UsageError(message)
    refuse_backwards(terms["since"], terms["until"])
    query = Query(**terms, limit=most or None, newest_first=bool(most) and not one_request)
    reader = registry.reader(settings)
    console = Console(highlight=False)
    shown = show(reader, query, form, console)
    notice = in_quarantine(reader, query)
    if shown == 0:
        click.echo(no_entries(reader, query, settings.output, is_in_quarantine=notice is not None), err=True)
    if notice is not None:
        click.echo(printable(notice, newlines=True), err=True)
    if shown == 0:
        sys.exit(1)


def in_quarantine(reader: Reader, query: Query) -> str | None:
    """Return a notice about quarantined entries that match `query`, for standard error; None if none does.

    A user who may not read the quarantine can search nevertheless.
    """
    try:
        notice = quarantine_notice(reader.matching_quarantine(query))
    except StoreUnreadable as error:
        return f"The quarantine could not be searched: {error.what}"
    if notice is None:
        return None
    listed = f": see `shipper quarantine list --reason {notice.reason}`" if notice.reason else ""
    return f"{sentence(notice.what)}{listed}.\n{sentence(notice.fix)}."


def sentence(text: str) -> str:
    """Return `text` with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def show(reader: Reader, query: Query, form: str, console: Console) -> int:
    """Render the matches of `query`, newest last; return their number. Reports on stderr if there are more.

    Raises StoreIncomplete after them if a part of the store could not be searched.
    """
    limit = query.limit
    whole = Entries(reader.search(replace(query, limit=None if limit is None else limit + 1)))
    matches: Iterable[dict[str, Any]] = whole
    more = False
    if limit is not None:
        with working("searching") as count:
            entries = list(count(matches))
        more, entries = len(entries) > limit, entries[:limit]
        matches = reversed(entries) if query.newest_first else entries
    shown = RENDERERS[form](matches, console)
    if more:
        which = "newest" if query.newest_first else "first"
        click.echo(f"Showing only the {which} {limit} entries; --limit 0 shows all.", err=True)
    whole.report(shown)
    return shown


def is_mentioned(reader: Reader, query: Query, correlation_id: str) -> bool:
    """Return True if the text of any entry has this id, as in lines of text whose id is not recognised."""
    if not USABLE_ID.fullmatch(correlation_id):
        return False
    mentions = Query(text=f'"{correlation_id}"', since=query.since, until=query.until, limit=1)
    with working("searching the texts") as count:
        return any(True for _ in count(reader.search(mentions)))


def no_entries(reader: Reader, query: Query, where: str, *, is_in_quarantine: bool) -> str:
    """Return the message for an empty result: the search terms, the store, and an entry that mentions the id.

    `is_in_quarantine` is True if quarantined entries match the search themselves.
    """
    names = ("correlation_id", "event", "level", "container", "text")
    terms = [f"{name.replace('_', ' ')} {value!r}" for name in names if (value := getattr(query, name)) is not None]
    bounds = (("since", query.since), ("until", query.until))
    terms += [f"{name} {format_ms(ms)}" for name, ms in bounds if ms is not None]
    criteria = f" with {', '.join(terms)}" if terms else ""
    lines = [printable(f"No entries{criteria} in {where}.")]
    wanted = query.correlation_id
    if wanted and is_mentioned(reader, query, wanted):
        lines.append(printable(f"Entries without this id mention it: see `shipper search --text '\"{wanted}\"'`."))
    if wanted and not is_in_quarantine:
        mentioning = Entries(reader.quarantine(mentioning=wanted))
        with working("searching the quarantine") as count:
            held = list(count(mentioning))
        if held:
            number = "1 entry" if len(held) == 1 else f"{len(held)} entries"
            lines.append(f"{number} with this text in quarantine: see `shipper quarantine show {short_id(held[0])}`.")
        elif mentioning.incomplete is not None:
            lines.append(printable(f"The quarantine was searched only in part: {mentioning.incomplete.what}"))
        else:
            lines.append("No quarantined entry has or mentions this id either.")
    return "\n".join(lines)
