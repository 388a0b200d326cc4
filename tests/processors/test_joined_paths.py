"""The native path beside lines that are cleaned or joined: the same results as the Python path."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors import fast_path
from tests.examples import examples
from tests.processors.both_paths import cri, docker, same

if fast_path.native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

WRAPPED = {"docker": docker, "cri": cri}


@pytest.fixture(autouse=True, scope="module")
def no_skipped_lines() -> Iterator[None]:
    """Try the native path for each line, however many lines before it took the Python path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shipper_processors.assemble.MOST_PYTHON_LINES", 1)
        yield


JOINED = [
    "Starting", '  {"event":"login_failed"}', '{"event":"login_failed","correlation_id":"c-1","level":"info","message":"m"}',
    '\x1b[0m{"event":"login_failed"}\x1b[0m', '{"event":"login_failed"}\r', '\ufeff{"event":"login_failed"}', '\0{"a":1}',
    "{", '  "a": 1', "}", '{"a":1,', "2026-11-23 10:00:00 ERROR failed", "java.lang.IllegalStateException: no",
    "\tat a.B.c(B.java:1)", 'INFO:     10.0.0.1:0 - "GET /x HTTP/1.1" 500 Internal Server Error', "\x1b[31m", " 1%\r 2%",
    "Traceback (most recent call last):", "ValueError: x", '{"event":"e","message":"\x1b[31m"}', "x" * 16384, "",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["docker", "cri"])
@examples(8)
@given(
    lines=st.lists(st.tuples(st.sampled_from(JOINED), st.sampled_from(["stdout", "stderr"])), min_size=1, max_size=12)
)
def test_lines_that_are_cleaned_or_joined(kind: str, lines: list[tuple[str, str]]) -> None:
    """An ordinary line beside a held text, and a line with what is dropped, are the same on both paths."""
    chunk = b"".join(WRAPPED[kind](text, stream) for text, stream in lines)
    damaged = [b"\0\0" + chunk, chunk.replace(b'"log":"2026', b'"log":"{"log":"2026')]
    same([chunk, *damaged], kind=kind)
    same([chunk[: chunk.find(b"\n") + 1], chunk[chunk.find(b"\n") + 1 :]], kind=kind)


HEADS = [
    "10:00:00 INFO app: started",
    "WARN  app - slow",
    "2026-11-23 10:00:00 INFO app: started",
    "2026-11-23 10:00:00,123 ERROR app: failed",
    "plain words",
    "level=info msg=ready",
    "Nov 23 10:00:00 host app[1]: connection closed",
    "[2026-11-23 10:00:00] [INFO] ready",
    "connection terminated",
    "ERROR: it broke",
    "10.0.0.1 is up",
    'INFO:     10.0.0.1:5 - "GET /x HTTP/1.1" 200 OK',
    '10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET /x HTTP/1.1" 200 5 "-" "-"',
    '{"event":"e","correlation_id":"c-1","level":"info","message":"m"}',
    '{"event":"e","correlation_id":"c-1","user":{"a":[1]}}',
]
TRACE = [
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in f',
    "    call()",
    "ValueError: no",
    "java.lang.IllegalStateException: no",
    "\tat a.B.c(B.java:1)",
    "Caused by: a.b.CException: x",
    "\t... 3 more",
    "panic: no",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/srv/main.go:3 +0x1d",
    "Error: no",
    "    at f (/srv/a.js:1:2)",
    "SELECT 1",
    "State: x",
    "",
    "  ",
    "  indented",
    "x" * 16384,
]
STAMPS = ["2026-11-23T10:00:00.25Z"] * 6 + [
    "2026-11-23T10:00:00.5Z",
    "2026-11-23T10:00:03Z",
    "2026-11-24T00:00:00.1Z",
    "bad",
]


@st.composite
def interleaved(draw: st.DrawFn, kind: str) -> list[bytes]:
    """Draw chunks of lines of both streams: texts, traces, objects, access lines, parts, and lines that are no record."""
    lines = []
    for _ in range(draw(st.integers(1, 16))):
        text = draw(
            st.one_of(st.sampled_from(HEADS), st.sampled_from(HEADS), st.sampled_from(TRACE), st.sampled_from(JOINED))
        )
        stream = draw(st.sampled_from(["stdout"] * 5 + ["stderr"]))
        line = WRAPPED[kind](text, stream, draw(st.sampled_from(STAMPS)))
        garble = draw(st.sampled_from([None] * 20 + ["part", "raw", "crlf"]))
        if garble == "part":
            line = line.replace(b'\\n","stream', b'","stream') if kind == "docker" else line.replace(b" F ", b" P ", 1)
        elif garble == "raw":
            line = b"\xff" + line
        elif garble == "crlf":
            line = (
                line.replace(b'\\n","stream', b'\\r\\n","stream') if kind == "docker" else line.replace(b"\n", b"\r\n")
            )
        lines += [line] * draw(st.sampled_from([1, 1, 1, 2]))
    cuts = sorted(draw(st.sets(st.integers(1, len(lines)), max_size=3)))
    return [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True) if a < b]


@pytest.mark.parametrize("kind", ["docker", "cri"])
@examples(12)
@given(data=st.data())
def test_texts_and_traces_of_both_streams(kind: str, data: st.DataObject) -> None:
    """Cut anywhere: the same entries, in the same order within an index, and the same partial state."""
    same(data.draw(interleaved(kind)), kind=kind)


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_texts_take_the_native_path(kind: str) -> None:
    """All but the last of a chunk, which a line of the next one may continue."""
    lines = [WRAPPED[kind](f"10:00:00,123 INFO app: task {number} done") for number in range(40)]
    assert same([b"".join(lines[:20]), b"".join(lines[20:])], kind=kind) == len(lines) - 2


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_lines_after_a_trace_take_the_native_path(monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """A trace takes the Python path, with the lines beside it; the other stream does not wait for it."""
    monkeypatch.setattr("shipper_processors.assemble.MOST_PYTHON_LINES", 64)
    trace = ["10:00:00 ERROR app: failed", *TRACE[:3], '  File "y.py", line 2, in g', "    raise", "ValueError: no"]
    before = [docker(f"10:00:00 INFO app: task {number} done") for number in range(20)]
    after = [docker(f"10:00:00 INFO app: task {number} begun", stream) for number in range(40)]
    lines = [*before, *(docker(line) for line in trace), *after]
    assert same([b"".join(lines)]) >= len(before) + len(after) - 3


def test_streams_that_alternate_take_the_native_path() -> None:
    """A text is complete when the next line of its own stream is there; the entries between are before it."""
    access = 'INFO:     10.0.0.1:5 - "GET /x HTTP/1.1" 200 OK'
    texts = [(access, "stdout") if number % 3 else (f"INFO app: task {number}", "stderr") for number in range(30)]
    assert same([b"".join(docker(*text) for text in texts)]) == len(texts) - 2
