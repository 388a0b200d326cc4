"""The patterns and name rules by which secrets and personal data are recognised in text."""

import re
from collections.abc import Callable, Iterable
from itertools import chain, product
from typing import NamedTuple

MOST_PARTS = 3
"""Most parts of a field's name for which all spellings are keywords; for a longer name, its longest part is."""


class Pattern(NamedTuple):
    """A built-in pattern: an expression and a test of its value. Masks the group `value`, or the whole match."""

    regex: re.Pattern[str]
    keywords: tuple[str, ...] = ()
    """Every text that the pattern matches contains one of these, in lower case."""
    long_number: bool = False
    """True if the pattern matches long numbers."""
    holds: Callable[[str], bool] = lambda _value: True
    normal: Callable[[str], str] = str
    """Returns the normal form that is hashed, so that all spellings of a value have one hash."""


def _digits(text: str) -> str:
    return "".join(character for character in text if character in "0123456789")


def luhn(text: str) -> bool:
    """True if the digits pass the check of card numbers (ISO/IEC 7812-1, annex B)."""
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:  # noqa: PLR2004 -- lengths of card numbers
        return False
    weighted = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in weighted) % 10 == 0  # noqa: PLR2004


def french_nir(text: str) -> bool:
    """True if a French social security number passes its key: 97 minus the number modulo 97 (INSEE)."""
    compact = text.upper().replace(" ", "").replace(".", "").replace("-", "")
    number = compact[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and compact[13:].isdigit() and int(compact[13:]) == 97 - int(number) % 97


def _compact(number: str) -> str:
    """Return a number without separators between its digits."""
    return ("+" if number.startswith("+") else "") + "".join(filter(str.isalnum, number.upper()))


WORDS = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?secret|credential"
)
WORD = re.compile(rf"(?:{WORDS})[\w-]{{0,20}}\Z", re.IGNORECASE)
"""Names of fields whose values the pattern `password` matches."""
PREFIX = r"(?:[bu](?=\\{0,7}+[\"']))?+"
ASSIGNMENT = rf"\\{{0,7}}+[\"']?+\s{{0,4}}+[=:]{{1,2}}+>?+\s{{0,4}}+{PREFIX}"
"""Everything between a name and its value: in JSON, in JSON within JSON, in a query, in words and in code."""
QUOTED = r"(?:(?!(?<!\\)(?P=quote))(?:\\.|[^\\\n]))++"
"""A value up to its closing quote; an escaped quote is part of it."""
BARE = r"[^\s\"',;&)}\]]++"
NESTED = r"(?!\[redacted:)[\[{(](?:(?=[\s\[{(]{0,20}+[bu]?+\\{0,7}+[\"'])(?s:.)++|[^\])}\n]++)"
"""A value that is an object or a list: if it contains texts, its end is unknown and all that follows belongs to it."""
PATTERNS: dict[str, Pattern] = {
    "header": Pattern(
        re.compile(
            r"\b(?:set-cookie|cookie|(?:proxy-)?authorization):[ \t]{0,4}(?P<value>[^\r\n\"'\\]++)", re.IGNORECASE
        ),
        ("cookie", "authorization"),
    ),
    "url_password": Pattern(
        re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{0,128}:(?P<value>[^\s@'\"]{1,256})@", re.IGNORECASE),
        ("://",),
    ),
    "bearer": Pattern(
        re.compile(r"\b(?:bearer|basic)\s{1,4}(?P<value>[A-Za-z0-9+/_.~=-]{8,}+)", re.IGNORECASE),
        ("bearer", "basic"),
    ),
    "jwt": Pattern(
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+)?", re.IGNORECASE),
        ("eyj",),
    ),
    "password": Pattern(
        re.compile(
            rf"(?:{WORDS})[\w-]{{0,20}}{ASSIGNMENT}(?P<quote>\\{{0,7}}[\"'])?(?P<value>(?(quote){QUOTED}|(?:{NESTED}|{BARE})))",
            re.IGNORECASE,
        ),
        ("pass", "pwd", "secret", "token", "key", "credential"),
    ),
    "email": Pattern(
        re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
        ("@",),
        normal=str.lower,
    ),
    "card": Pattern(re.compile(r"(?<![\w.-])(?:4\d{12}|[2-6](?:[ +-]?\d){13,18})(?![\w-])"), (), True, luhn, _compact),
    "national_id": Pattern(
        re.compile(
            r"(?<!\w)[12][ .+-]?\d\d[ .+-]?\d\d[ .+-]?(?:\d\d|2[ABab])[ .+-]?\d{3}[ .+-]?\d{3}[ .+-]?\d\d(?!\w)"
        ),
        (),
        True,
        french_nir,
        _compact,
    ),
    "phone": Pattern(
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{2,4}\)[ .-]?\d(?:[ .-]?\d){5,11}|\d(?:[ .-]?\d){7,11})"
            r"|0[1-9](?:[ .-]?\d\d){4})(?![\w-])"
        ),
        (),
        True,
        normal=_compact,
    ),
}
"""Built-in patterns by name, in the order in which they are applied."""

ENCODED = ("%20", "%25", "%2b", "%3a", "%3d", "%40", "\\u00")
"""Substrings of a text in which a space, `+`, `:`, `=`, `@`, or a `%` before one of these, is encoded.

Such a text is masked in decoded form as well.
"""
KEYWORDS = (*(keyword for pattern in PATTERNS.values() for keyword in pattern.keywords if keyword != "@"), *ENCODED)
"""Every text that a word pattern can match contains one of these, in any case."""


def named_values(fields: Iterable[str]) -> tuple[re.Pattern[str] | None, tuple[str, ...], bool]:
    """Return a pattern of `name=value` and `"name": value` of the fields, its keywords, and True if these suffice.

    Nothing marks the end of a value that is an object or a list, so that all that follows is masked.
    """
    names, keywords, complete = [], [], True
    for field in dict.fromkeys(name.lower() for name in fields):
        parts = [part for part in re.split(r"[-_]+", field) if part]
        if not parts:
            continue
        names.append("[-_]?".join(map(re.escape, parts)))
        if len(parts) <= MOST_PARTS and field.isascii():
            signs = product(("", "-", "_"), repeat=len(parts) - 1)
            keywords += ["".join(chain.from_iterable(zip(parts, (*between, ""), strict=True))) for between in signs]
        else:
            keyword = max(re.findall(r"[a-z0-9]+", " ".join(parts)) or [""], key=len)
            keywords.append(keyword)
            complete = complete and bool(keyword)
    if not names:
        return None, (), True
    assignment = rf"(?:\\{{0,7}}+[\"']\s{{0,4}}+[=:]|\s{{0,4}}+=)=?+>?+\s{{0,4}}+{PREFIX}"
    value = rf"(?P<quote>\\{{0,7}}[\"'])?(?P<value>(?(quote){QUOTED}|(?:(?!\[redacted:)[\[{{](?s:.)++|{BARE})))"
    regex = rf"(?<![A-Za-z0-9])(?:{'|'.join(names)}){assignment}{value}"
    return re.compile(regex, re.IGNORECASE), tuple(keywords), complete
