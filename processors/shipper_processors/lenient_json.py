"""Read JSON objects that an encoder, a cut or a neighbour has damaged, without losing an event.

Everything here takes time linear in the text: each attempt continues where the one before failed, and the number of
attempts is bounded. Nothing is guessed: a value is taken only if it is complete.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from shipper_schemas import lazy_re as re

LONGEST_INTEGER = 400


def _integer(digits: str) -> int | str:
    """Return an integer; one that is longer than any index accepts stays text, since Python rejects the longest."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


DECODER = json.JSONDecoder(strict=False, parse_int=_integer)
"""Raw control characters in strings must not hide an event."""
OPENING = re.compile(r"\{[ \t]{0,8}\"", re.ASCII)
KEY = re.compile(r"[\s,]{0,64}(?=\")", re.ASCII)
COLON = re.compile(r"\s{0,64}:\s{0,64}", re.ASCII)
MARK = re.compile(r"\\.|[\"{}\[\]]", re.DOTALL)
"""An escape, a quote or a bracket."""
COLOUR = re.compile(r"\x1b\[[0-9;:]{0,32}[A-Za-z]", re.ASCII)
"""An escape sequence that colours text or clears a line."""
OUTSIDE = "\ufeff \t\r\n\0,;\x1e"
"""Characters that may stand around a document: blanks, NULs, a comma, a record separator (RFC 7464)."""
TRAILING = re.compile(r",(?=[ \t\r\n]{0,64}[}\]])")
"""A comma before a closing bracket."""
STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
BETWEEN = re.compile(r"(?:[\x00-\x20\x7f-\x9f,;]++|/\*[^*]{0,4096}\*/)*+")
"""What may stand between the members of an object that is read leniently: blanks, control characters, comments."""
SEPARATOR = re.compile(r"[\x00-\x20\x7f-\x9f]{0,64}:[\x00-\x20\x7f-\x9f]{0,64}")
BARE_KEY = re.compile(r"[A-Za-z_$@][\w$@.-]{0,127}", re.ASCII)
BARE_VALUE = re.compile(r"[^,\"'{}\[\]:\\/\n]{0,128}(?=[,}\x00-\x1f]|[ \t]\")")
WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nil": "null"}
"""Words of other languages for values of JSON."""
UNREADABLE = object()
LONGEST_NESTED = 65_536
MOST_MEMBERS = 10_000
MOST_ATTEMPTS = 1000
"""Most attempts to find the next document after a damaged part."""
NEAR = 10
"""Characters before a failure in which the opening of the next document may lie."""


class Piece(NamedTuple):
    """A part of a text: its place, and its content if it is a whole JSON object."""

    start: int
    end: int
    content: dict[str, Any] | None


def without_colours(text: str) -> str:
    """Return the text without escape sequences that colour it."""
    return COLOUR.sub("", text) if "\x1b" in text else text


def read_object(text: str, start: int = 0) -> tuple[dict[str, Any], int]:
    """Read the JSON object at `start`; return it with the index after it.

    Raises ValueError if there is none, with `pos` where JSON is invalid, and RecursionError if it is nested too deeply.
    """
    content, end = DECODER.raw_decode(text, start)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- callers treat it like any invalid JSON
    return content, end


def members(text: str) -> dict[str, Any]:
    """Return the complete members of the JSON object that begins the text and is damaged further on.

    Reads as far as keys and values are complete; a comma too many is skipped. A value that reaches the end of the text
    may be cut off, and is left out.
    """
    content: dict[str, Any] = {}
    at = text.find("{") + 1
    while at and (key := KEY.match(text, at)):
        try:
            name, at = DECODER.raw_decode(text, key.end())
            colon = COLON.match(text, at)
            if colon is None:
                break
            value, at = DECODER.raw_decode(text, colon.end())
        except (ValueError, RecursionError):
            break
        if at >= len(text) and not isinstance(value, str | dict | list):
            break
        content[name] = value
    return content


def repaired(text: str) -> dict[str, Any] | None:
    """Return the object of a text whose only faults are commas before a closing bracket; None otherwise."""
    if TRAILING.search(text) is None:
        return None
    whole = _without_trailing_commas(text)
    content, end = object_at(whole, 0)
    return content if not whole[end:].strip(OUTSIDE) else None


def _without_trailing_commas(text: str) -> str:
    """Return a text without the commas that stand before a closing bracket, outside strings."""
    parts, at = [], 0
    while at < len(text):
        quote = text.find('"', at)
        outside = text[at:] if quote < 0 else text[at:quote]
        parts.append(TRAILING.sub("", outside))
        if quote < 0:
            break
        string = STRING.match(text, quote)
        at = len(text) if string is None else string.end()
        parts.append(text[quote:at])
    return "".join(parts)


def read_closed(text: str) -> tuple[dict[str, Any], bool] | None:
    r"""Return the members of an object that is invalid inside, but ends where the text ends; None for other texts.

    Hand-made JSON has such faults: `\x22` as nginx writes it, `undefined`, `007`, a comment, a key without quotes, a
    comma that is missing. A member whose value cannot be read is left out; then the second result is False. Strings
    must be whole, so that nothing inside one is taken for a member.
    """
    content: dict[str, Any] = {}
    whole = True
    at = 1
    for _ in range(MOST_MEMBERS):
        if (between := BETWEEN.match(text, at)) is not None:
            at = between.end()
        if text[at : at + 1] == "}":
            return None if text[at + 1 :].strip(OUTSIDE) else (content, whole)
        quoted = STRING.match(text, at)
        key = quoted or BARE_KEY.match(text, at)
        colon = None if key is None else SEPARATOR.match(text, key.end())
        if key is None or colon is None:
            return None
        value, at = _closed_value(text, colon.end())
        if at < 0:
            return None
        if value is UNREADABLE:
            whole = False
        else:
            content[_unescaped(key[0]) if quoted else key[0]] = value
    return None


