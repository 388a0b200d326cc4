"""Documents rendered as a table, as JSON lines, or as the timeline of one request."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from shipper.cli.terminal.cells import NARROW, Look, emit, fit, level_cell, status_style
from shipper.cli.terminal.timeline import render_timeline
from shipper.presentation.format import Body, duration_ms, origin, span, summary, text_of
from shipper_processors.sanitize import printable
from shipper_schemas.quarantine import kinds

FIRST_PAGE = 200
"""Number of entries that decide the column widths; the rest streams through."""
DATE, CLOCK, SECONDS = slice(0, 10), slice(11, 23), slice(11, 19)
STATUS_WIDTH, DURATION_WIDTH = 3, 7

__all__ = ["Stream", "render_json", "render_table", "render_timeline"]


class _Columns(NamedTuple):
    """Widths in cells; 0 where no entry of the first page has a value."""

    origin: int
    event: int
    status: int
    duration: int


def render_json(entries: Iterable[Body], console: Console) -> int:
    """Print one JSON document per line, values exact; terminal control characters become JSON escapes."""
    shown = 0
    for shown, entry in enumerate(entries, 1):  # noqa: B007 -- the number of the last one is the answer
        console.file.write(f"{json_line(entry, console.encoding)}\n")
    return shown


def json_line(entry: Body, encoding: str = "utf-8") -> str:
    """Return `entry` as JSON on one line, safe on a terminal and in `encoding`."""
    line = orjson.dumps(entry).decode()
    if printable(line) == line and (encoding.startswith("utf") or line.isascii()):
        return line
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).replace("\x7f", "\\u007f")


def render_table(entries: Iterable[Body], console: Console) -> int:
    """Print one line per entry: time, level, origin, event, status, duration, summary; return the number of entries.

    On a terminal the day is a heading above its entries and lines are cut at the screen; in a pipe each line has its
    full time and the whole summary.
    """
    look, shown, day = Look.of(console), 0, ""
    source = iter(entries)
    page = list(islice(source, FIRST_PAGE))
    columns = _columns(page, look)
    for shown, entry in enumerate(chain(page, source), 1):  # noqa: B007 -- the number of the last one is the answer
        if look.cut and (date := text_of(entry.get("@timestamp"))[DATE]) != day:
            day = date
            emit(console, _rule(day, look), look)
        emit(console, Text("  ").join(_cells(entry, columns, look)), look)
    return shown


class Stream:
    """A live table: one line per entry, as in `render_table`, in columns that only grow."""

    def __init__(self, console: Console) -> None:
        """Start with empty columns."""
        self._console, self._look = console, Look.of(console)
        self._columns = _Columns(0, 0, 0, 0)
        self._day = ""

    def show(self, entry: Body) -> None:
        """Print one entry, or a quarantined one with its reasons."""
        look = self._look
        date = text_of(entry.get("@timestamp"))[DATE]
        if look.cut and date != self._day:
            emit(self._console, _rule(date, look), look)
            self._day = date
        self._columns = _Columns(*map(max, self._columns, _columns([entry], look)))
        quarantined = "reasons" in entry and "raw" in entry
        cells = _quarantined_cells(entry, self._columns, look) if quarantined else _cells(entry, self._columns, look)
        emit(self._console, Text("  ").join(cells), look)


def _quarantined_cells(entry: Body, columns: _Columns, look: Look) -> Iterator[Text]:
    yield _time_cell(entry, look)
    yield Text("QUARANTINED", "bold yellow")
    if columns.origin:
        yield Text(fit(origin(entry), columns.origin, look), "cyan")
    yield Text(", ".join(map(printable, kinds(entry))), "yellow")
    yield Text(text_of(entry.get("raw")))


def _rule(day: str, look: Look) -> Text:
    return Text(f"{look.rule * 2} {day} UTC {look.rule * max(0, min(66, look.width - 9) - len(day))}", "dim")


def _columns(page: list[Body], look: Look) -> _Columns:
    if look.cut and look.width < NARROW:
        return _Columns(0, min(16, max((cell_len(text_of(entry.get("event"))) for entry in page), default=0)), 0, 0)
    wide = look.width >= 120 or not look.cut  # noqa: PLR2004 -- where the long names have room
    statuses = any(entry.get("status_code") is not None for entry in page)
    durations = [len(span(ms)) for entry in page if (ms := duration_ms(entry)) is not None]
    return _Columns(
        min(20 if wide else 9, max((cell_len(origin(entry)) for entry in page), default=0)),
        min(32 if wide else 18, max((cell_len(text_of(entry.get("event"))) for entry in page), default=0)),
        STATUS_WIDTH if statuses else 0,
        min(DURATION_WIDTH, max(durations, default=0)),
    )


def _time_cell(entry: Body, look: Look) -> Text:
    time = text_of(entry.get("@timestamp"))
    if not look.cut:
        return Text(time, "dim")
    return Text(time[CLOCK] if look.width >= NARROW else time[SECONDS], "dim")


def _cells(entry: Body, columns: _Columns, look: Look) -> Iterator[Text]:
    yield _time_cell(entry, look)
    yield level_cell(entry)
    if columns.origin:
        yield Text(fit(origin(entry), columns.origin, look), "cyan")
    if columns.event:
        yield Text(fit(text_of(entry.get("event")), columns.event, look), "bold")
    if columns.status:
        status = entry.get("status_code")
        yield Text(text_of(status)[:STATUS_WIDTH].rjust(STATUS_WIDTH), status_style(status))
    if columns.duration:
        ms = duration_ms(entry)
        yield Text(("" if ms is None else span(ms)).rjust(columns.duration))
    yield Text(summary(entry))
