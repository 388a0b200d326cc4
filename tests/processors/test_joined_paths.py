"""The native path beside lines that are cleaned or joined: the same results as the Python path."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper_processors import fast_path
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
@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(st.tuples(st.sampled_from(JOINED), st.sampled_from(["stdout", "stderr"])), min_size=1, max_size=12)
)
def test_lines_that_are_cleaned_or_joined(kind: str, lines: list[tuple[str, str]]) -> None:
    """An ordinary line beside a held text, and a line with what is dropped, are the same on both paths."""
    chunk = b"".join(WRAPPED[kind](text, stream) for text, stream in lines)
    damaged = [b"\0\0" + chunk, chunk.replace(b'"log":"2026', b'"log":"{"log":"2026')]
    same([chunk, *damaged], kind=kind)
    same([chunk[: chunk.find(b"\n") + 1], chunk[chunk.find(b"\n") + 1 :]], kind=kind)
