"""Stack traces are joined whole, and nothing else is joined. The corpus contains real output of the four runtimes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.stack_traces import Trace, can_be_continued, summary

CORPUS = Path(__file__).parents[1] / "golden" / "traces"
BEFORE, AFTER = "INFO:     Started server process [1]", "INFO:     Application startup complete."
REQUEST = 'INFO:     10.0.0.1:0 - "GET /x HTTP/1.1" 500 Internal Server Error'
EXCEPTIONS = {
    "python_chain": {"error_type": "ValueError", "error_message": "1 validation error for X"},
    "python_group": {"error_type": "LookupError", "error_message": "nothing to show"},
    "java_cause": {"error_type": "java.lang.IllegalStateException", "error_message": "bad unit"},
    "go_panic": {"error_type": "panic", "error_message": "assignment to entry in nil map"},
    "node_error": {"error_type": "TypeError", "error_message": "bad unit"},
}


def grouped(lines: list[str]) -> list[str]:
    """Join lines as an assembler does, without limits."""
    groups: list[list[str]] = []
    trace: Trace | None = None
    for line in lines:
        if trace is not None and trace.accepts(line):
            groups[-1].append(line)
            continue
        groups.append([line])
        trace = Trace(line) if can_be_continued(line) else None
    return ["\n".join(group).rstrip("\n") for group in groups]


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_a_real_trace_is_one_entry(name: str) -> None:
    """Between ordinary lines, the trace is joined from its first line to its last."""
    text = (CORPUS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    assert grouped([BEFORE, REQUEST, *text.split("\n"), AFTER]) == [BEFORE, REQUEST, text, AFTER]


@pytest.mark.parametrize("name", ["python_chain", "python_group"])
def test_a_trace_joins_the_line_that_announces_it(name: str) -> None:
    """`ERROR:    Exception in ASGI application` and the trace after it are one event."""
    text = (CORPUS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    head = "ERROR:    Exception in ASGI application"
    assert grouped([head, *text.split("\n"), AFTER]) == [f"{head}\n{text}", AFTER]


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_the_exception_is_named(name: str) -> None:
    """Its type and message are those of the exception that was finally reported."""
    assert summary((CORPUS / f"{name}.txt").read_text(encoding="utf-8")) == EXCEPTIONS[name]


PYDANTIC = """Traceback (most recent call last):
  File "/app/x.py", line 1, in f
pydantic_core._pydantic_core.ValidationError: 2 validation errors for Patient
name
  Field required [type=missing, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.12/v/missing
age
  Input should be a valid integer [type=int_parsing]"""
SQLALCHEMY = """Traceback (most recent call last):
  File "/app/x.py", line 1, in f
sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate key value
DETAIL:  Key (id)=(7) already exists.

[SQL: INSERT INTO patient (id) VALUES (%(id)s)]
[parameters: {'id': 7}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)"""
VALIDATION = """Request validation error: 1 error
  - body.name
  - field required

  input: {}"""
BARE = """Traceback (most recent call last):
  File "/app/x.py", line 1, in f
KeyboardInterrupt"""


@pytest.mark.parametrize("text", [PYDANTIC, SQLALCHEMY, BARE])
def test_messages_of_several_lines_belong_to_their_exception(text: str) -> None:
    """Pydantic's fields, SQLAlchemy's statement and parameters, and an exception without a message are joined."""
    assert grouped([BEFORE, *text.split("\n"), AFTER]) == [BEFORE, text, AFTER]


def test_indented_lines_belong_to_the_line_before() -> None:
    """A message with continuation lines is one event."""
    assert grouped([*VALIDATION.split("\n")[:3], AFTER]) == ["\n".join(VALIDATION.split("\n")[:3]), AFTER]


def test_ordinary_lines_stay_apart() -> None:
    """Two log lines are two events, whatever they begin with."""
    lines = [BEFORE, AFTER, "hello", "ValueError: just a line", "[2026-11-24 00:12:05 +0000] [1] [INFO] x"]
    assert grouped(lines) == lines


def test_a_record_ends_a_trace() -> None:
    """Level prefixes, JSON objects and access lines end a trace."""
    trace = BARE.split("\n")
    for line in (AFTER, REQUEST, '{"event":"e"}', "2026-11-24 00:12:05,123 ERROR y"):
        assert grouped([*trace, line]) == [BARE, line]


def test_a_torn_trace_does_not_swallow_the_log() -> None:
    """A trace whose end is missing ends at the next record."""
    torn = BARE.split("\n")[:2]
    assert grouped([*torn, AFTER, BEFORE]) == ["\n".join(torn), AFTER, BEFORE]


def test_plain_text_is_no_stack_trace() -> None:
    """Ordinary text gives no exception."""
    assert summary("hello\nworld") is None
    assert summary("Request validation error: x\n  - y") is None


@given(st.lists(st.text(max_size=30), min_size=1, max_size=20))
def test_grouping_keeps_every_line_in_order(lines: list[str]) -> None:
    """No line is lost or moved."""
    flat = [line.replace("\n", " ") for line in lines]
    joined = "\n".join(grouped(flat)).replace("\n", "")
    assert joined == "".join(flat)


@pytest.mark.timeout(20)
def test_long_hostile_traces_take_linear_time() -> None:
    """Ten thousand lines, and lines of a megabyte, take linear time."""
    lines = ["Traceback (most recent call last):", *["  x"] * 10_000, "a." * 500_000, "A" * 1_000_000, "(" * 1_000_000]
    grouped(lines)
    summary("\n".join(lines))
