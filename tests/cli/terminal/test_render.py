"""Documents rendered on a terminal and in a pipe."""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from shipper.cli.terminal.render import render_json, render_table, render_timeline
from shipper.presentation.format import span
from shipper.presentation.timeline import offset

Body = dict[str, Any]
Render = Callable[[Iterable[Body], Console], int]
RENDERERS: tuple[Render, ...] = (render_table, render_json, render_timeline)
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u200b\u2028\x7f"


def shown(
    render: Render, entries: Iterable[Body], *, width: int = 80, terminal: bool = False, encoding: str = "utf-8"
) -> str:
    """Return the output of `render`; without colours, so that tests see the text."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    render(entries, Console(file=file, width=width, force_terminal=terminal, color_system=None, highlight=False))
    file.seek(0)
    return file.read()


def entry(time: str, event: str, level: str = "info", service: str = "backend", **fields: Any) -> Body:
    """Return an entry of one request."""
    return {
        "@timestamp": f"2026-11-23T22:00:{time}Z", "level": level, "correlation_id": "abc-123", "event": event,
        **fields, "service": {"name": service},
    }  # fmt: skip


def trace(frames: int) -> str:
    """Return a stack trace with two lines per frame and two more."""
    calls = (f'  File "/app/s.py", line {number}, in call_{number}\n    step({number})' for number in range(frames))
    return "\n".join(["Traceback (most recent call last):", *calls, "ValueError: no"])


def request() -> list[Body]:
    """Return the entries of a request that failed in the worker."""
    return [
        entry("00.001", "request_start", method="POST", path="/api/v1/patients/"),
        entry("00.046", "patient_created", duration_ms=38.2, message="Patient created successfully"),
        entry("00.112", "cache_miss", "warning", "worker"),
        entry("01.180", "index_failed", "error", "worker", duration_ms=1031.5, error_type="ValueError",
              error_message="no", exception=trace(33)),
        entry("01.245", "request_complete", status_code=500, duration_ms=1244, method="POST", path="/api/v1/patients/"),
    ]  # fmt: skip


TIMELINE = """\
correlation id abc-123
2026-11-23 22:00:00.001 UTC | span 1.24s | 5 entries | backend, worker

  +0.000s  o            info  backend request_start    POST /api/v1/patients/
  +0.045s  =            info  backend patient_created  38ms Patient created successfully
  +0.111s   o           WARN  worker  cache_miss
          : 1.07s without an entry
  +1.179s ! ==========  ERROR worker  index_failed     1.03s ValueError: no
            Traceback (most recent call last):
              File "/app/s.py", line 0, in call_0
            ... 61 more lines (--format json shows all)
              File "/app/s.py", line 31, in call_31
                step(31)
              File "/app/s.py", line 32, in call_32
                step(32)
            ValueError: no
  +1.244s !============ info  backend request_complete 500 1.24s POST /api/v1/patients/

2 errors, the first at +1.179s in worker: index_failed (ValueError: no)
"""


def test_the_timeline_of_a_failed_request() -> None:
    """In a pipe it is complete, in ASCII."""
    assert shown(render_timeline, request()) == TIMELINE


TERMINAL_TIMELINE = """\
correlation id abc-123
2026-11-23 22:00:00.001 UTC · span 1.24s · 5 entries · backend, worker

  +0.000s  •            info  backend request_start    POST /api/v1/patients/
  +0.045s  ━            info  backend patient_created  38ms Patient created suc…
  +0.111s   •           WARN  worker  cache_miss
          ┊ 1.07s without an entry
  +1.179s ! ━━━━━━━━━━  ERROR worker  index_failed     1.03s ValueError: no
            Traceback (most recent call last):
              File "/app/s.py", line 0, in call_0
            … 61 more lines (--format json shows all)
              File "/app/s.py", line 31, in call_31
                step(31)
              File "/app/s.py", line 32, in call_32
                step(32)
            ValueError: no
  +1.244s !━━━━━━━━━━━━ info  backend request_complete 500 1.24s
            POST /api/v1/patients/