def _closed_value(text: str, start: int) -> tuple[Any, int]:
    """Return the value at `start` and the index after it, which is -1 if the value does not end."""
    if (string := STRING.match(text, start)) is not None:
        return _unescaped(string[0]), string.end()
    if text[start : start + 1] in {"{", "["}:
        end = _end_of_brackets(text, start)
        try:
            value = DECODER.decode(text[start:end]) if 0 < end - start <= LONGEST_NESTED else UNREADABLE
        except (ValueError, RecursionError):
            value = UNREADABLE
        return value, end
    bare = BARE_VALUE.match(text, start)
    if bare is None:
        return UNREADABLE, -1
    word = bare[0].strip()
    try:
        return DECODER.decode(WORDS.get(word, word)), bare.end()
    except (ValueError, RecursionError):
        return UNREADABLE, bare.end()


def _end_of_brackets(text: str, start: int) -> int:
    depth = 0
    for place in _brackets(text, start):
        depth += 1 if text[place] in "{[" else -1
        if not depth:
            return place + 1
    return -1


def _unescaped(string: str) -> str:
    r"""Return the content of a string; an escape that JSON does not know stays as it is, but `\x22` is decoded."""
    try:
        return str(DECODER.decode(string))
    except (ValueError, RecursionError):
        return str(DECODER.decode(ESCAPE.sub(_valid_escape, string)))


def _valid_escape(match: "re.Match[str]") -> str:
    escape = match[0]
    if escape[1] == "x" and len(escape) == 4:  # noqa: PLR2004 -- `\x22`
        return f"\\u00{escape[2:]}"
    valid = escape[1] in '"\\/bfnrt' or (escape[1] == "u" and len(escape) == 6)  # noqa: PLR2004 -- `\u0022`
    return escape if valid else f"\\{escape}"


def is_unfinished_object(text: str) -> bool:
    """True if a text begins with a JSON object that is not whole."""
    text = text.lstrip(OUTSIDE)
    return text[:1] == "{" and object_at(text, 0)[0] is None


def pieces(text: str, start: int = 0, between: str = OUTSIDE) -> list[Piece]:
    """Return the JSON objects that a line consists of, in order, and the damaged parts between them.

    `between` names the characters that may stand between them.

    A line of one whole object gives one piece. A record that is torn and followed by a whole one on the same line
    gives two: `{"event":"request_co{"event":"login_failed"}`. An object counts as whole only if it reaches the end of
    the line or the beginning of the next object.
    """
    found: list[Piece] = []
    last = len(text.rstrip(OUTSIDE))
    at, torn, ended, attempts = _next(text, start, between), start, False, 0
    while at < len(text) and attempts < MOST_ATTEMPTS:
        content, end = object_at(text, at)
        following = len(text) if content is None else _next(text, end, between)
        is_first = _next(text, torn, between) >= at
        if content is not None and (is_first or following >= len(text) or text[following] == "{"):
            if not is_first:
                found.append(Piece(torn, at, None))
            found.append(Piece(at, end, content))
            torn = following
            opening = following if text[following : following + 1] in ("{", "") else _opening(text, following)
        elif end < last:
            opening = _opening(text, max(at + 1, end - NEAR))
        else:
            opening, ended = None if ended else _last_object(text, at), True
        if opening is None:
            break
        at, attempts = opening, attempts + (content is None)
    if text[torn:].strip(between):
        found.append(Piece(torn, len(text), None))
    return found


def holds_document(text: str) -> bool:
    """True if a text that begins with `{` holds a whole JSON object with content, alone or beside damaged ones.

    An object counts if it ends where the text ends, or where another begins: code such as `{"a": 1}["a"]` does not.
    """
    return any(piece.content and text[piece.end :].lstrip(OUTSIDE)[:1] in {"", "{"} for piece in pieces(text))


def _opening(text: str, at: int) -> int | None:
    """Return where an object may begin, from `at` on.

    After an object that is invalid at an index, that is at most a few characters before it: what was read before is
    valid in the first object, so that an object in it also ends before it. One that ends where the line ends is the
    exception, see `_last_object`.
    """
    match = OPENING.search(text, at)
    return None if match is None else match.start()


def _next(text: str, at: int, between: str = OUTSIDE) -> int:
    while at < len(text) and text[at] in between:
        at += 1
    return at


def object_at(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    """Return the object at `at` and the index after it, or None and the index at which it is invalid."""
    try:
        return read_object(text, at)
    except json.JSONDecodeError as error:
        return None, error.pos
    except (ValueError, RecursionError):
        return None, len(text)


def _last_object(text: str, at: int) -> int | None:
    """Return where the outermost object begins that ends at the end of the line, in an object without its end."""
    opened: list[int] = []
    last = None
    for place in _brackets(text, at + 1):
        if text[place] in "{[":
            opened.append(place)
        elif not opened:
            return None
        else:
            last = (opened.pop(), place + 1)
    end = len(text.rstrip(OUTSIDE))
    return last[0] if last is not None and last[1] == end and text[last[0]] == "{" else None


def _brackets(text: str, start: int) -> Iterator[int]:
    """Yield the indices of brackets outside strings, from `start` on."""
    in_string = False
    for match in MARK.finditer(text, start):
        if match[0] == '"':
            in_string = not in_string
        elif not in_string and match[0][0] != "\\":
            yield match.start()
