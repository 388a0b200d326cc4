"""Event rows: documents of the store as table rows. Each value is text of bounded length."""

import json
from typing import NamedTuple

from shipper.presentation.format import (
    CLIENT_ERROR,
    SERVER_ERROR,
    Body,
    duration_ms,
    failed,
    further_lines,
    origin,
    short_id,
    span,
    summary,
    text_of,
)
from shipper.web.pages.search_form import link
from shipper_processors.sanitize import printable
from shipper_schemas.event import LEVELS

MOST_WORDS, MOST_NAME, MOST_LINES, MOST_TEXT = 400, 80, 400, 64 * 1024
"""Maximum characters of a summary and of a name, lines of a stack trace, and characters of folded text."""
TROUBLE = frozenset(LEVELS[LEVELS.index("warning") :])


class Row(NamedTuple):
    """One entry."""

    key: str
    """Id, to recognize entries that are already shown."""
    anchor: str
    iso: str
    date: str
    clock: str
    level: str
    trouble: bool
    grade: str
    """Style class: the level if it is a known one."""
    origin: str
    event: str
    status: str
    status_grade: str
    took: str
    what: str
    correlation: str
    timeline: str
    """Link to the timeline of its request; empty without a correlation id or trace id."""
    wrong: bool
    trace: str
    trace_lines: int
    json: str


def row(body: Body) -> Row:
    """Return a document as a row."""
    time, level = text_of(body.get("@timestamp")), body.get("level")
    known = level if isinstance(level, str) and level in LEVELS else ""
    status, ms = body.get("status_code"), duration_ms(body)
    correlation = body.get("correlation_id") or body.get("trace_id")
    lines = further_lines(body)
    return Row(
        key=text_of(body.get("_id")),
        anchor=f"e-{short_id(body)}",
        iso=time,
        date=time[:10],
        clock=time[11:23],
        level=cut(text_of(level), MOST_NAME),
        trouble=known in TROUBLE,
        grade=known or "none",
        origin=cut(origin(body), MOST_NAME),
        event=cut(text_of(body.get("event")), MOST_NAME),
        status=cut(text_of(status), 8),
        status_grade=status_grade(status),
        took="" if ms is None else span(ms),
        what=cut(summary(body), MOST_WORDS),
        correlation=text_of(correlation),
        timeline=link("timeline", id=correlation) if correlation and isinstance(correlation, str) else "",
        wrong=failed(body),
        trace=folded(lines),
        trace_lines=len(lines),
        json=json_of(body),
    )


def status_grade(status: object) -> str:
    """Classify an HTTP status as fine, client or server error."""
    if not isinstance(status, int) or status < CLIENT_ERROR:
        return "fine"
    return "server" if status >= SERVER_ERROR else "client"


def cut(text: str, most: int) -> str:
    """Truncate `text` to `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def folded(lines: list[str]) -> str:
    """Join the lines of a stack trace; omit the middle of a very long one."""
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        left = f"… {len(lines) - MOST_LINES} lines omitted; the JSON of the entry has them …"
        lines = [*lines[:half], left, *lines[-half:]]
    return cut("\n".join(line.expandtabs(4) for line in lines), MOST_TEXT)


def json_of(body: Body) -> str:
    """Return the document as indented JSON with exact values; deceptive characters become JSON escapes."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    if printable(text, newlines=True) != text:
        text = json.dumps(body, ensure_ascii=True, indent=2).replace("\x7f", "\\u007f")
    return cut(text, MOST_TEXT)
