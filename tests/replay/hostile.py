"""Hostile logs, for segment borders at any place."""

import json
from collections.abc import Callable

from hypothesis import strategies as st

LINE_BYTES = 1024
"""Longest line of the tests' settings."""
TEXTS = st.sampled_from([
    "Traceback (most recent call last):", '  File "app.py", line 7, in visit', "ValueError: no such bed", "",
    "java.lang.IllegalStateException: down", "\tat com.clinic.App.main(App.java:3)", "Caused by: x.Y: z", "\r",
    "panic: nil map", "goroutine 1 [running]:", "main.main()", "started", "started", "ünïcode \u2028 line",
    'INFO:     10.0.0.1:5000 - "GET /api/v1/patients/7 HTTP/1.1" 200 OK', "x" * (2 * LINE_BYTES), "   ",
])  # fmt: skip
EVENTS = st.builds(
    lambda **fields: json.dumps({name: value for name, value in fields.items() if value is not None}),
    event=st.sampled_from(["login_failed", "prescription_created", "patient_created", "tick"]),
    correlation_id=st.sampled_from(["c-1", "c-2", None, "not allowed!"]),
    medication=st.sampled_from(["aspirin", "ibuprofen", "codeine", "morphine", "y" * 200, "tab\there", None]),
    duration_ms=st.sampled_from([1, 1.5, -1, None]),
    timestamp=st.sampled_from([None, "2026-11-22T23:59:59Z", "2026-11-23T00:00:01Z", "never"]),
)
MESSAGES = EVENTS | TEXTS | EVENTS.map(lambda text: text + "\r")
STREAMS = st.sampled_from(["stdout", "stderr"])
STEPS = st.sampled_from([0, 0, 0, 1, 400, 5000])
"""Milliseconds from a line to the next: none, so that parts and duplicates occur; few; too many for a stack trace."""
INVALID = st.sampled_from([b"\x00\xff rubbish", b"", b"{}", b'{"log":1}', b"z" * (2 * LINE_BYTES), b"\xef\xbb\xbf{"])
Line = Callable[[str, str, int, bool], bytes]


def moment(ms: int) -> str:
    """The runtime's time of a line."""
    return f"2026-11-23T00:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}000000Z"


def docker_line(text: str, stream: str, ms: int, whole: bool) -> bytes:
    """A line of Docker's json-file."""
    record = {"log": text + "\n" * whole, "stream": stream, "time": moment(ms)}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def cri_line(text: str, stream: str, ms: int, whole: bool) -> bytes:
    """A line of a CRI runtime."""
    return f"{moment(ms)} {stream} {'F' if whole else 'P'} {text}".encode()


def plain_line(text: str, _stream: str, _ms: int, _whole: bool) -> bytes:
    """A line of a plain file."""
    return text.encode()


WRITERS: dict[str, Line] = {"docker": docker_line, "cri": cri_line, "plain": plain_line}


@st.composite
def files(draw: st.DrawFn, kind: str) -> list[bytes]:
    """One to three files of a log, the oldest first: parts, traces and duplicates over streams and files."""
    write, ms = WRITERS[kind], 0
    lines: list[bytes] = []
    for _ in range(draw(st.integers(1, 24))):
        ms += draw(STEPS)
        if draw(st.integers(0, 9)) == 0:
            lines.append(draw(INVALID))
        elif lines and draw(st.integers(0, 6)) == 0:
            lines.append(lines[-draw(st.integers(1, min(3, len(lines))))])  # a duplicate, adjacent or not
        else:
            lines.append(write(draw(MESSAGES), draw(STREAMS), ms, draw(st.integers(0, 3)) > 0))
    cuts = sorted(draw(st.lists(st.integers(0, len(lines)), max_size=2)))
    parts = [lines[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    contents = [b"".join(line + b"\n" for line in part) for part in parts]
    return [data.removesuffix(b"\n") if draw(st.booleans()) else data for data in contents]
