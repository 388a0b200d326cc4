"""Values behind sensitive names in text: assignments of any notation, options, elements of XML, pairs, queries."""

import re
from collections.abc import Iterator

from shipper_processors.redact_names import LONGEST_NAME, Found, Kind, NameRule, split_name

PREFIX = r"(?:[bu](?=\\{0,7}+[\"']))?+"
SEPARATOR = r"\s{0,4}+(?P<sign>:=|=>|[=:]{1,2}+>?+)\s{0,4}+"
QUOTE = r"(?P<quote>\\{0,7}[\"'])?+"
QUOTED = r"(?:(?!(?<!\\)(?P=quote))(?:\\.|[^\\\n]))++"
"""A value up to its closing quote; an escaped quote is part of it."""
SCHEME = r"(?:(?:bearer|basic|digest|negotiate|token|apikey)\s{1,4}+(?=[^\s\"',;&)}\]<>\[]))?+"
BARE = r"[^\s\"',;&)}\]<>]++"
NESTED = r"(?!\[redacted:)[\[{(](?:(?=[\s\[{(]{0,20}+[bu]?+\\{0,7}+[\"'])(?s:.)++|[^\])}\n]++)"
"""A value that is an object or a list: if it contains texts, its end is unknown and all that follows belongs to it."""
GROUPS = r"\d{2,6}(?:[ -]\d{2,6}(?!\d)){1,6}+"
"""A number in groups."""
FLAGS = re.IGNORECASE | re.ASCII
VALUE = re.compile(rf"{PREFIX}{QUOTE}(?P<value>(?(quote){QUOTED}|(?:{NESTED}|{GROUPS}|{SCHEME}{BARE})))", FLAGS)
"""What follows a sign of assignment. `native/src/redact_values.rs` reads the same by hand: change both."""
PARAMETER = re.compile(r"[^\s&=\"'<>]{0,512}+=*+&", re.ASCII)
"""The value of a parameter that is not the last of its query."""
WORDS = re.compile(r"(?:[ ](?![^\s=:]{0,64}+[=:])[^\s\"',;&)}\]<>]++){0,5}+", re.ASCII)
"""Further words of a name of a person or of an address, up to the next assignment."""

ASSIGNMENT = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:(?P<before>[A-Za-z]{1,30}+)[ ](?=[A-Za-z0-9_.-]))?+"
    rf"(?P<name>[A-Za-z0-9_.-]++)\\{{0,7}}+[\"']?+\]?+{SEPARATOR}",
    FLAGS,
)
"""A name with all that stands between it and its value: in JSON, in JSON within JSON, in a query, in words, in code."""
OPTION = re.compile(
    r"(?<![\w.-])--?(?P<name>[A-Za-z][\w.-]*+)(?:\\{0,7}+[\"'])?+,?+[ \t]{1,4}+(?![-|=])",
    FLAGS,
)
NO_ARGUMENT = frozenset({
    "is", "to", "or", "and", "flag", "option", "options", "must", "was", "for", "not", "in", "with", "argument",
    "requires", "may", "can", "if",
})  # fmt: skip
"""Words that follow the name of an option in a sentence."""
ELEMENT = re.compile(
    r"(?:<|&lt;)(?:[\w.-]{1,40}:)?(?P<name>[\w.-]{1,80}+)(?:\s[^<>&]{0,200}+)?+(?:>|&gt;)(?:<!\[CDATA\[)?+"
    r"(?P<text>[^<&]++)",
    FLAGS,
)
"""An element of XML with its text."""
HEADER_PAIR = re.compile(
    r"[\[(]\s{0,4}+[bu]?+\\{0,7}+[\"'](?P<name>[\w.-]{1,80}+)\\{0,7}+[\"']\s{0,4}+,\s{0,4}+", FLAGS
)
"""A header before its value in a list or tuple of two."""
NAMED = re.compile(
    r"\b(?:name|key|header|field|param|parameter)\\{0,7}+[\"']?+\s{0,4}+[=:]>?+\s{0,4}+"
    r"[bu]?+\\{0,7}+[\"'](?P<name>[\w.-]{1,80}+)\\{0,7}+[\"']"
    r"(?:\s{0,4}+,?+\s{0,4}+\\{0,7}+[\"']?+(?:value|val|content)\\{0,7}+[\"']?+\s{0,4}+[=:]>?+\s{0,4}+"
    r"|[^<>\"']{0,80}+>(?P<text>[^<&]++))",
    FLAGS,
)
"""A name and its value as two fields or attributes, or an attribute with the name and the element's text."""
SQL_PASSWORD = re.compile(r"\b(?:password|passwd|identified\s{1,4}+by)\s{1,4}+(?=[\"'])", FLAGS)
"""Before a password in SQL."""
NOTATION_KEYWORDS = ("identified",)
"""Every text with a value to mask contains one of these, in any case, or a listed name."""
NOTHING = frozenset({"true", "false", "null", "none", "nil", "undefined", "empty", "missing"})
"""Values that hold nothing."""
OBJECT = re.compile(
    r"0[xX][0-9A-Fa-f]{1,16}|[A-Za-z]{1,40}\{[0-9a-f]{6,8}|(?:[a-z]\w{0,40}\.){2,8}[A-Z]\w{0,60}@[0-9a-f]{6,8}",
    re.ASCII,
)
"""An address in memory, or an object of Java: `0x14ede`, `Token{a64f992`, `android.os.BinderProxy@2bd79ce`."""


