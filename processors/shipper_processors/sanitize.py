"""Escape: text from a log made safe to show on a terminal or inside an error.

What is escaped can move a cursor, recolour or retitle a terminal, reorder what is read, or hide: controls, format
characters (bidirectional marks, zero width, tags), line and paragraph separators, lone surrogates. The rest of
Unicode stays as it is.
"""

import json
import re

_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def printable(text: str, *, newlines: bool = False) -> str:
    r"""`text` with everything that could deceive a reader or a terminal shown as `\x1b`, `\u202e`, `\U000e0041`.

    A newline stays a newline where `newlines` is set, and becomes `\n` otherwise; tab and return are `\t` and `\r`.
    """
    if text.isascii() and text.isprintable():
        return text
    if newlines:
        return "\n".join(_HOSTILE.sub(_visible, line) for line in text.split("\n"))
    return _HOSTILE.sub(_visible, text)


def spelled(value: object) -> str:
    """A value as Python writes it; of one that is nested too deep for that, its type."""
    try:
        return repr(value)
    except RecursionError:
        return f"{type(value).__name__} nested too deep"


def printable_json(text: str) -> str:
    """JSON whose value is the same, and in which what `printable` would show is an escape of JSON's own.

    Newlines between values stay; within strings JSON has none.
    """
    if text.isascii() and "\x7f" not in text:
        return text
    return _HOSTILE.sub(_as_json, text)


def _as_json(match: re.Match[str]) -> str:
    sign = match[0]
    return sign if sign == "\n" else json.dumps(sign)[1:-1] if sign != "\x7f" else "\\u007f"


def _visible(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
