"""The timeline of one request on a terminal: entries with offsets, durations and the first failure."""

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from shipper.cli.terminal.cells import NARROW, Look, emit, fit, level_cell, status_style
from shipper.presentation.format import Body, duration_ms, further_lines, named_summary, span, summary, text_of
from shipper.presentation.timeline import Scope, Step, Timeline, common_id, scope_notice, scopes
from shipper_processors.sanitize import printable
from shipper_processors.times import format_ms

FOLD_ABOVE = 8
HEAD_LINES, TAIL_LINES = 2, 5
"""Lines kept of a long stack trace: its start, and its end with the exception."""
INDENT = 12
WIDE_FROM = 120
SMALL, MEDIUM, WIDE = (0, 16), (12, 20), (32, 32)
"""Cells of bars and event names on a phone, below WIDE_FROM columns, and above."""
LEAST_OFFSET = 9
"""Minimum cells of time offsets."""


class _Widths(NamedTuple):
    """Columns in cells; 0 for one that is left out."""

    offset: int
    bar: int
    origin: int
    event: int

    @classmethod
    def of(cls, timeline: Timeline, look: Look) -> "_Widths":
        """Compute widths from the content, within the screen."""
        small = look.cut and look.width < NARROW
        bars, most = SMALL if small else MEDIUM if look.width < WIDE_FROM else WIDE
        names = [] if small or len(timeline.origins) == 1 else timeline.origins
        events = (text_of(step.entry.get("event")) for step in timeline.steps)
        return cls(
            max(LEAST_OFFSET, *(len(timeline.offset(step)) for step in timeline.steps)),
            bars,
            min(12, max(map(cell_len, names), default=0)),
            min(most, max(map(cell_len, events))),
        )


def bar(timeline: Timeline, step: Step, width: int, look: Look) -> str:
    """Draw a step in `width` cells: a bar of at least one cell, or a point for an instant."""
    first = min(width - 1, int(timeline.place(step.begin) * width))
    last = min(width - 1, max(first, round(timeline.place(step.end) * width) - 1))
    drawn = look.bar * (last - first + 1) if step.end > step.begin else look.point
    return (" " * first + drawn).ljust(width)


def render_timeline(entries: Iterable[Body], console: Console) -> int:
    """Print header, entries with offset and bar, gaps, folded stack traces and verdict; return the number of entries.

    `entries` have one id and are in time order. If the id is unique only within a container, each container has its
    own timeline.
    """
    steps = list(entries)
    if not steps:
        return 0
    look, groups = Look.of(console), scopes(steps)
    notice = scope_notice(groups)
    if notice is not None:
        emit(console, Text(notice, "yellow"), look.uncut())
        console.print()
    for number, group in enumerate(groups):
        if number:
            console.print()
        _emit_timeline(group, console, look)
    return len(steps)


def _emit_timeline(group: Scope, console: Console, look: Look) -> None:
    timeline = Timeline.of(group.entries)
    widths = _Widths.of(timeline, look)
    for line in _header(timeline, group.container, look):
        emit(console, line, look)
    for step in timeline.steps:
        if step.gap is not None:
            emit(console, Text(f"{'':>{widths.offset}} {look.gap} {span(step.gap)} without an entry", "dim"), look)
        _emit_entry(console, step.entry, _line(timeline, step, widths, look), look, wrong=step.failed)
    console.print()
    emit(console, _verdict(timeline), look.uncut())


def _emit_entry(console: Console, entry: Body, line: Text, look: Look, *, wrong: bool) -> None:
    """Print the entry's line and details; a failure too long for the line gets separate lines."""
    what = Text(summary(entry))
    if look.cut and wrong and line.cell_len + 1 + what.cell_len > look.width:
        emit(console, line, look)
        for piece in what.wrap(console, look.width - INDENT):
            emit(console, Text(" " * INDENT).append_text(piece), look)
    else:
        emit(console, line.append(" ").append_text(what), look)
    for detail in _details(entry, look, wrong=wrong):
        emit(console, detail, look)


def _header(timeline: Timeline, container: str, look: Look) -> list[Text]:
    steps = timeline.steps
    started = format_ms(int(timeline.begin)).replace("T", " ").removesuffix("Z")
    number = "1 entry" if len(steps) == 1 else f"{len(steps)} entries"
    pieces = (f"{started} UTC", f"span {span(timeline.length)}", number, ", ".join(timeline.origins))
    name, id_ = common_id([step.entry for step in steps])
    where = (" in container ", (container, "bold")) if container else ()
    return [
        Text.assemble(f"{name} ", (id_, "bold"), *where),
        Text(f" {look.dot} ".join(pieces), "dim"),
        Text(),
    ]


def _line(timeline: Timeline, step: Step, widths: _Widths, look: Look) -> Text:
    entry, wrong, status, ms = step.entry, step.failed, step.entry.get("status_code"), duration_ms(step.entry)
    line = Text(timeline.offset(step).rjust(widths.offset))
    line.append(f" {'!' if wrong else ' '}", "bold red")
    if widths.bar:
        line.append(f"{bar(timeline, step, widths.bar, look)} ", "red" if wrong else "blue")
    line.append_text(level_cell(entry)).append(" ")
    if widths.origin:
        line.append(f"{fit(step.origin, widths.origin, look)} ", "cyan")
    line.append(fit(text_of(entry.get("event")), widths.event, look), "bold")
    if not widths.bar:
        return line
    if status is not None:
        line.append(f" {text_of(status)}", status_style(status))
    if ms is not None:
        line.append(f" {span(ms)}")
    return line


def _details(entry: Body, look: Look, *, wrong: bool) -> list[Text]:
    """Return the stack trace and further lines of message or error; indented, folded in the middle."""
    lines = further_lines(entry)
    shown = [Text(f"{'':{INDENT}}{printable(line.expandtabs(4))}", "red" if wrong else "dim") for line in lines]
    if len(shown) <= FOLD_ABOVE:
        return shown
    hidden = len(shown) - HEAD_LINES - TAIL_LINES
    fold = Text(f"{'':{INDENT}}{look.ellipsis} {hidden} more lines (--format json shows all)", "dim")
    return [*shown[:HEAD_LINES], fold, *shown[-TAIL_LINES:]]


def _verdict(timeline: Timeline) -> Text:
    wrong = timeline.wrong
    if not wrong:
        return Text("No errors.", "bold green")
    number = "1 error" if len(wrong) == 1 else f"{len(wrong)} errors, the first"
    first = wrong[0]
    where = f"{number} at {timeline.offset(first)} in {first.origin}"
    return Text(f"{where}: {named_summary(first.entry)}", "bold red")
