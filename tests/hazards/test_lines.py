"""Lines that runtimes split, applications garble, and clients inject."""

import json
from pathlib import Path

import pytest

from shipper.inputs.files.limits import Limits
from shipper_processors.assemble import Bounds
from shipper_processors.redact import LONGEST_END
from tests.hazards.rig import Rig, docker_line

PART = 16_384


def parts(text: str, stream: str, at: int) -> list[bytes]:
    """Return a message as Docker splits it: all parts with one time, only the last with a newline."""
    parts = [text[i : i + PART] for i in range(0, len(text), PART)]
    return [docker_line(part, stream, at) for part in parts[:-1]] + [docker_line(parts[-1] + "\n", stream, at)]


def cri_parts(text: str, stream: str, second: int) -> list[bytes]:
    """Return a message as the CRI splits it: tag P, and F for the last part."""
    parts = [text[i : i + PART] for i in range(0, len(text), PART)]
    tags = ["P"] * (len(parts) - 1) + ["F"]
    return [
        f"2026-11-23T10:00:{second:02d}.{number:09d}Z {stream} {tag} {part}\n".encode()
        for number, (tag, part) in enumerate(zip(tags, parts, strict=True))
    ]


def interleaved(left: list[bytes], right: list[bytes]) -> bytes:
    """Return lines of both, alternating."""
    longest = max(len(left), len(right))
    return b"".join(b"".join(pair) for pair in zip(left + [b""] * longest, right + [b""] * longest, strict=False))


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_partials_of_both_streams_are_joined_apart(tmp_path: Path, kind: str) -> None:
    """40 KiB messages with interleaved parts come out whole, one event each."""
    rig = Rig(tmp_path, kind=kind)
    out, err = rig.entry(big="o" * 40_000), rig.entry(big="e" * 40_000)
    split = parts if kind == "docker" else cri_parts
    rig.write(interleaved(split(out, "stdout", 1), split(err, "stderr", 2)))
    rig.read()
    assert rig.serials() == [1, 2]
    assert {body["extra"]["big"][0] for body in rig.output.stored.values()} == {"o", "e"}
    assert rig.counter("shipper_lines_total", "indexed") == 6


def test_old_partials_are_joined_over_the_reads_of_a_long_file(tmp_path: Path) -> None:
    """Waiting times apply only at the end of a file: a backlog of any age is joined as it was written."""
    rig = Rig(tmp_path, limits=Limits(chunk_bytes=20_000))
    rig.clock.wall += 86_400 * 10**9
    for _ in range(5):
        rig.write(b"".join(parts(rig.entry(big="x" * 40_000), "stdout", rig.sequence)))
    rig.read()
    assert rig.serials() == [1, 2, 3, 4, 5]


def test_partials_on_both_sides_of_a_rotation(tmp_path: Path) -> None:
    """A message that begins in the old file and ends in the new one is one event."""
    rig = Rig(tmp_path)
    first, second, third = parts(rig.entry(big="x" * 40_000), "stdout", 1)
    rig.write(first)
    rig.read()
    rig.write(second)
    rig.rotate()
    rig.write(third)
    rig.read(2)
    assert rig.serials() == [1]
    assert len(next(iter(rig.output.stored.values()))["extra"]["big"]) == 40_000


def test_partials_survive_a_kill_between_them(tmp_path: Path) -> None:
    """The part of a message that was read is saved in the checkpoint."""
    rig = Rig(tmp_path)
    first, second, third = parts(rig.entry(big="x" * 40_000), "stdout", 1)
    rig.write(first)
    rig.read()
    rig.kill()
    rig.write(second)
    rig.start()
    rig.read()
    rig.kill()
    rig.write(third)
    rig.start()
    rig.read()
    assert rig.serials() == [1]
    assert rig.counter("shipper_lines_read_total") == 3


def test_partial_whose_end_never_comes_is_shipped_after_its_waiting_time(tmp_path: Path) -> None:
    """Half a message of a container that died is an event, and does not include later lines."""
    rig = Rig(tmp_path)
    rig.write(docker_line("cut off here", at=1))
    rig.read()
    assert rig.messages() == []
    rig.drain()
    assert rig.messages() == ["cut off here"]
    rig.write(docker_line("no newline", at=9000) + rig.lines(1))
    rig.read()
    rig.drain()
    assert rig.messages() == ["cut off here", "no newline", "1"] or sorted(rig.messages()) == [
        "1",
        "cut off here",
        "no newline",
    ]


