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
from shipper_processors.payload_split import split_documents
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from shipper_processors.stack_traces import begins_record, summary
from shipper_processors.text_cleanup import clean
from shipper_processors.text_plan import texts_plan
from shipper_schemas.entry import Entry

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


TRACE_LINES = (
    "Traceback (most recent call last):", '  File "a.py", line 1, in f', "a.BError: x", "\tat a.B.c(D.java:1)", "",
    "    at f (a.js:1:2)", "goroutine 1 [running]:", "panic: boom", "main.f(0x1)", "\t/a.go:1 +0x1d", "#0 /a.php(1): f()",
    "\tfrom a.rb:1:in `f'", "a.rb:1:in `f': boom (RuntimeError)", "** (a.B) boom", "thread 'main' panicked at a.rs:1:1:",
    "x at a.pl line 1.", "\tA::f() called at a.pl line 2", "  what():  boom", "! a.BError: x", "! at a.b(c:1)",
    "terminate called after throwing an instance of 'std::x'", "PHP Fatal error:  Uncaught A\\\\B: x in /a.php:1",
    "  + Exception Group Traceback (most recent call last):", "  | a.BError: x", "Caused by: a.BError: x",
)  # fmt: skip
TWO_TRACEBACKS = """\
Traceback (most recent call last):
  File "a", line 1, in f
    g()
KeyError: 'x'

During handling:

Traceback (most recent call last):
  File "b", line 2
a.B: no: never"""
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


def is_valid(text: str) -> bool:
    """Return True for JSON that orjson accepts."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def check(text: str) -> bool:
    """Compare both chains for one text; return True if it was declined."""
    try:
        cleaned = texts().clean(text)
    except ValueError:
        return True
    assert cleaned == clean(text)
    if cleaned[:1] == "{" and is_valid(cleaned):
        return True  # read by value.rs
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
@example("{pool-1} 2026-11-23 10:00:00 INFO started")
@example("{x: 1,}")
@example("{ a=1 [1, ] ")
@example('<34>1 2026-11-23T10:00:00Z h a 1 m [x a="1\\"" request_id="r-1"] \ufeffhello')
def test_texts_are_decoded_as_in_python(text: str) -> None:
    """Every text has the same shape and the same fields in the same order, or is declined."""
    if is_encodable(text):
        check(text)


def test_the_corpus_is_decoded() -> None:
    """Few lines of the corpus are declined: JSON that is damaged."""
    single = [line for line in LINES if clean(line)[:1] != "{"]
    declined = [line for line in single if check(line)]
    assert len(declined) <= len(single) // 100, declined


@given(st.one_of(mutated(), built))
@example("\t{")
@example("{ level: 'info'")
def test_records_begin_as_in_python(line: str) -> None:
    """Both chains agree about the lines that begin a record."""
    if not is_encodable(line):
        return
    try:
        found = texts().begins_record(line)
    except ValueError:
        return
    assert found == begins_record(line)


def check_summary(text: str) -> None:
    """Compare the exception that both chains find in a text."""
    try:
        found = texts().summary(text)
    except ValueError:
        return
    expected = summary(text)
    names = ("error_type", "error_message")
    assert found == (None if expected is None else tuple(map(expected.get, names)))


@given(st.lists(st.one_of(mutated(), st.sampled_from(TRACE_LINES)), min_size=1, max_size=6).map("\n".join))
@example("a\nb\n\tat x.Y.z(A.java:1)")
@example("x panic recovered:\n\n\nboom")
@example("! a.BError: x\n! at a.b(c:1)")
@example("RuntimeError|a.BError: x\n    at f (a.js:1:2)")
def test_exceptions_are_named_as_in_python(text: str) -> None:
    """Both chains find the same type and message in a text of several lines."""
    if is_encodable(text):
        check_summary(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TWO_TRACEBACKS, ("a.B", "no: never")),
        ('Traceback (most recent call last):\n  File "a", line 1\nKeyboardInterrupt', ("KeyboardInterrupt", None)),
        ("SELECT 1\nFROM t\n  WHERE a", None),
        ("E: x\n\tat a.B.c(D.java:1)", ("E", "x")),
        ("panic: x\n\ngoroutine 1 [running]:", ("panic", "x")),
        ("a\n#0 /x.php(1)", (None, None)),
        ("x\n  from a.rb:1:in `b'", (None, None)),
    ],
)
def test_an_exception_is_named_without_doubt(text: str, expected: tuple[str | None, str | None] | None) -> None:
    """The extension reads tracebacks, traces of other languages, and texts that are none."""
    assert texts().summary(text) == expected
    check_summary(text)


def test_exceptions_of_the_corpus_are_named() -> None:
    """Both chains find the same exceptions in all texts of several lines."""
    for text in LINES:
        check_summary(text)
        for inner in strings_of(text):
            check_summary(inner)


def strings_of(text: str) -> list[str]:
    """Return the texts of several lines in a JSON entry."""
    try:
        values = orjson.loads(text).values()
    except (orjson.JSONDecodeError, AttributeError):
        return []
    return [value for value in values if isinstance(value, str) and "\n" in value]


@given(st.one_of(mutated(), built, st.text(alphabet='[]{} ,1-"a\ufeff', max_size=12)))
@example("[2026-11-23 10:00:00 +0000] x {}")
@example('[1, {"a": 1}]')
@example('[1] {"a": 1}')
def test_a_text_that_is_one_entry_is_not_split(text: str) -> None:
    """What the extension takes for one entry is one in Python."""
    if not is_encodable(text) or text[:1] == "{" or texts().may_hold_several(text):
        return
    entry = Entry(text, "stdout", None, 0, 1, b"d" * 16)
    assert split_documents(entry) == [entry]


@given(st.one_of(
    st.recursive(
        st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.none()),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
        max_leaves=8,
    ).map(lambda value: json.dumps({"a": value})),
    st.text(alphabet='{}[]",:\\u0d8eE+-.1 \n\t\0aNntrfalseI', max_size=24).map("{{{}".format),
), st.sampled_from(["", " ", ",", "\0", "}", "\x1e", '{"b":1}']))  # fmt: skip
@example('{"a":"\t\ud83d","a":NaN,"b":-Infinity,"c":[01]}', "")
@example('{"a":-0,"b":1e400,"c":18446744073709551616}', ",")
def test_objects_that_orjson_rejects_are_read_as_in_python(text: str, after: str) -> None:
    """An object that only Python's `json` accepts has the same fields, or is declined."""
    if not is_encodable(text):
        return
    shape, fields, problem = decode_payload(text + after)
    if is_valid(text + after):
        return  # read by value.rs
    try:
        found = texts().decode(text + after)
    except ValueError:
        return
    assert problem is None
    assert found == (shape, orjson.dumps(fields))


@given(st.integers(1, 3000))
def test_long_hostile_lines_end(length: int) -> None:
    """A text that makes an expression try all its ways is decided or declined, soon."""
    for sign in ("a=", "[a] ", "2026-11-23 10:00:00 ", '"\\', "a::", "GET /", "[", "{"):
        check(sign * length)
