"""Which texts are complete, in the extension: never a text that a grammar of Python would continue."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.fast_path import native
from shipper_processors.stack_traces import Trace, can_be_continued
from tests.processors.test_joined_paths import JOINED
from tests.processors.test_stack_traces import LOOK_ALIKES, TRACES

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

LINES = sorted(
    {line for trace, *_ in TRACES.values() for line in trace.split("\n")}
    | {line for lines in LOOK_ALIKES for line in lines}
    | set(JOINED)
)
PIECES = ["Error", "Error:", "Caused by: ", ".", " ", "{", "[", ",", ":", "panic: ", "main.go", "Nov 30, 2026 11:37:18 AM a.b", "1/2/26 11:37:18 a b", "\u0663", "SELECT",
          "from a:1:in `b'", "#0 ", "terminated", "State: x", "** (E) x", "goroutine 1 [", "Stacktrace:", "\u017ftack trace:", "\x1c", "\u3000", "é", "at x (y:1)"]  # fmt: skip
lines = st.one_of(
    st.sampled_from(LINES),
    st.sampled_from(LINES),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join),
    st.builds(lambda line, place, piece: line[:place] + piece + line[place:], st.sampled_from(LINES), st.integers(0, 20), st.sampled_from(PIECES)),
    st.text(alphabet="aE.:{}[], \t1-/\u0663#", max_size=12),
).map(lambda line: line.replace("\n", " "))  # fmt: skip


@given(lines)
@example("{,\x1c")
def test_a_text_that_nothing_continues_is_none_of_pythons(line: str) -> None:
    """Blank texts and whole objects are entries at once; access lines are known by their own decoder."""
    if native.parts.is_never_continued(line):
        assert not can_be_continued(line)
    elif not can_be_continued(line):
        assert not line.lstrip().startswith("{")  # an access line


@given(lines, lines)
@example("x terminated", "State: x")
@example("1\u0663/11/26 11:37:18 a.b c", "INFO: x")
@example("Stack trace", "PHP Stack trace: x")
def test_a_line_that_ends_a_text_continues_none_in_python(head: str, line: str) -> None:
    """Whatever the grammars: the state of the head is that of plain text, and the line is not accepted."""
    if native.parts.is_plain_head(head) and not native.parts.is_never_continued(head):
        trace = Trace(head)
        assert trace._state == "head"
        if native.parts.ends(head, line):
            assert trace.offer(line) == "no"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("2026-11-30 11:37:18 INFO started", "2026-11-30 11:37:19 INFO stopped"),
        ("plain words", "other words"),
        ("Nov 30 11:37:18 host app[1]: started", "Nov 30 11:37:18 host app[1]: connection closed"),
        ("[2026-11-30 11:37:18] INFO started", "[2026-11-30 11:37:18] INFO stopped"),
        ("level=info msg=started", 'level=info msg="is ready"'),
        ("INFO:     Application startup complete.", 'INFO:     10.0.0.1:5 - "GET / HTTP/1.1" 200 OK'),
        ("10.0.0.1 is up", '{"event":"x"}'),
    ],
)
def test_usual_lines_are_complete(head: str, line: str) -> None:
    """The lines of most logs: the speed depends on it."""
    assert native.parts.is_plain_head(head)
    assert native.parts.ends(head, line)


def test_the_first_lines_of_traces_are_left_to_python() -> None:
    """Each line of each trace after the line before it is continued, or is not claimed to end it."""
    for trace, *_ in TRACES.values():
        before, *rest = trace.split("\n")
        for line in rest:
            if native.parts.is_plain_head(before) and native.parts.ends(before, line):
                assert Trace(before).offer(line) == "no"
            before = line