def assignments(text: str, rule: NameRule) -> Iterator[Found]:
    """Yield the values that are assigned to sensitive names."""
    at = 0
    while match := ASSIGNMENT.search(text, at):
        at = match.end()
        if (kind := _kind(match, text, rule)) and (value := VALUE.match(text, at)):
            start, end = value.span("value")
            if kind == "field" and value["quote"] is None and match["sign"] != "=":
                end = _end_of_words(text, end)
            if not is_nothing(match["name"], text[start:end]):
                yield Found(kind, start, end)
            at = max(end, at)


def _end_of_words(text: str, end: int) -> int:
    match = WORDS.match(text, end)
    return match.end() if match else end


def _kind(match: "re.Match[str]", text: str, rule: NameRule) -> Kind:
    if text.endswith("[redacted:", 0, match.start()):
        return ""  # the kind of a mask
    name = match["name"][-LONGEST_NAME:]
    kind = rule.kind(name)
    if kind or match["sign"] != "=":
        before = match["before"]
        return kind or (rule.kind(f"{before} {name}", at_end=True) if before else "")
    is_query = text.endswith(("?", "&"), 0, match.start("name")) or PARAMETER.match(text, match.end())
    return rule.query_kind(name) if is_query else ""


def is_nothing(name: str, value: str) -> bool:
    """True if a value under a sensitive name holds nothing: no value, asterisks, or a number of `tokens`."""
    if value.lower() in NOTHING or not value.strip("*. \t\r\n") or OBJECT.fullmatch(value):
        return True
    last, is_number = split_name(name[-LONGEST_NAME:])[-1], value.isascii() and value.isdigit()
    if last == "pass" and len(value) < 5:  # noqa: PLR2004 -- a number of tests that passed
        return is_number
    if last == "pin":
        return not (value[0].isascii() and value[0].isdigit())
    if name == "PWD":
        return value.startswith("/")
    if name == "birthdate" and len(value) == 13:  # noqa: PLR2004 -- milliseconds at which a Java logger was made
        return is_number
    return last.endswith("s") and last not in ("pass", "address") and is_number


def other_notations(text: str, rule: NameRule) -> Iterator[Found]:
    """Yield values behind names in options, XML, pairs and SQL; places may overlap and are in no order."""
    matches: list[re.Match[str]] = []
    if "-" in text:
        matches += OPTION.finditer(text)
    if "<" in text or "&lt;" in text:
        matches += ELEMENT.finditer(text)
    if "[" in text or "(" in text:
        matches += HEADER_PAIR.finditer(text)
    if "=" in text or ":" in text:
        matches += NAMED.finditer(text)
    for match in matches:
        yield from _in_notation(text, rule, match)
    if rule.kind("password"):
        for match in SQL_PASSWORD.finditer(text):
            if value := VALUE.match(text, match.end()):
                yield Found("password", *value.span("value"))


def _in_notation(text: str, rule: NameRule, match: "re.Match[str]") -> Iterator[Found]:
    """Yield the value behind a name that a notation gives, as the element's text or after the match."""
    kind, pattern, name = rule.kind(match["name"]), match.re, match["name"]
    is_text = "text" in pattern.groupindex and match["text"] is not None
    found = match if is_text else VALUE.match(text, match.end())
    if not kind or found is None or (pattern is HEADER_PAIR and found["quote"] is None):
        return
    start, end = found.span("text" if is_text else "value")
    value = text[start:end]
    is_word = pattern is OPTION and value.lower() in NO_ARGUMENT
    is_blank = not value.strip(" \t\n\r\f\v")
    if not is_word and not is_blank and not text.endswith("/>", 0, start) and not is_nothing(name, value):
        yield Found(kind, start, end)
