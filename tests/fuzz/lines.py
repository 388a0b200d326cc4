"""Fuzz targets of log lines: envelopes, payloads, access lines, levels, times, stack traces, the chain."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec
import orjson

import shipper_processors.assemble
from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.access_log import decode_access
from shipper_processors.assemble import ASSEMBLERS, Assembler, Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.envelope import EnvelopeError, RuntimeLine, parse_cri, parse_json_file
from shipper_processors.fast_path import FastBatch
from shipper_processors.levels import level_of, time_of
from shipper_processors.payload import decode_payload
from shipper_processors.payload_split import split_documents
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew, event_time, is_daily
from shipper_processors.sanitize import printable
from shipper_processors.stack_traces import Trace, can_be_continued, summary
from shipper_processors.times import LATEST_MS, format_ms, parse_ms
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.event import LEVELS
from shipper_schemas.violation import Kind
from tests.processors.both_paths import NOW, same

SMALL = Bounds(lines=8, bytes=2048, message_bytes=4096)
SOURCE = Source.of(Origin("/var/log/x.log", "c1", service="backend", container_id="c1", container_name="backend-1"))
BYTES_OF_A_CHARACTER = 6
"""Longest JSON encoding of a character: `\u001f`."""
TIMES_KEPT = 4
"""Most copies of a text in a document: as message, exception, error message and error type."""
OVERHEAD = 8192
TIME_KINDS = (Kind.TIMESTAMP_INVALID, Kind.TIMESTAMP_SKEWED, Kind.TIMESTAMP_ZONE)


def text_of(data: bytes) -> str:
    """Return the text that an envelope would contain."""
    return data.decode("utf-8", "replace")


def _entries(
    kind: str, chunks: list[bytes], bounds: Bounds = SMALL, restart: int | None = None
) -> tuple[list[Entry], int]:
    """Return the entries of chunks of complete lines, and their lines; restarts before chunk `restart`."""
    assembler: Assembler = ASSEMBLERS[kind]("c1", bounds)  # type: ignore[index]
    entries: list[Entry] = []
    offset = 0
    for place, chunk in enumerate(chunks):
        if place == restart:
            saved = assembler.partial_state()
            assembler = ASSEMBLERS[kind]("c1", bounds)  # type: ignore[index]
            assembler.restore(saved)
            assert assembler.partial_state() == saved
        for entry in assembler.feed(chunk, offset):
            assert isinstance(entry, Entry)
            entries.append(entry)
        offset += len(chunk)
    entries += assembler.flush()  # type: ignore[arg-type]
    return entries, sum(entry.lines for entry in entries)


def envelope(kind: str, data: bytes) -> None:
    """Every line is in one entry; texts can be encoded; chunks and restarts do not change the entries."""
    lines = (data.rstrip(b"\n") + b"\n").splitlines(keepends=True) if data.strip(b"\n") else []
    lines = (b"".join(lines)).split(b"\n")[:-1]
    whole = b"".join(line + b"\n" for line in lines)
    if not whole:
        return
    entries, counted = _entries(kind, [whole])
    assert counted == len(lines)
    for entry in entries:
        orjson.dumps([entry.text, entry.stream, entry.time, entry.broken, entry.cut])
        assert entry.stream in ("stdout", "stderr", "unknown")
        assert len(entry.digest) == shipper_processors.assemble.DIGEST_SIZE
        assert entry.broken is None or printable(entry.broken) == entry.broken, entry.broken
    middle = len(lines) // 2
    halves = [b"".join(line + b"\n" for line in part) for part in (lines[:middle], lines[middle:])]
    assert _entries(kind, [half for half in halves if half], restart=1)[0] == entries


def parsed(parse: Callable[[bytes], RuntimeLine], data: bytes) -> None:
    """Each line parses as one of the two streams, or raises EnvelopeError."""
    for line in data.split(b"\n"):
        try:
            runtime_line = parse(line)
        except EnvelopeError:
            continue
        assert runtime_line.stream in ("stdout", "stderr")
        runtime_line.log.encode()


def docker(data: bytes) -> None:
    """Docker's json-file."""
    parsed(parse_json_file, data)
    envelope("docker", data)


def cri(data: bytes) -> None:
    """The CRI format."""
    parsed(parse_cri, data)
    envelope("cri", data)


def plain(data: bytes) -> None:
    """A plain file."""
    envelope("plain", data)


def payload(data: bytes) -> None:
    """A payload is an object, an access line, a trace or plain text, and every violation is printable."""
    text = text_of(data)
    shape, fields, violation = decode_payload(text)
    assert shape in ("structured", "access", "text", "blank", "broken")
    assert shape != "broken" or violation is not None
    assert all(isinstance(name, str) for name in fields)
    if shape != "structured":
        orjson.dumps(fields)
    if violation is not None:
        assert printable(violation.detail) == violation.detail


def access(data: bytes) -> None:
    """Fields of an access line are parts of it, and no part can break out of its field."""
    text = text_of(data)
    fields = decode_access(text)
    if fields is None:
        return
    assert "\n" not in text
    assert fields["method"].isascii()
    assert fields["method"].isupper()
    assert not set(fields["path"]) & set(' \t"?#\n')
    assert f'"{fields["method"]} {fields["path"]}' in text
    assert 100 <= fields.get("status_code", 200) <= 599
    assert fields.get("client_ip", "::").strip("0123456789abcdefABCDEF.:[]") == ""
    assert "time" not in fields or parse_ms(fields["time"]) is not None


