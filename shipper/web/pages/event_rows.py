"""Entries: documents of the store as rows of a page. Everything in a row is text, bounded in length."""

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
"""Characters of what happened and of a name in a row, lines of a stack trace, characters of what is folded."""
TROUBLE = frozenset(LEVELS[LEVELS.index("warning") :])


class Row(NamedTuple):
    """One entry."""

    key: str
    """Its id, for telling what is shown already."""
    anchor: str
    iso: str
    date: str
    clock: str
    level: str
    trouble: bool
    grade: str
    """The level where it is one of ours: what it looks like."""
    origin: str
    event: str
    status: str
    status_grade: str
    took: str
    what: str
    correlation: str
    timeline: str
    """The address of its request's timeline; empty where it has no correlation id."""
    wrong: bool
    trace: str
    trace_lines: int
    json: str


def row(body: Body) -> Row:
    """A document as a row."""
    time, level = text_of(body.get("@timestamp")), body.get("level")
    known = level if isinstance(level, str) and level in LEVELS else ""
    status, ms, correlation = body.get("status_code"), duration_ms(body), body.get("correlation_id")
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
    """Whose failure an HTTP status tells of."""
    if not isinstance(status, int) or status < CLIENT_ERROR:
        return "fine"
    return "server" if status >= SERVER_ERROR else "client"


def cut(text: str, most: int) -> str:
    """`text`, its end left out where it is longer than `most`."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def folded(lines: list[str]) -> str:
    """Lines of a stack trace, those in the middle of a very long one left out."""
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        left = f"… {len(lines) - MOST_LINES} lines left out; the JSON of the entry has them …"
        lines = [*lines[:half], left, *lines[-half:]]
    return cut("\n".join(line.expandtabs(4) for line in lines), MOST_TEXT)


def json_of(body: Body) -> str:
    """The document as indented JSON, its values exact; characters that could deceive a reader as JSON escapes."""
    text = json.dumps(body, ensure_ascii=False, indent=2)
    if printable(text, newlines=True) != text:
        text = json.dumps(body, ensure_ascii=True, indent=2).replace("\x7f", "\\u007f")
    return cut(text, MOST_TEXT)
