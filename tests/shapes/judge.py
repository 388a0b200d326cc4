"""The comparison of stored documents with the truth, property by property."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from tests.shapes.agent_run import Stored
from tests.shapes.truth import Entry, Shape

Aspect = Literal[
    "stored", "one event", "time", "level", "message", "id", "logger", "status", "duration", "method", "path",
    "error type", "stack",
]  # fmt: skip
DEMANDS: Mapping[Aspect, int] = {"stored": 98, "time": 98, "level": 97, "message": 98, "id": 97, "stack": 95}
"""Percent of the events that ask for a property in which it must be right."""
PLAIN: Mapping[Aspect, tuple[str, str]] = {
    "level": ("level", "level"), "logger": ("logger", "logger"), "status": ("status_code", "status_code"),
    "method": ("method", "method"), "path": ("path", "path"), "error type": ("error_type", "error_type"),
}  # fmt: skip
"""Properties that must be equal: the key of the truth and the field of the document."""
NEAR = 0.01
"""Share by which a duration may differ, since it is written rounded."""
FRAME_NAMES = ("exc_type", "class", "name", "function", "method", "func")
"""Keys of a trace's types and functions, where it is logged as objects."""
NEARLY = 0.8
"""Share of the longest string's lines that another must have to be the same trace."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Verdict(NamedTuple):
    """One property of one event: what was asked for, and what the document holds."""

    shape: str
    line: str
    """The first line of the event."""
    aspect: Aspect
    right: bool
    asked: str
    got: str


def judge(shape: Shape, entry: Entry, stored: Sequence[Stored]) -> Iterator[Verdict]:
    """Yield a verdict for each property that the truth names. In the quarantine nothing else is right."""
    kept = next((one.body for one in stored if not one.quarantined), None)
    first = entry.lines[0]

    def verdict(name: Aspect, right: bool, asked: object, got: object) -> Verdict:
        return Verdict(shape.name, first, name, right, str(asked), "" if got is None else str(got))

    outcome = "stored" if kept else "quarantined" if stored else "no event of its own"
    yield verdict("stored", kept is not None, "stored", outcome + _reasons(stored))
    yield verdict("one event", len(stored) == 1, 1, len(stored))
    body, expect = kept or {}, entry.expect
    if shape.asks_time(entry):
        yield verdict("time", time_ms(body) == expect["time_ms"], expect["time_ms"], time_ms(body))
    for name, (key, field) in PLAIN.items():
        if key in expect:
            yield verdict(name, body.get(field) == expect[key], expect[key], body.get(field))
    if "message" in expect:
        message = str(body.get("message", ""))
        yield verdict("message", expect["message"] in COLOUR.sub("", message), expect["message"], message)
    if "correlation_id" in expect:
        ids = [body.get("correlation_id"), body.get("trace_id")]
        yield verdict("id", expect["correlation_id"] in ids, expect["correlation_id"], ids)
    if "duration" in expect:
        duration = body.get("duration_ms")
        near = isinstance(duration, int | float) and abs(duration - expect["duration"]) <= NEAR * expect["duration"]
        yield verdict("duration", near, expect["duration"], duration)
    if expect.get("stack"):
        lost = missing_lines(entry, body.get("exception"))
        lines = min(map(len, traces(entry)))
        yield verdict("stack", not lost, f"{lines} lines", f"without {len(lost)}: {lost[:2]}" if lost else "all")


def time_ms(body: Mapping[str, Any]) -> int | None:
    """Return a document's time in milliseconds since the epoch."""
    time = body.get("@timestamp")
    return None if time is None else round(datetime.fromisoformat(time).timestamp() * 1000)


def missing_lines(entry: Entry, exception: object) -> list[str]:
    """Return the lines of an entry's trace that are not under `exception`."""
    text = COLOUR.sub("", exception) if isinstance(exception, str) else ""
    return min(([line for line in lines if line not in text] for lines in traces(entry)), key=len)


def traces(entry: Entry) -> list[list[str]]:
    """Return the lines of a trace, without blanks around them: those after the first, or those of a string in JSON.

    Some loggers write a trace twice, once below the message: each of the longest strings is the trace.
    """
    if len(entry.lines) > 1:
        return [_stripped(entry.lines[1:])]
    parsed = _parsed(entry.lines[0])
    texts = [text for text in _strings(parsed) if "\n" in text]
    if not texts:
        return [_stripped(_frames(parsed))]
    most = max(text.count("\n") for text in texts)
    return [_stripped(text.splitlines()) for text in texts if text.count("\n") >= NEARLY * most]


def _stripped(lines: Iterable[str]) -> list[str]:
    return [stripped for line in lines if (stripped := COLOUR.sub("", line).strip())]


def _parsed(line: str) -> Any:
    """Return the JSON value of a line, also behind a prefix; the line itself if there is none."""
    for start in (0, line.find("{")):
        try:
            return json.loads(line[max(start, 0) :])
        except ValueError:
            continue
    return line


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _frames(value: Any) -> list[str]:
    """Return the names of types and functions in a trace that is logged as objects."""
    names: list[str] = []
    if isinstance(value, list):
        return [name for inner in value for name in _frames(inner)]
    if isinstance(value, dict):
        is_frame = {"exc_type", "frames"} <= value.keys() or any(
            key in value for key in ("lineno", "line", "lineNumber", "source")
        )
        names += [str(value[key]) for key in FRAME_NAMES if is_frame and isinstance(value.get(key), str)]
        names += [name for inner in value.values() for name in _frames(inner)]
    return names


def _reasons(stored: Sequence[Stored]) -> str:
    reasons = [str(reason["kind"]) for one in stored if one.quarantined for reason in one.body.get("reasons", [])]
    return f": {', '.join(reasons)}" if reasons else ""