def test_message_over_the_bound_is_cut_with_a_note(tmp_path: Path) -> None:
    """Parts are joined up to a limit: the rest is cut off, noted and counted; the next message is whole."""
    rig = Rig(tmp_path, bounds=Bounds(message_bytes=30_000))
    rig.write(b"".join(parts("x" * 100_000, "stdout", 1)) + rig.lines(1))
    rig.read()
    rig.drain()
    long = next(body for body in rig.output.stored.values() if body["event"] == "unstructured")
    assert len(long["message"]) == 30_000 - LONGEST_END  # the word at the cut might be half a secret
    assert long["schema"]["errors"][0]["kind"] == "line_cut"
    assert rig.counter("shipper_violations_total", "line_cut") == 1
    assert rig.serials_of_entries() == [1]


def test_line_over_the_bound_is_cut_and_what_follows_is_read(tmp_path: Path) -> None:
    """The beginning of a line that exceeds the memory limit is kept."""
    rig = Rig(tmp_path, kind="plain", limits=Limits(chunk_bytes=4096, line_bytes=10_000))
    rig.write(rig.lines(1) + b"y" * 50_000)
    rig.read()
    assert rig.serials_of_entries() == [1]
    rig.write(b"y" * 5_000 + b"\n" + rig.lines(1))
    rig.read()
    assert rig.serials_of_entries() == [1, 2]
    cut = next(body for body in rig.output.stored.values() if body.get("schema"))
    assert len(cut["message"]) == 10_000 - LONGEST_END
    assert "55000 bytes" in cut["schema"]["errors"][0]["detail"]


def test_identical_neighbours_stay_two_events(tmp_path: Path) -> None:
    """Two byte-identical lines are two events, also with a kill between them and across a rotation."""
    rig = Rig(tmp_path)
    line = docker_line(rig.entry() + "\n")
    rig.write(line * 2)
    rig.read()
    rig.kill()
    rig.write(line)
    rig.start()
    rig.read()
    rig.rotate()
    rig.write(line)
    rig.read()
    assert rig.serials() == [1, 1, 1, 1]


