"""Levels and times hidden in the prefixes of plain text."""

import re

from shipper_processors.chain_plan import SCHEMA

LEVELS = dict(SCHEMA.levels)
"""Each spelling with the level that it stands for."""
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
"""A prefix stands at the beginning: nothing beyond this is looked at."""


def level_of(text: str) -> str | None:
    """The level that a line of plain text begins with, in the schema's spelling; None where there is none."""
    head = text[:HEAD]
    for prefix in PREFIXES:
        match = prefix.match(head)
        if match is not None and (level := LEVELS.get(match["level"].lower())):
            return level
    match = KLOG.match(head)
    return KLOG_LEVELS[match["level"]] if match else None


def time_of(text: str) -> str | None:
    """The time that a line of plain text begins with, as it stands there; read as UTC where it names no zone."""
    match = LEADING_TIME.match(text[:HEAD])
    return match["time"] if match else None
