"""Secrets in text that are recognised by their form: keys, tokens, URLs with a password, links, e-mail addresses."""

import re
from collections.abc import Callable, Iterator
from string import ascii_letters, ascii_uppercase, digits
from typing import NamedTuple

from shipper_processors.redact_names import Found
from shipper_processors.redact_numbers import compact, ibans

NORMAL: dict[str, Callable[[str], str]] = {
    "email": str.lower, "iban": compact, "card": compact, "national_id": compact, "phone": compact,
}  # fmt: skip
"""By pattern, the function that returns the normal form that is hashed, so that all spellings have one hash."""

HEADER = re.compile(
    r"\b(?:set-cookie|cookie|(?:proxy-)?authorization):[ \t]*+(?P<value>[^ \t\r\n\"'\\][^\r\n\"'\\]*+)",
    re.IGNORECASE | re.ASCII,
)
"""A value in quotes is one of an assignment."""
URL_PASSWORD = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@'\"]{0,128}:(?!\d{1,5}[/?#]|\[redacted:)(?P<value>[^\s'\"<>]{1,256})@",
    re.IGNORECASE | re.ASCII,
)
"""The value goes to the last `@` of its word: passwords may contain one."""
BEARER = re.compile(r"\b(?P<scheme>bearer|basic)\s{1,4}(?P<value>[A-Za-z0-9+/_.~=-]{8,}+)", re.IGNORECASE | re.ASCII)
NO_TOKENS = frozenset({
    "authentication", "authorization", "authorisation", "credential", "credentials", "challenge", "strategy",
    "security", "token-based",
})  # fmt: skip
"""Words that follow `bearer` and `basic` in sentences."""
LOOKS_RANDOM = re.compile(r"[0-9]|[a-z][A-Z]|=\Z")
"""An encoded name with its password has a digit, a capital inside, or padding; a word has none."""
JWT = re.compile(
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+){0,3}", re.IGNORECASE | re.ASCII
)
EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PEM_END = "-----END"


class KeyShape(NamedTuple):
    """The form of keys that one service gives out."""

    prefix: str
    least: int
    """Least characters behind the prefix."""
    alphabet: str
    """Name of the characters behind the prefix."""


ALPHABETS = {
    "letters": ascii_letters + digits,
    "capitals": ascii_uppercase + digits,
    "word": f"{ascii_letters}{digits}_",
    "url": f"{ascii_letters}{digits}_-",
    "dots": f"{ascii_letters}{digits}_.-",
}
KEY_SHAPES = tuple(
    KeyShape(prefix, least, alphabet)
    for alphabet, least, prefixes in (
        ("letters", 20, "ghp_ gho_ ghu_ ghs_ ghr_ npm_ hf_ dapi"),
        ("word", 20, "github_pat_"),
        ("letters", 10, "sk_live_ sk_test_ rk_live_ rk_test_ whsec_"),
        ("url", 10, "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-"),
        ("capitals", 16, "AKIA ASIA ABIA ACCA"),
        ("url", 30, "AIza GOCSPX- ya29."),
        ("url", 16, "glpat- gldt- glrt- sk-ant- sk-proj- pypi-AgEI"),
        ("letters", 32, "sk-"),
        ("dots", 20, "SG. hvs. hvb."),
        ("letters", 30, "shpat_ shpca_ shppa_ shpss_ dop_v1_ doo_v1_ lin_api_ key-"),
    )
    for prefix in prefixes.split()
)
KEY = re.compile(
    "(?<![A-Za-z0-9])(?:"
    + "|".join(
        f"{re.escape(shape.prefix)}[{re.escape(ALPHABETS[shape.alphabet])}]{{{shape.least},}}+" for shape in KEY_SHAPES
    )
    + ")"
)
LINK_STEMS = ("reset", "verif", "confirm", "activat", "invit", "magic", "unsubscribe")
"""Parts of the words of a path behind which a secret stands: `/reset/SECRET`, `/password_reset_confirm/MQ/SECRET`."""
LINK = re.compile(
    rf"/[a-z_-]{{0,20}}(?:{'|'.join(LINK_STEMS)})[a-z_-]{{0,20}}(?P<rest>(?:/[\w.~%=+-]++){{1,3}}+)",
    re.IGNORECASE | re.ASCII,
)
LINK_PART = re.compile(r"[^/]++")
LINK_SECRET = re.compile(r"(?!\d+\Z)(?=.{8})(?s:.*?[0-9]|.*?[a-z][A-Z]|[A-Za-z]{16,}\Z)", re.ASCII)
"""A secret in a path has a digit or a capital inside, or is one long word."""
WORD_KEYWORDS = ("bearer", "basic", "eyj", "-----begin")
"""Every text that a pattern here can match contains one of these, a stem of a link, a key's prefix, or `@`."""


def _headers(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "header" in patterns and ":" in text:
        for match in HEADER.finditer(text):
            yield Found("header", *match.span("value"))


def _url_passwords(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "url_password" in patterns and "://" in text and "@" in text:
        for match in URL_PASSWORD.finditer(text):
            yield Found("url_password", *match.span("value"))


def _bearers(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    lowered = text.lower()
    if "bearer" in patterns and ("bearer" in lowered or "basic" in lowered):
        for match in BEARER.finditer(text):
            value, after = match["value"], text[match.end() : match.end() + 1]
            is_basic = match["scheme"].lower() == "basic"
            is_token = LOOKS_RANDOM.search(value) if is_basic else value.lower().rstrip(".") not in NO_TOKENS
            is_parameter = "=" in value.rstrip("=") or (value.endswith("=") and after == '"')
            if is_token and not is_parameter:
                yield Found("bearer", *match.span("value"))


def _jwts(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "jwt" in patterns and "." in text:
        for match in JWT.finditer(text):
            yield Found("jwt", *match.span())


def _keys(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "key" not in patterns:
        return
    if any([prefix in text for prefix in PREFIXES]):  # noqa: C419 -- four times as fast as a generator
        for match in KEY.finditer(text):
            yield Found("key", *match.span())
    at = 0
    while "-----BEGIN" in text and (begin := PEM_BEGIN.search(text, at)):
        at = text.find(PEM_END, begin.end())
        at = at if at >= 0 else len(text)
        if text[begin.end() : at].strip():
            yield Found("key", begin.end(), at)


def _links(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "link" in patterns and "/" in text:
        for match in LINK.finditer(text):
            for part in LINK_PART.finditer(text, *match.span("rest")):
                if LINK_SECRET.match(part[0]):
                    yield Found("link", *part.span())


def _emails(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "email" in patterns and "@" in text:
        for match in EMAIL.finditer(text):
            if match[0].rpartition(".")[2][0].isalpha():  # else it is a number of an address or a version
                yield Found("email", *match.span())


def _ibans(text: str, patterns: frozenset[str]) -> Iterator[Found]:
    if "iban" in patterns:
        yield from ibans(text)


PREFIXES = tuple(dict.fromkeys(shape.prefix for shape in KEY_SHAPES))
BEFORE_NAMES = (_headers, _url_passwords, _bearers, _jwts, _keys)
AFTER_NAMES = (_links, _emails, _ibans)
"""Functions that find what a text holds by its form, before and after the values of sensitive names are masked."""