HOSTILE = {
    "invalid UTF-8": b'{"log":"{\\"correlation_id\\":\\"a\\",\\"message\\":\\"\xff\xfe\\"}\\n","stream":"stdout","time":"2026-11-23T10:00:00Z"}\n',
    "NUL": docker_line('{"correlation_id":"a","message":"x\\u0000y"}\n'),
    "raw NUL": docker_line("a\0\0b\0\0\0\n"),
    "NULs before a record": b"\0\0\0\0" + docker_line('{"correlation_id":"a","message":"m"}\n'),
    "byte order mark": docker_line('\ufeff{"correlation_id":"a","message":"m"}\n'),
    "CRLF": docker_line('{"correlation_id":"a","message":"m"}\r\n'),
    "duplicate keys": docker_line('{"correlation_id":"a","message":"m","message":"n"}\n'),
    "NaN": docker_line('{"correlation_id":"a","duration_ms":NaN}\n'),
    "infinity": docker_line('{"correlation_id":"a","x":1e999}\n'),
    "huge integer": docker_line('{"correlation_id":"a","user_id":' + "9" * 400 + "}\n"),
    "10,000 deep": docker_line('{"correlation_id":"a","x":' + "[" * 10_000 + "]" * 10_000 + "}\n"),
    "500 deep": docker_line('{"correlation_id":"a","x":' + "[" * 500 + "]" * 500 + "}\n"),
    "lone surrogate": docker_line('{"correlation_id":"a","message":"\\ud800"}\n'),
    "lone surrogate in the record": b'{"log":"\\ud800 text\\n","stream":"stdout","time":"2026-11-23T10:00:00Z"}\n',
    "half a JSON object": docker_line('{"correlation_id":"a","mess\n'),
    "half a record": b'{"log":"{\\"correlation_id\\":\n',
    "record without log": b'{"stream":"stdout","time":"2026-11-23T10:00:00Z"}\n',
    "record of another stream": b'{"log":"x\\n","stream":"stdin","time":"2026-11-23T10:00:00Z"}\n',
    "record that is a number": b"12\n",
    "empty line": b"\n",
    "no time": b'{"log":"x\\n","stream":"stdout","time":"soon"}\n',
    "escape sequences": docker_line('{"correlation_id":"\x1b[31mred","message":"m"}\n'),
    "correlation id of 50 KB": docker_line(json.dumps({"correlation_id": "x" * 50_000}) + "\n"),
    "correlation id of another type": docker_line('{"correlation_id":["a"]}\n'),
    "mistyped everything": docker_line('{"correlation_id":"a","event":[],"level":{},"status_code":"200","path":7}\n'),
    "reserved names": docker_line('{"correlation_id":"a","container":1,"service":2,"log":3,"extra":4,"schema":5}\n'),
    "JSON array": docker_line("[1,2,3]\n"),
    "braces": docker_line("{not json}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_line_ends_stored_or_in_quarantine_and_loses_nothing_after_it(tmp_path: Path, name: str) -> None:
    """The line becomes an event or a quarantined entry with a readable reason; its neighbours are unaffected."""
    rig = Rig(tmp_path)
    rig.write(rig.lines(1) + HOSTILE[name] + rig.lines(1))
    rig.drain()
    assert rig.serials_of_entries() == [1, 2]
    assert len(rig.output.stored) == 3
    for body in rig.quarantined():
        assert body["reasons"]
        assert all(len(reason["detail"]) > 10 and reason["detail"].isprintable() for reason in body["reasons"])
    assert rig.counter("shipper_lines_read_total") == 3


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("text", ["\0\0\0", "\0" * 20_000, "\ufeff\0 \r"])
def test_a_line_of_nuls_alone_is_blank(tmp_path: Path, text: str, *, native: bool) -> None:
    """NULs around a text are no data: nothing is left of the line, and that is counted."""
    rig = Rig(tmp_path, native=native)
    rig.write(rig.lines(1) + docker_line(f"{text}\n") + rig.lines(1))
    rig.drain()
    assert rig.serials_of_entries() == [1, 2]
    assert len(rig.output.stored) == 2
    assert rig.counter("shipper_violations_total", "blank") == 1
    assert rig.counter("shipper_lines_total", "dropped") == 1


def test_chunk_with_a_damaged_record_gives_the_same_as_line_by_line(tmp_path: Path) -> None:
    """The fast path falls back for a chunk with one bad record; the chunk's documents stay the same."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    together, alone = Rig(tmp_path / "a"), Rig(tmp_path / "b")
    for rig in (together, alone):
        for position, line in enumerate(line for name, line in HOSTILE.items() if name != "no time"):
            rig.write(rig.lines(1) + line + docker_line("text\n", at=position))
            if rig is alone:
                rig.read()
        rig.drain()
    strip = [{k: v for k, v in body.items() if k != "log"} for body in together.output.stored.values()]
    assert together.output.stored.keys() == alone.output.stored.keys()
    assert [
        {k: v for k, v in body.items() if k != "log"}
        for key in together.output.stored
        for body in [alone.output.stored[key]]
    ] == strip


def test_a_restart_waits_for_the_rest_of_an_entry_as_long_as_any_agent_does(tmp_path: Path) -> None:
    """A stack trace half of which was read before a kill is one entry if its other half follows soon."""
    rig = Rig(tmp_path)
    rig.write(docker_line("ERROR:    it broke\n") + docker_line("Traceback (most recent call last):\n", at=1))
    rig.read()
    rig.kill()
    rig.read()
    rig.write(docker_line('  File "x.py", line 1, in f\n', at=2) + docker_line("ValueError: bad\n", at=3))
    rig.drain()
    assert rig.messages() == ["ERROR:    it broke"]


EVENT = '{"event":"login_failed","correlation_id":"c-1","message":"m"}'
LOGIN = "failed_login_attempts_total"


def cri_line(text: str, tag: str = "F", second: int = 0) -> bytes:
    """Return a CRI line; `second` is that after the rig's start."""
    return f"2026-11-23T10:{second // 60:02d}:{second % 60:02d}.000000001Z stdout {tag} {text}\n".encode()


@pytest.mark.parametrize("kind", ["docker", "cri", "plain"])
@pytest.mark.parametrize("hole", [3, 3000, 9_000, 20_000, 300_000])
@pytest.mark.parametrize("native", [True, False])
def test_a_hole_after_copytruncate_hides_no_event(tmp_path: Path, kind: str, hole: int, *, native: bool) -> None:
    """A writer without append goes on at its old offset: the record after the NULs is read, whatever their number."""
    rig = Rig(tmp_path, kind=kind, native=native, limits=Limits(chunk_bytes=4096, line_bytes=10_000))
    line, later = {
        "docker": (docker_line(f"{EVENT}\n"), docker_line(f"{EVENT}\n", at=1)),
        "cri": (cri_line(EVENT), cri_line(EVENT, second=1)),
        "plain": (f"{EVENT}\n".encode(),) * 2,
    }[kind]
    rig.write(line)
    rig.read()
    rig.path.write_bytes(b"")
    with rig.path.open("r+b") as file:
        file.seek(len(line) + hole)
        file.write(later * 2)
    rig.kill()
    rig.drain()
    assert rig.counter(LOGIN, "backend") == 3
    assert all(body["event"] == "login_failed" for body in rig.output.stored.values())


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_a_piece_of_a_live_file_is_held_until_its_rest(tmp_path: Path, kind: str) -> None:
    """Neither time nor a restart flushes it; the event in both halves is counted once, whole."""
    rig = Rig(tmp_path, kind=kind)
    text = EVENT[:-1] + ',"big":"' + "x" * 20_000 + '"}'
    first, rest = text[:PART], text[PART:]
    rig.write(docker_line(first, at=1) if kind == "docker" else cri_line(first, "P"))
    rig.drain()
    assert rig.output.stored == {}
    rig.stop()
    rig.drain()
    assert rig.output.stored == {}
    rig.write(docker_line(f"{rest}\n", at=90_000) if kind == "docker" else cri_line(rest, "F", 90))
    rig.drain()
    assert rig.counter(LOGIN, "backend") == 1
    assert [len(body["extra"]["big"]) for body in rig.output.stored.values()] == [20_000]


@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_a_piece_of_a_removed_file_is_flushed(tmp_path: Path, kind: str) -> None:
    """Its rest will not come."""
    rig = Rig(tmp_path, kind=kind)
    first = "x" * PART
    rig.write(docker_line(first, at=1) if kind == "docker" else cri_line(first, "P"))
    rig.drain()
    assert rig.output.stored == {}
    rig.path.unlink()
    rig.drain()
    assert [body["message"] for body in rig.output.stored.values()] == [first]


@pytest.mark.parametrize("native", [True, False])
def test_a_torn_record_before_a_whole_one_hides_no_event(tmp_path: Path, *, native: bool) -> None:
    """The torn one is quarantined, the whole one counted and stored under its id."""
    rig = Rig(tmp_path, native=native)
    rig.write(docker_line(f"{EVENT}\n")[:60] + docker_line(f"{EVENT}\n", at=1) + docker_line(f"{EVENT}\n", at=2))
    rig.drain()
    assert rig.counter(LOGIN, "backend") == 2
    assert len(rig.output.stored) == 3


@pytest.mark.parametrize("kind", ["docker", "cri"])
@pytest.mark.parametrize("native", [True, False])
def test_a_log_of_the_other_runtime_is_read_with_the_same_ids(tmp_path: Path, kind: str, *, native: bool) -> None:
    """The input type is wrong, but the first line says what the file is."""
    lines = b"".join(docker_line(f"{EVENT}\n", at=at) for at in (1, 2)) if kind == "cri" else cri_line(EVENT) * 2
    stored = []
    for given in ("docker", "cri"):
        folder = tmp_path / given
        folder.mkdir()
        rig = Rig(folder, kind=given, native=native)
        rig.write(lines)
        rig.drain()
        rig.stop()
        rig.write(lines)
        rig.drain()
        assert rig.counter(LOGIN, "backend") == 4
        stored.append(rig.output.stored.keys())
    assert stored[0] == stored[1]


def test_a_record_over_the_line_limit_keeps_its_beginning(tmp_path: Path) -> None:
    """The record's stream and time stand at its end; the text is what the application wrote."""
    rig = Rig(tmp_path, limits=Limits(chunk_bytes=4096, line_bytes=10_000))
    rig.write(docker_line(EVENT[:-1] + ',"big":"' + "x" * 50_000 + '"}\n', stream="stderr", at=5) + rig.lines(1))
    rig.drain()
    (cut,) = [body for body in rig.output.stored.values() if body["stream"] == "stderr"]
    assert cut["@timestamp"] == "2026-11-23T10:00:00.005Z"
    assert '"login_failed"' in json.dumps(cut).replace("\\", "")
