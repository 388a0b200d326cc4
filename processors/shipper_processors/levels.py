"""Parse levels and times in the prefixes of plain text."""

import re

from shipper_processors.chain_plan import SCHEMA

LEVELS = dict(SCHEMA.levels)
"""Each spelling, with the level that it means."""
WORD = r"(?P<level>[A-Za-z]{3,11})"
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
PREFIXES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{WORD}:\s",  # uvicorn, logging's default
        rf"{WORD}\s{{1,4}}\[[\w.:-]{{1,128}}\]",  # alembic
        rf"\[{TIME}\] \[\d{{1,10}}\] \[{WORD}\]",  # gunicorn
        rf"\[?{TIME}\]?[\s:,-]{{1,4}}(?:\[[\w ./:-]{{1,64}}\]\s?)?[\[(<]?{WORD}[\])>]?(?:[\s:|,-]|$)",  # time first
        rf"\[{WORD}\]",
        rf"(?:[\w.]{{1,40}}=\S{{1,128}} ){{0,4}}(?:level|lvl|severity)=\"?{WORD}\"?(?:\s|$)",  # logfmt
    )
)
KLOG = re.compile(r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6}", re.ASCII)
KLOG_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "critical"}
LEADING_TIME = re.compile(rf"\[?(?P<time>{TIME})", re.ASCII)
HEAD = 400
"""Characters at the beginning of a line that are searched for a prefix."""


def level_of(text: str) -> str | None:
    """Return the level in a text line's prefix, in the schema's spelling; None if it has none."""
    head = text[:HEAD]
    for prefix in PREFIXES:
        match = prefix.match(head)
        if match is not None and (level := LEVELS.get(match["level"].lower())):
            return level
    match = KLOG.match(head)
    return KLOG_LEVELS[match["level"]] if match else None


def time_of(text: str) -> str | None:
    """Return the time at the beginning of a text line, unchanged; it means UTC if it has no zone."""
    match = LEADING_TIME.match(text[:HEAD])
    return match["time"] if match else None
