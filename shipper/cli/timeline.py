"""The timeline of one request: what happened when, how long it took, where it went wrong.

A log entry with a duration is written when the work is done, so its bar ends at the entry's time and the request's
beginning is the earliest beginning of a bar.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from processors.escape import printable
from processors.times import format_ms, parse_ms
from shipper.cli.cells import (
    Body,
    Look,
    duration_ms,
    emit,
    failed,
    fit,
    level_cell,
    origin,
    span,
    status_style,
    summary,
    text_of,
)

FOLD_ABOVE = 8
HEAD_LINES, TAIL_LINES = 2, 5
"""What stays of a long stack trace: where it begins, and its end, where the failure is named."""
LEAST_GAP = 0.1
"""A gap is shown from this part of the whole span, and from twice the mean distance of entries."""
INDENT = 12
NARROW, WIDE_FROM = (12, 20), 120
"""Cells of the bars and of event names on a screen of fewer than 120 columns."""
WIDE = (32, 32)
ONE_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class _Scale:
    """The whole span, in milliseconds since the epoch, and the width of its picture in cells."""

    begin: float
    end: float
    width: int

    @property
    def length(self) -> float:
        return self.end - self.begin

    def bar(self, begin: float, end: float, look: Look) -> str:
        """The picture of [begin, end]: a bar at least one cell long, or a point where nothing lasted."""
        if self.length <= 0:
            first, last = 0, 0
        else:
            first = min(self.width - 1, int((begin - self.begin) / self.length * self.width))
            last = min(self.width - 1, max(first, round((end - self.begin) / self.length * self.width) - 1))
        drawn = look.bar * (last - first + 1) if end > begin else look.point
        return (" " * first + drawn).ljust(self.width)


def render_timeline(entries: Iterable[Body], console: Console) -> int:
    """Header, entries with offset and bar, gaps, folded stack traces, verdict. How many entries were shown.

    `entries` are those of one correlation id, in the order of their time.
    """
    found = list(entries)
    if not found:
        return 0
    look = Look.of(console)
    times = [_time(entry) for entry in found]
    begin = min(at - (duration_ms(entry) or 0) for entry, at in zip(found, times, strict=True))
    bar_width, event_most = NARROW if look.width < WIDE_FROM else WIDE
    scale = _Scale(begin, max(times), bar_width)
    names = list(dict.fromkeys(origin(entry) for entry in found))
    for line in _header(found, scale, names, look):
        emit(console, line, look)
    least_gap = max(LEAST_GAP, 2 / len(found)) * scale.length
    event_width = min(event_most, max(len(text_of(entry.get("event"))) for entry in found))
    widths = (min(12, max(map(len, names))) if len(names) > 1 else 0, event_width)
    for entry, at, before in zip(found, times, [times[0], *times], strict=False):
        if at - before > least_gap:
            emit(console, Text(f"{'':>10}{look.gap} {span(at - before)} without an entry", "dim"), look)
        _emit_entry(console, entry, _line(entry, at, scale, widths, look), look)
    console.print()
    emit(console, _verdict(found, times, begin), look.uncut())
    return len(found)


def _emit_entry(console: Console, entry: Body, line: Text, look: Look) -> None:
    """The entry's line, then its details; a failure that has no room in the line gets lines of its own."""
    what = Text(summary(entry))
    if look.cut and failed(entry) and line.cell_len + 1 + what.cell_len > look.width:
        emit(console, line, look)
        for piece in what.wrap(console, look.width - INDENT):
            emit(console, Text(" " * INDENT).append_text(piece), look)
    else:
        emit(console, line.append(" ").append_text(what), look)
    for detail in _details(entry, look):
        emit(console, detail, look)


def _time(entry: Body) -> int:
    return parse_ms(str(entry.get("@timestamp"))) or 0


def _header(found: Sequence[Body], scale: _Scale, names: list[str], look: Look) -> list[Text]:
    started = format_ms(int(scale.begin)).replace("T", " ").removesuffix("Z")
    number = "1 entry" if len(found) == 1 else f"{len(found)} entries"
    pieces = (f"{started} UTC", f"span {span(scale.length)}", number, ", ".join(names))
    return [
        Text.assemble("correlation id ", (text_of(found[0].get("correlation_id")), "bold")),
        Text(f" {look.dot} ".join(pieces), "dim"),
        Text(),
    ]


def offset(ms: float) -> str:
    """Distance from the beginning: `+0.045s`, from a minute on `+2m03.500s`."""
    minutes, rest = divmod(max(0.0, ms), ONE_MINUTE_MS)
    return f"+{rest / 1000:.3f}s" if not minutes else f"+{minutes:.0f}m{rest / 1000:06.3f}s"


def _line(entry: Body, at: int, scale: _Scale, widths: tuple[int, int], look: Look) -> Text:
    wrong, status, ms = failed(entry), entry.get("status_code"), duration_ms(entry)
    line = Text(offset(at - scale.begin).rjust(9))
    line.append(f" {'!' if wrong else ' '}", "bold red")
    line.append(f"{scale.bar(at - (ms or 0), at, look)} ", "red" if wrong else "blue")
    line.append_text(level_cell(entry)).append(" ")
    if widths[0]:
        line.append(f"{fit(origin(entry), widths[0], look)} ", "cyan")
    line.append(fit(text_of(entry.get("event")), widths[1], look), "bold")
    if status is not None:
        line.append(f" {text_of(status)}", status_style(status))
    if ms is not None:
        line.append(f" {span(ms)}")
    return line


def _details(entry: Body, look: Look) -> list[Text]:
    """The stack trace, and what a message or an error says beyond its first line; indented, folded in the middle."""
    lines = [line for name in ("message", "error_message") for line in _lines(entry.get(name))[1:]]
    lines += _lines(entry.get("exception"))
    shown = [Text(f"{'':{INDENT}}{printable(line.expandtabs(4))}", "red" if failed(entry) else "dim") for line in lines]
    if len(shown) <= FOLD_ABOVE:
        return shown
    hidden = len(shown) - HEAD_LINES - TAIL_LINES
    fold = Text(f"{'':{INDENT}}{look.ellipsis} {hidden} more lines (--format json shows all)", "dim")
    return [*shown[:HEAD_LINES], fold, *shown[-TAIL_LINES:]]


def _lines(value: object) -> list[str]:
    return str(value).strip("\r\n").splitlines() if value is not None else []


def _verdict(found: Sequence[Body], times: Sequence[int], begin: float) -> Text:
    wrong = [(entry, at) for entry, at in zip(found, times, strict=True) if failed(entry)]
    if not wrong:
        return Text("No errors.", "bold green")
    entry, at = wrong[0]
    number = "1 error" if len(wrong) == 1 else f"{len(wrong)} errors, the first"
    what = summary(entry)
    where = f"{number} at {offset(at - begin)} in {origin(entry)}: {text_of(entry.get('event'))}"
    return Text(f"{where} ({what})" if what else where, "bold red")
