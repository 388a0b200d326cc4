"""Traces that loggers write as lists or objects."""

from typing import Any

import pytest

from shipper_processors.trace_objects import MOST_TEXT, render_trace

CAUSE = {
    "exc_type": "KeyError",
    "exc_value": "'card'",
    "is_cause": True,
    "frames": [{"filename": "/a.py", "lineno": 1, "name": "f", "line": "x()"}],
}
RAISED = {
    "exc_type": "RuntimeError",
    "exc_value": "no",
    "exc_notes": ["note"],
    "frames": [{"filename": "/b.py", "lineno": 2, "name": "g"}],
}


def test_python_exceptions_are_rendered_as_python_prints_them() -> None:
    """The cause first; the exception that was finally raised names the failure."""
    rendered = render_trace([RAISED, CAUSE])
    assert rendered is not None
    assert rendered.text == (
        "Traceback (most recent call last):\n  File \"/a.py\", line 1, in f\n    x()\nKeyError: 'card'\n"
        "\nThe above exception was the direct cause of the following exception:\n\n"
        'Traceback (most recent call last):\n  File "/b.py", line 2, in g\nRuntimeError: no\nnote'
    )
    assert (rendered.type, rendered.message) == ("RuntimeError", "no")


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (["a.X: no", "at b.c(D.java:1)"], "a.X: no\n\tat b.c(D.java:1)", None),
        ([{"file": "a.js", "line": 3, "function": "f"}], "    at f(a.js:3)", None),
        ({"name": "Error", "message": "no", "stack": "Error: no\n    at f"}, "Error: no\n    at f", "Error"),
        ({"type": "E", "message": "no", "stack": "    at f\n    at g"}, "E: no\n    at f\n    at g", "E"),
        ({"exceptionType": "a.X", "message": "m", "frames": [{"class": "a.B", "method": "c", "line": 3}],
          "causedBy": {"exception": {"exceptionType": "b.Y", "message": "n", "frames": [{"class": "d.E", "method": "f", "line": 9}]}}},
         "a.X: m\n    at a.B.c(line 3)\nCaused by: b.Y: n\n    at d.E.f(line 9)", "a.X"),
        ({"class": "R", "message": "no", "trace": ["/a.php:9"], "previous": {"class": "L", "message": "x"}},
         "R: no\n/a.php:9\nCaused by: L: x", "R"),
        ({"type": "E", "message": "no"}, None, "E"),
    ],
)  # fmt: skip
def test_lists_and_objects_are_rendered(value: Any, text: str | None, kind: str | None) -> None:
    """With the frames and causes that they have."""
    rendered = render_trace(value)
    assert rendered is not None
    assert (rendered.text, rendered.type) == (text, kind)


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, [1, 2], {"a": 1}, [[]], [{"x": 1}]])
def test_other_values_are_no_trace(value: object) -> None:
    """Nothing is guessed."""
    assert render_trace(value) is None


def test_hostile_traces_are_bounded() -> None:
    """By causes, frames and characters."""
    nested: dict[str, Any] = {"type": "E", "stack": "x\n" + "y" * 300_000}
    for _ in range(200):
        nested = {"type": "E", "stack": "x\ny", "cause": nested}
    rendered = render_trace(nested)
    assert rendered is not None
    assert rendered.text is not None
    assert len(rendered.text) <= MOST_TEXT
