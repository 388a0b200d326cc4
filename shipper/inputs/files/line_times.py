"""Times of lines, in a form that compares as bytes: they show which lines of a file were read earlier."""

import re

CLOCK = rb"(\d{4}-[01]\d-[0-3]\d)[T ]([0-2]\d:[0-5]\d:[0-6]\d)(?:[.,](\d{1,9}))?"
ANYWHERE = re.compile(CLOCK)
DOCKER = re.compile(rb'"time":"' + CLOCK + rb'[^"]{0,8}"\}\s*\Z')
CRI = re.compile(CLOCK + rb"\S{0,8} std(?:out|err) ")
RECORDS = {"docker": re.compile(rb'\{"log":"'), "cri": CRI}
"""Beginning of a record; a line has a second one where the first is torn off."""
SEARCHED = 512
"""Bytes of a plain line in which its time is looked for."""


def time_of(kind: str, line: bytes) -> bytes:
    """Return the time of a line of an input type; empty if it has none that can be compared."""
    if kind == "docker":
        match = DOCKER.search(line[-64:])
    elif kind == "cri":
        match = CRI.match(line)
    else:
        match = ANYWHERE.search(line[:SEARCHED])
    return b"" if match is None else b"%b %b.%b" % (match[1], match[2], (match[3] or b"").ljust(9, b"0"))


def latest_time(kind: str, lines: bytes) -> bytes:
    """Return the latest time in lines, the first of which may be cut off; empty if they have none."""
    return max((time_of(kind, line) for line in lines.split(b"\n")), default=b"")


def first_later(kind: str, lines: bytes, time: bytes) -> int:
    """Return the offset in `lines` of the first record later than `time`, -1 if there is none.

    A record that was torn off by a loss of power is followed by a whole one on the same line.
    """
    begin = 0
    for line in lines.split(b"\n"):
        starts = [match.start() for match in RECORDS[kind].finditer(line)] if kind in RECORDS else []
        if kind == "docker":
            starts = starts[-1:]  # the time is at the end of the line, and in no record that is torn off
        for start in starts or [0]:
            if time_of(kind, line[start:]) > time:
                return begin + start
        begin += len(line) + 1
    return -1