def levels(data: bytes) -> None:
    """A level is in the schema, and a time is part of the text."""
    text = text_of(data)
    assert level_of(text) in (None, *LEVELS)
    time_text = time_of(text)
    assert time_text is None or time_text in text
    if time_text is not None:
        parse_ms(time_text)


def times(data: bytes) -> None:
    """Any value is a valid time or none; formatted times parse back to the same value."""
    text = text_of(data)
    values: list[object] = [text]
    with suppress(ValueError, RecursionError):
        values.append(json.loads(text))
    for value in values:
        for runtime in (None, NOW):
            ms, doubt = event_time(value, runtime, NOW, Skew())
            assert 0 <= ms <= LATEST_MS
            assert parse_ms(format_ms(ms)) == ms
            assert doubt is None or doubt.kind in TIME_KINDS
    parsed = parse_ms(text)
    assert parsed is None or parse_ms(format_ms(parsed)) == max(0, min(parsed, LATEST_MS))


def traces(data: bytes) -> None:
    """Feeding the same lines again restores the state of the grammar."""
    lines = text_of(data).split("\n")
    if not can_be_continued(lines[0]):
        return
    trace, kept = Trace(lines[0]), [lines[0]]
    kept += [line for line in lines[1:] if trace.accepts(line)]
    again = Trace(kept[0])
    assert all(again.accepts(line) for line in kept[1:])
    assert [getattr(again, name) for name in Trace.__slots__] == [getattr(trace, name) for name in Trace.__slots__]
    fields = summary("\n".join(kept))
    assert fields is None or all(value and isinstance(value, str) for value in fields.values())


CHAIN = Pipeline(Enforce(), Counting(builtin_rules(["patient_read"])), Redactor())


def chain(data: bytes) -> None:
    """One entry has one outcome, in an index of its day, as JSON of a bounded size, with printable reasons."""
    text = text_of(data)
    batch = Batch()
    entry = Entry(text, "stdout", "2026-11-23T10:00:00.123456789Z", 7, 1, b"d" * 14)
    CHAIN.process([entry], SOURCE, batch, NOW, count=True, ship=True)
    assert sum(batch.events.values()) == len(split_documents(entry))
    for document in batch.documents:
        body = orjson.loads(document.body)
        assert is_daily(document.index, "keneyapp-logs") or is_daily(document.index, "keneyapp-quarantine")
        assert document.index.endswith(body["@timestamp"][:10].replace("-", "."))
        assert len(document.body) <= TIMES_KEPT * BYTES_OF_A_CHARACTER * len(text) + OVERHEAD
        assert b"\n" not in document.body
        assert body["container"]["id"] == "c1"
        assert body["service"]["name"] == "backend"
        assert body["stream"] == "stdout"
        for reason in body.get("reasons", []):
            assert reason["kind"] != Kind.INTERNAL_ERROR, reason
            assert printable(reason["detail"]) == reason["detail"]
    for (_, labels), amount in batch.counted.sums.items():
        assert amount >= 1
        assert all(isinstance(label, str) and len(label) <= 256 for label in labels)


@contextmanager
def no_skipped_lines() -> Iterator[None]:
    """Try the native path for each line, however many lines before it took the Python path."""
    before, shipper_processors.assemble.MOST_PYTHON_LINES = shipper_processors.assemble.MOST_PYTHON_LINES, 1
    try:
        yield
    finally:
        shipper_processors.assemble.MOST_PYTHON_LINES = before


def _on_both_paths(kind: str, data: bytes) -> None:
    lines = data.split(b"\n")
    chunks = [
        b"".join(line + b"\n" for line in part) for part in (lines[: len(lines) // 2], lines[len(lines) // 2 :]) if part
    ]
    with no_skipped_lines():
        same(chunks, kind=kind)


def compiled_docker(data: bytes) -> None:
    """Both paths give the same for json-file lines, byte for byte."""
    _on_both_paths("docker", data)


def compiled_cri(data: bytes) -> None:
    """Both paths give the same for the CRI format."""
    _on_both_paths("cri", data)


def compiled_payload(data: bytes) -> None:
    """Both paths give the same for any text of an application in a valid envelope."""
    lines = [line.decode("utf-8", "replace") for line in data.split(b"\n")]
    times_ = [f"2026-11-23T10:00:00.{number:09d}Z" for number in range(len(lines))]
    records = [
        json.dumps({"log": line + "\n", "stream": "stdout", "time": time}, ensure_ascii=False, separators=(",", ":"))
        for line, time in zip(lines, times_, strict=True)
    ]
    with no_skipped_lines():
        same(["".join(record + "\n" for record in records).encode()])


def partial_state(data: bytes) -> None:
    """The partial state of a checkpoint is restored, or rejected by the error that the state knows."""
    for kind in ASSEMBLERS:
        assembler = ASSEMBLERS[kind]("c1", SMALL)
        try:
            assembler.restore(data)
        except msgspec.MsgspecError:
            continue
        again = ASSEMBLERS[kind]("c1", SMALL)
        again.restore(assembler.partial_state())
        assert again.partial_state() == assembler.partial_state()
        assembler.latest_ms()
        for entry in assembler.flush():
            assert not isinstance(entry, FastBatch)
