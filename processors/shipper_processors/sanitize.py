"""Escape text from logs so that it is safe in a terminal and inside an error.

Escapes characters that can move a cursor, recolour or retitle a terminal, reorder text, or hide: controls, format
characters (bidirectional marks, zero width, tags), line and paragraph separators, lone surrogates. The rest of Unicode
stays unchanged.
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
    r"""Return `text` with all characters that could mislead a reader or a terminal as `\x1b`, `\u202e`, `\U000e0041`.

    A newline stays a newline if `newlines` is set, and becomes `\n` otherwise; tab and return become `\t` and `\r`.
    """
    if text.isascii() and text.isprintable():
        return text
    if newlines:
        return "\n".join(_HOSTILE.sub(_visible, line) for line in text.split("\n"))
    return _HOSTILE.sub(_visible, text)


def safe_repr(value: object) -> str:
    """Return the `repr` of a value, or its type if it is nested too deep."""
    try:
        return repr(value)
    except RecursionError:
        return f"{type(value).__name__} nested too deep"


def printable_json(text: str) -> str:
    """Return equivalent JSON in which the characters that `printable` escapes are JSON escapes.

    Newlines between values stay; strings in JSON contain none.
    """
    if text.isascii() and "\x7f" not in text:
        return text
    return _HOSTILE.sub(_as_json, text)


def _as_json(match: re.Match[str]) -> str:
    character = match[0]
    return character if character == "\n" else json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def _visible(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