2 errors, the first at +1.179s in worker: index_failed (ValueError: no)
"""


def test_the_timeline_on_a_terminal_of_80_columns() -> None:
    """Drawn with Unicode, cut to the screen, errors in full."""
    assert shown(render_timeline, request(), terminal=True) == TERMINAL_TIMELINE


def test_columns_are_aligned_for_any_duration() -> None:
    """Long offsets and wide characters get the space they need."""
    entries = [entry("00.000", "予約", service="薬局サービス"), entry("00.100", "done"),
               {**entry("00.000", "late"), "@timestamp": "2026-11-24T18:00:00.000Z"}]  # fmt: skip
    lines = [line for line in shown(render_timeline, entries, width=80, terminal=True).splitlines() if "info" in line]
    assert {cell_len(line.partition("info")[0]) for line in lines} == {cell_len(lines[0].partition("info")[0])}
    assert len(lines) == 3
    assert "薬局サービス" in lines[0]


def test_a_small_screen_keeps_event_and_summary() -> None:
    """Bars, sources and durations are omitted."""
    text = shown(render_timeline, request(), width=44, terminal=True)
    assert "  +0.045s  info  patient_created  Pati" in text
    assert "WARN  cache_miss" in text


def test_a_short_stack_trace_is_shown_whole() -> None:
    """Up to eight lines are not folded."""
    text = shown(render_timeline, [entry("00.000", "e", "error", exception=trace(3))])
    assert "more lines" not in text
    assert text.count("step(") == 3


def test_a_timeline_without_errors_says_so() -> None:
    """The verdict is always shown, a gap only if it stands out."""
    text = shown(render_timeline, [entry(f"0{second}.000", "tick") for second in range(5)])
    assert text.endswith("\nNo errors.\n")
    assert "without an entry" not in text


def test_a_single_entry_starts_at_the_start_of_its_work() -> None:
    """An entry is written when the work is done: one of 40 ms ends at +0.040s."""
    text = shown(render_timeline, [entry("00.040", "done", duration_ms=40)])
    assert "2026-11-23 22:00:00.000 UTC | span 40ms | 1 entry | backend" in text
    assert "  +0.040s  ============ info" in text


TABLE = """\
── 2026-11-23 UTC ────────────────────────────────────────────────────────
22:00:00.001  info   backend  request_start                 POST /api/v1/patien…
22:00:00.046  info   backend  patient_created         38ms  Patient created suc…
22:00:00.112  WARN   worker   cache_miss
22:00:01.180  ERROR  worker   index_failed           1.03s  ValueError: no
22:00:01.245  info   backend  request_complete  500  1.24s  POST /api/v1/patien…
"""


def test_the_table_on_a_terminal_of_80_columns() -> None:
    """One line per entry, aligned columns, the day once."""
    assert shown(render_table, request(), terminal=True) == TABLE


def test_the_table_in_a_pipe_is_complete() -> None:
    """Full times and summaries, at any reported width."""
    lines = shown(render_table, request()).splitlines()
    assert len(lines) == 5
    assert (
        lines[1]
        == "2026-11-23T22:00:00.046Z  info   backend  patient_created         38ms  Patient created successfully"
    )


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("render", [render_table, render_timeline])
def test_no_line_is_wider_than_the_terminal(render: Render, width: int) -> None:
    """Nothing wraps, also with wide characters; only the verdict may exceed the screen."""
    wide = [entry("02.000", "x" * 90, service="s" * 50, message="日本語" * 60), *request()]
    lines = shown(render, wide, width=width, terminal=True).splitlines()
    assert max(cell_len(line) for line in (lines[:-1] if render is render_timeline else lines)) <= width


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_bytes_of_a_log_are_escaped(render: Render, *, terminal: bool) -> None:
    """In every field, escape sequences are shown as text."""
    names = (
        "event",
        "level",
        "message",
        "error_type",
        "error_message",
        "exception",
        "path",
        "method",
        "correlation_id",
    )
    hostile: Body = dict.fromkeys(names, f"a{HOSTILE}\nb{HOSTILE}")
    hostile |= {"@timestamp": HOSTILE, "status_code": HOSTILE, "duration_ms": HOSTILE, "service": {"name": HOSTILE}}
    text = shown(render, [hostile], width=400, terminal=terminal)
    assert not set(text) & set(HOSTILE) - set("]0;owned[2J31m")


def test_json_is_exact() -> None:
    """The output parses back unchanged, hostile characters included, one document per line."""
    entries = [
        {**entry("00.000", "e"), "message": f"é{HOSTILE}\n", "number": 1.5, "extra": {"a": [1, None, True]}},
        entry("00.001", "f"),
    ]
    lines = shown(render_json, entries).splitlines()
    assert [json.loads(line) for line in lines] == entries


@pytest.mark.parametrize("render", RENDERERS)
def test_an_ascii_terminal_gets_ascii(render: Render) -> None:
    """Without Unicode, output neither fails nor loses characters."""
    text = shown(render, [entry("00.000", "e", message="日本")], terminal=True, encoding="ascii")
    assert r"\u65e5\u672c" in text


def test_only_terminals_get_colours() -> None:
    """A terminal gets styles, a pipe plain text."""
    for terminal in (True, False):
        file = io.StringIO()
        render_table(
            request(),
            Console(file=file, width=80, force_terminal=terminal, color_system="standard" if terminal else None),
        )
        assert ("\x1b[" in file.getvalue()) is terminal


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.04, "0.0ms"), (0.3, "0.3ms"), (45.2, "45ms"), (999.4, "999ms"), (999.6, "1.00s"), (59_994, "59.99s"),
     (59_996, "1m00s"), (123_000, "2m03s"), (3_900_000, "1h05m"), (273_600_000, "3d04h")],
)  # fmt: skip
def test_spans_are_short_and_never_misleading(ms: float, text: str) -> None:
    """At most seven characters, with a suitable unit."""
    assert span(ms) == text


def test_offsets_count_from_the_beginning() -> None:
    """Always with milliseconds; minutes and hours only if present; never 60 seconds or minutes."""
    assert [offset(ms) for ms in (0, 45, 59_999, 123_500)] == ["+0.000s", "+0.045s", "+59.999s", "+2m03.500s"]
    assert [offset(ms) for ms in (119_999.7, 72_123_004)] == ["+2m00.000s", "+20h02m03.004s"]


def test_entries_of_an_id_that_is_unique_only_in_a_container_are_shown_by_container() -> None:
    """Each container has its own timeline and verdict; a sentence says why."""
    local = {"correlation_id": "7", "correlation_scope": "local"}
    entries = [
        entry("00.001", "start", container={"id": "a" * 12, "name": "app-a"}, **local),
        entry("00.046", "other_start", container={"id": "b" * 12, "name": "app-b"}, **local),
        entry("00.112", "failed", "error", container={"id": "a" * 12, "name": "app-a"}, **local),
    ]
    lines = shown(render_timeline, entries).splitlines()
    assert lines[0].startswith("This id is counted up by one process")
    heads = [place for place, line in enumerate(lines) if line.startswith("correlation id 7 in container app-")]
    assert [lines[place].rsplit(" ", 1)[1] for place in heads] == ["app-a", "app-b"]
    assert "failed" in "\n".join(lines[heads[0] : heads[1]])
    assert "other_start" in "\n".join(lines[heads[1] :])
    assert lines[-1] == "No errors."


def test_a_search_by_trace_id_is_headed_by_it() -> None:
    """Its requests have ids of their own."""
    entries = [entry("00.001", "a", trace_id="4bf92f"), entry("00.002", "b", trace_id="4bf92f")]
    entries[1]["correlation_id"] = "other"
    assert shown(render_timeline, entries).startswith("trace id 4bf92f\n")
