"""Text in the extension against the Python chain: the same matches, shapes and fields, or a decline."""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import native, plan_of
from shipper_processors.payload import decode_payload
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from shipper_processors.text_cleanup import clean
from shipper_processors.text_plan import texts_plan

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

CORPUS = Path(__file__).parents[2] / "shapes" / "corpus"
PLAN = texts_plan()
PATTERNS = [
    *((one.pattern, one.flags) for one in PLAN.expressions),
    *((form.pattern, int(re.ASCII)) for heads in PLAN.heads for form in heads.forms),
]
FRAGMENTS = (
    "2026-11-23 10:00:00,123", "2026-11-23T10:00:00.123Z", "[2026-11-23 10:00:00 +0000]", "23/Nov/2026:10:00:00 +0100",
    " - ", " INFO ", "[error]", "[", "]", "{", '{"a": 1}', "}", '"', "\\", '\\"', "=", "key=value ", 'msg="a b" ', "\t",
    " | ", ": ", "level=warn ", "app.worker", "app::worker", "[main] ", "10.0.0.1", "::1", ' HTTP/1.1" 200 5', "GET /a",
    " ms", "é", "–", "\ufeff", "\x1b[31m", "\r", "\0", "\u2003", "\x1c", "Ⓐ", "٣", "K", "\n", "\n    at a.B.c(D.java:1)",
    "<34>1 ", "I1123 10:00:00.123456 1 a.go:1] ", "0123456789abcdef0123456789abcdef", "%", "\nTraceback (most recent call last):",
)  # fmt: skip


@cache
def texts() -> "native.parts.Texts":
    """Return the extension's steps with the tables of this version."""
    plan = plan_of(Enforce(), Counting([]), Redactor(), Skew())
    return native.parts.Texts(plan.to_json())


def logged(value: Any) -> list[str]:
    """Return the lines of a corpus, and the texts that its entries' lines form."""
    if isinstance(value, dict):
        lines = value.get("lines")
        own = [*lines, "\n".join(lines)] if isinstance(lines, list) else []
        return own + [text for inner in value.values() for text in logged(inner)]
    return [text for inner in value for text in logged(inner)] if isinstance(value, list) else []


LINES = sorted({text for file in sorted(CORPUS.glob("*.json")) for text in logged(json.loads(file.read_text("utf-8")))})


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Draw a line of the corpus with parts of it removed, repeated or replaced."""
    text = draw(st.sampled_from(LINES))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, min(len(text), 200)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        piece = draw(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3), st.just(text[start:end] * 2)))
        text = text[:start] + piece + text[end:]
    return text


built = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=12).map("".join)


def spans_of(match: "re.Match[str] | None") -> list[tuple[int, int] | None] | None:
    """Return the spans of a match and its groups, in bytes."""
    if match is None:
        return None

    def in_bytes(at: int) -> int:
        return len(match.string[:at].encode())

    spans = [match.span(number) for number in range(len(match.groups()) + 1)]
    return [None if start < 0 else (in_bytes(start), in_bytes(end)) for start, end in spans]


def is_encodable(text: str) -> bool:
    """Return True if a text has no lone surrogate, as no line has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.sampled_from(PATTERNS), st.sampled_from(["match", "fullmatch", "search"]), st.one_of(mutated(), built))
def test_expressions_match_as_in_python(expression: tuple[str, int], how: str, text: str) -> None:
    """Each expression finds the same place and the same groups, or says that it is not certain."""
    pattern, flags = expression
    if not is_encodable(text):
        return
    compiled = re.compile(pattern, flags)
    try:
        found = native.parts.Texts.spans(pattern, flags, how, text)
    except ValueError:
        return
    assert found == spans_of(getattr(compiled, how)(text))


@pytest.mark.parametrize("expression", PATTERNS, ids=str)
def test_each_expression_matches_the_corpus_as_in_python(expression: tuple[str, int]) -> None:
    """Over the whole corpus, each expression finds the same places."""
    pattern, flags = expression
    compiled = re.compile(pattern, flags)
    for text in LINES:
        found = native.parts.Texts.spans(pattern, flags, "match", text)
        assert found == spans_of(compiled.match(text)), text


def check(text: str) -> bool:
    """Compare both chains for one text; return True if it was declined."""
    try:
        cleaned = texts().clean(text)
    except ValueError:
        return True
    assert cleaned == clean(text)
    shape, fields, _ = decode_payload(cleaned)
    try:
        found = texts().decode(cleaned)
    except ValueError:
        return True
    assert found == (shape, orjson.dumps(fields))
    return False


@given(st.one_of(mutated(), built, st.text(max_size=40)))
@example("")
@example(" ")
@example("\x1b[31m")
@example(' {"a": 1},')
@example("web  | api | 2026-11-23 10:00:00 INFO a.b: x")
@example('10.0.0.1 - - [31/Feb/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5')
@example('10.0.0.1 - - [23/Nov/2026:24:00:00 +0000] "GET /a HTTP/1.1" 200 5')
@example('[GIN] 2026/11/23 - 10:00:00 | 200 |  1m0.1234567s | 10.0.0.1 | GET      "/a?b"')
@example('level=info msg="a \\"b\\" \\x22" t=1234567890 a=1 a=2')
@example('app: {"a": 9223372036854775808, "b": 1e999, "c": NaN}')
@example('2026-11-23 10:00:00,123 INFO {"a": -0, "b": 18446744073709551616, "extra": 1, "level": "x"}')
@example('<34>1 2026-11-23T10:00:00Z h a 1 m [x a="1\\"" request_id="r-1"] \ufeffhello')
def test_texts_are_decoded_as_in_python(text: str) -> None:
    """Every text has the same shape and the same fields in the same order, or is declined."""
    if is_encodable(text) and text[:1] != "{":
        check(text)


def test_the_corpus_is_decoded() -> None:
    """Few lines of the corpus are declined: JSON that is damaged."""
    single = [line for line in LINES if clean(line)[:1] != "{" and "\n" not in line]
    declined = [line for line in single if check(line)]
    assert len(declined) <= len(single) // 100, declined


@given(st.integers(1, 3000))
def test_long_hostile_lines_end(length: int) -> None:
    """A text that makes an expression try all its ways is decided or declined, soon."""
    for sign in ("a=", "[a] ", "2026-11-23 10:00:00 ", '"\\', "a::", "GET /", "[", "{"):
        check(sign * length)
