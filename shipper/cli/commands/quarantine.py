"""`shipper quarantine`: quarantined entries, their reasons, and their release after a fix."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from shipper.bootstrap import build_pipeline
from shipper.cli.options import configured
from shipper.cli.partial_search import Entries
from shipper.cli.terminal.cells import NARROW, Look, emit, fit
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import working
from shipper.cli.terminal.render import render_json
from shipper.config.settings import Settings
from shipper.model.document_fields import inner
from shipper.model.documents import Document
from shipper.outputs import registry
from shipper.outputs.base import Reader
from shipper.presentation.format import ID_DIGITS, Body, origin, short_id, text_of
from shipper.presentation.quarantine_groups import Group, grouped
from shipper.presentation.quarantine_notice import fix_of
from shipper.system.errors import ReleaseRefused, ShipperError
from shipper_processors.sanitize import printable
from shipper_schemas.quarantine import kinds, notes
from shipper_schemas.violation import Kind, Violation

LIST_LIMIT = 50
GROUP_STYLES = ("bold", "dim", "yellow", "cyan", "bold", "")
MOST_FIXES = 3
"""Number of reasons for which a list of groups shows the fix."""
SHORTEST_ID = 4
TIME_DIGITS = 12
REASONS = click.Choice([kind.value for kind in Kind])
REASON = click.option("--reason", type=REASONS, metavar="REASON", help="Only entries quarantined for this reason.")


class Rerun(Protocol):
    """Runs a quarantined entry through the chain again, under the current rules."""

    def __call__(self, quarantined: dict[str, Any], /) -> tuple[Document | None, list[Violation]]:
        """Return the document for the main index, or None and the violations that remain."""


@dataclass(slots=True)
class Released:
    """The result of a release."""

    done: int = 0
    rejected: list[tuple[Body, list[Violation]]] = field(default_factory=list)


@click.group()
def quarantine() -> None:
    """List, show and release quarantined entries."""


@quarantine.command("list")
@REASON
@click.option("--entries", "single", is_flag=True, help="List single entries, oldest first, instead of groups.")
@click.option("--limit", type=click.IntRange(min=0), default=LIST_LIMIT, show_default=True, help="0 for all.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@configured("output")
def list_(settings: Settings, *, reason: str | None, single: bool, limit: int, form: str) -> None:
    """Count quarantined entries by reason, service and event; newest first."""
    reader, console = registry.reader(settings), Console(highlight=False)
    number = (list_entries if single else list_groups)(reader, reason, limit, form, console)
    if number == 0:
        of_reason = f" for {reason}" if reason else ""
        click.echo(printable(f"No quarantined entries{of_reason} in {settings.output}."), err=True)


def list_entries(reader: Reader, reason: str | None, limit: int, form: str, console: Console) -> int:
    """Print single entries, oldest first; return their number."""
    whole = Entries(reader.quarantine(reason=reason, limit=limit + 1 if limit else None))
    entries = iter(whole)
    if limit:
        with working("searching the quarantine") as count:
            entries = iter(list(count(whole)))
    shown = islice(entries, limit or None)
    number = render_json(shown, console) if form == "json" else render_list(shown, console)
    if next(entries, None) is not None:
        click.echo(f"Showing only the oldest {limit} entries; --limit 0 shows all.", err=True)
    whole.report(number)
    return number


def list_groups(reader: Reader, reason: str | None, limit: int, form: str, console: Console) -> int:
    """Print groups of entries with their numbers, newest first; return the number of groups."""
    whole = Entries(reader.quarantine(reason=reason))
    with working("searching the quarantine") as count:
        groups = grouped(count(whole))
    shown = groups[: limit or None]
    if form == "json":
        render_json((group.as_json() for group in shown), console)
    elif shown:
        render_groups(shown, console)
        click.echo(printable(summary(groups), newlines=True), err=True)
    if len(groups) > len(shown):
        click.echo(f"Showing only the newest {limit} groups; --limit 0 shows all.", err=True)
    whole.report(len(groups))
    return len(groups)


def summary(groups: Sequence[Group]) -> str:
    """Return the total, and how to see and admit the entries with the most frequent reason."""
    total = sum(group.number for group in groups)
    number = "1 quarantined entry" if total == 1 else f"{total:,} quarantined entries"
    reasons = Counter[str]()
    for group in groups:
        reasons.update(dict.fromkeys(group.reasons, group.number))
    lines = [f"{number}; --entries lists them singly."]
    lines += [f"{reason}: {fix_of(reason)}." for reason, _ in reasons.most_common(MOST_FIXES)]
    return "\n".join(lines)


@quarantine.command()
@click.argument("id_", metavar="ID")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("output")
def show(settings: Settings, *, id_: str, form: str) -> None:
    """Show the entry with this ID or unique ID prefix: reasons, source, raw text."""
    console = Console(highlight=False)
    entry = entry_of(registry.reader(settings), id_)
    if form == "json":
        render_json([entry], console)
        return
    for line in described(entry):
        emit(console, line, Look.of(console).uncut())


@quarantine.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Release all entries.")
@REASON
@click.option("--dry-run", is_flag=True, help="Show what would be released; change nothing.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("output")
def release(settings: Settings, *, ids: tuple[str, ...], everything: bool, reason: str | None, **how: Any) -> None:  # noqa: ANN401
    """Process quarantined entries again, and move the valid ones to the main index.

    Counters do not change: the entries were counted when they were read. Exits 1 if any entry is still rejected.
    """
    if bool(ids) == (everything or reason is not None):
        message = "give IDs, --all or --reason"
        raise click.UsageError(message)
    reader = registry.reader(settings)
    entries = Entries((entry_of(reader, id_) for id_ in ids) if ids else reader.quarantine(reason=reason))
    dry_run, form = how["dry_run"], how["form"]
    with working("releasing") as count:
        released = release_entries(count(entries), reader, build_pipeline.releaser(settings), dry_run=dry_run)
    if form == "json":
        click.echo(as_json(outcome_in_json(released, dry_run=dry_run)))
    else:
        for line in release_summary(released, dry_run=dry_run):
            click.echo(line)
    entries.report(released.done + len(released.rejected))
    sys.exit(1 if released.rejected else 0)


def release_entries(entries: Iterable[Body], reader: Reader, rerun: Rerun, *, dry_run: bool) -> Released:
    """Release the entries that `rerun` accepts; an interruption leaves the rest unchanged, `dry_run` all of them."""
    released = Released()
    for entry in entries:
        document, reasons = rerun(entry)
        if document is None:
            released.rejected.append((entry, reasons))
            continue
        if not dry_run:
            try:
                reader.release(entry["_index"], entry["_id"], document)
            except ReleaseRefused as error:
                released.rejected.append((entry, [Violation(Kind.REFUSED_BY_INDEX, None, error.what)]))
                continue
        released.done += 1
    return released


def outcome_in_json(released: Released, *, dry_run: bool) -> dict[str, Any]:
    """Return the result for programs: the number released, and each rejected entry with its reasons."""
    rejected = [
        {"_id": entry["_id"], "_index": entry["_index"], "reasons": [reason.as_note() for reason in reasons]}
        for entry, reasons in released.rejected
    ]
    return {"dry_run": dry_run, "released": released.done, "refused": rejected}


def release_summary(released: Released, *, dry_run: bool) -> Iterator[str]:
    """Yield the result for people: the number released, and the remaining reasons."""
    yield f"{'would be released' if dry_run else 'released'}: {released.done}"
    if released.rejected:
        yield f"still rejected: {len(released.rejected)}"
        every = (reason for _, reasons in released.rejected for reason in reasons)
        reasons = Counter((reason.kind.value, reason.field or "", reason.detail) for reason in every)
        for (kind, name, detail), number in reasons.most_common():
            yield printable(f"  {number} x {kind}{f' ({name})' if name else ''}: {detail}")


def entry_of(reader: Reader, id_: str) -> Body:
    """Return the unreleased entry by its id or a prefix of its digest. Raises ShipperError."""
    wanted = id_.strip().lower()
    if len(wanted) < SHORTEST_ID:
        what = f"ambiguous id: {printable(id_) or 'empty'}"
        raise ShipperError(what, f"give {SHORTEST_ID} digits or more of an id from `shipper quarantine list --entries`")
    whole = Entries(reader.quarantine())
    with working("searching the quarantine") as count:
        matches = [entry for entry in count(whole) if _is(str(entry["_id"]), wanted)]
    if not matches:
        whole.report(0)
        what = f"no unreleased entry {printable(id_)} in quarantine"
        raise ShipperError(what, "see `shipper quarantine list --entries` for the ids")
    if len(matches) > 1:
        several = ", ".join(entry["_id"][TIME_DIGITS:] for entry in matches[:5])
        what = f"ambiguous id: {printable(id_)} matches {len(matches)} entries"
        raise ShipperError(what, f"give more digits: {several}")
    return matches[0]


def _is(full: str, wanted: str) -> bool:
    return full == wanted or full[TIME_DIGITS:].startswith(wanted)


def render_list(entries: Iterable[Body], console: Console) -> int:
    """Print one line per entry: id, time, reasons, origin, start of the raw text; return the number of entries.

    A narrow terminal gets the id, the reasons and as much of the text as fits.
    """
    look, shown = Look.of(console), 0
    small = look.cut and look.width < NARROW
    for shown, entry in enumerate(entries, 1):  # noqa: B007 -- the number of the last one is the answer
        reasons = ", ".join(map(printable, kinds(entry)))
        why = Text(fit(reasons, 22, look) if look.cut else reasons, "yellow")
        cells = (
            Text(short_id(entry), "bold"),
            Text(text_of(entry.get("@timestamp"))[:19].replace("T", " "), "dim"),
            why,
            Text(fit(origin(entry), 9, look) if look.cut else origin(entry), "cyan"),
            Text(text_of(entry.get("raw"))),
        )
        emit(console, Text("  ").join((cells[0], why, cells[-1]) if small else cells), look)
    return shown


def render_groups(groups: Sequence[Group], console: Console) -> None:
    """Print one line per group, with headings; a screen that is too narrow for all columns leaves some out."""
    look = Look.of(console)
    rows = [
        (
            f"{group.number:,}",
            text_of(group.latest)[:19].replace("T", " "),
            ", ".join(map(printable, group.reasons)) or "no reason",
            printable(group.service) or "-",
            printable(group.event) or "-",
            text_of(group.latest_id)[ID_DIGITS],
        )
        for group in groups
    ]
    heads = ("entries", "newest", "reason", "service", "event", "newest id")
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    columns = list(range(len(heads)))
    if look.cut:
        widths[3], widths[4] = min(widths[3], 20), min(widths[4], 32)
        for rarely_needed in (5, 1, 3):
            if sum(widths[place] + 2 for place in columns) - 2 > look.width:
                columns.remove(rarely_needed)
    for row in (heads, *rows):
        cells = []
        for place in columns:
            cell = row[place].rjust(widths[0]) if place == 0 else fit(row[place], widths[place], look)
            cells.append(Text(cell, "dim" if row is heads else GROUP_STYLES[place]))
        emit(console, Text("  ").join(cells), look)


def described(entry: Body) -> Iterator[Text]:
    """Yield the details of one quarantined entry, line by line."""
    yield Text.assemble("id      ", (text_of(entry["_id"]), "bold"), f" in {text_of(entry['_index'])}")
    yield Text(f"time    {text_of(entry.get('@timestamp'))}")
    container = inner(entry, "container")
    yield Text(f"from    {origin(entry)}, container {text_of(container.get('name') or container.get('id') or 'none')}")
    log = inner(entry, "log")
    yield Text(f"file    {text_of(inner(log, 'file').get('path'))} at byte {text_of(log.get('offset'))}")
    yield Text(f"stream  {text_of(entry.get('stream'))}")
    yield Text(f"index   {text_of(entry.get('index'))} (target)")
    for reason in notes(entry):
        name = f" ({text_of(reason['field'])})" if reason.get("field") else ""
        kind = (text_of(reason.get("kind")), "yellow")
        yield Text.assemble("reason  ", kind, f"{name}: {text_of(reason.get('detail'))}")
    yield Text()
    for line in printable(str(entry.get("raw", "")), newlines=True).split("\n"):
        yield Text(f"  {line}")
