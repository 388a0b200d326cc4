"""Fuzz targets of files: configuration, rules, tests of rules, state, compressed logs, container metadata."""

import gzip
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from shipper.config import load
from shipper.config.files.yaml_file import parsed
from shipper.config.settings import DockerSettings, InputSettings
from shipper.diagnose.rule_tests.load import load as load_tests
from shipper.diagnose.rule_tests.run import differences, outcome_of
from shipper.inputs.files.container_metadata import CONFIG, LONGEST_VALUE, MOST_LABELS, Provenance
from shipper.inputs.files.glob_scan import Folders
from shipper.inputs.files.handles import open_handle
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.rotated_names import base_name, oldest_first
from shipper.inputs.files.tailer import Input, Tail
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper.replay.discover import first_line, kind_of, length, time_in
from shipper.state.database import FILE
from shipper.state.store import State
from shipper.system.errors import ConfigurationError, StateError
from shipper_processors.assemble import Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_processors.sanitize import printable
from shipper_processors.times import parse_ms
from shipper_schemas.entry import Origin
from shipper_schemas.rules import Rule
from tests.processors.both_paths import docker

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Folder for temporary directories, in memory if possible: disks are not tested here."""
EVENT = {"event": "patient_created", "path": "/api/v1/patients/7", "duration_ms": 3.5, "medication": "aspirin"}


@contextmanager
def folder() -> Iterator[Path]:
    """Create a folder for one run."""
    with TemporaryDirectory(dir=MEMORY) as path:
        yield Path(path)


def assert_readable(error: ConfigurationError | StateError, secrets: tuple[str, ...] = ()) -> None:
    """Assert that an error has printable lines, a hint, and no secrets."""
    for line in str(error).split("\n"):
        assert printable(line) == line, line
    assert error.hint
    assert not any(secret in str(error) for secret in secrets)


def configuration(data: bytes) -> None:
    """A file and variables give settings, or all problems with their hints."""
    text, _, variables = data.partition(b"\n---variables---\n")
    environ = {}
    for line in variables.decode("utf-8", "replace").replace("\0", "").split("\n"):
        name, _, value = line.partition("=")
        environ[name] = value
    with folder() as place:
        file = place / "shipper.yaml"
        file.write_bytes(text)
        try:
            settings = load(file, environ, {})
        except ConfigurationError as error:
            assert_readable(error)
            return
    settings.model_dump(mode="json")


def rules(data: bytes) -> None:
    """A rule counts or is invalid; increments have labels that are text."""
    try:
        content = parsed(data.decode("utf-8", "replace")).values
    except yaml.YAMLError:
        return
    valid = []
    for one in content if isinstance(content, list) else [content]:
        with suppress(ValidationError):
            valid.append(Rule.model_validate(one))
    for rule in valid:
        counting = Counting([rule])
        counting.group_effect(dict(EVENT), "stdout", "structured")
        for increment in counting.increments(dict(EVENT), "stdout", "backend", "structured", "backend-1"):
            assert len(increment.labels) == len(rule.label_names())
            assert all(isinstance(label, str) for label in increment.labels)


def rule_tests(data: bytes) -> None:
    """A file of tests runs or is invalid."""
    with folder() as place:
        file = place / "tests.yaml"
        file.write_bytes(data)
        try:
            tests = load_tests(file)
        except ConfigurationError as error:
            assert_readable(error)
            return
    for test in tests:
        chain = Pipeline(Enforce(), Counting([]), Redactor())
        for difference in differences(test.case, outcome_of(test.case, chain, Bounds())):
            assert difference.what


@cache
def saved_state() -> bytes:
    """Return the state file of an agent that follows two logs and has a counter."""
    with folder() as place:
        state = State(place / "state")
        logs = []
        for name in ("a.log", "b.log"):
            (place / name).write_bytes(
                docker('{"correlation_id":"a"}') * 3 + docker("half of a trace:") + docker("x")[:-3]
            )
            tail = Tail([_input(place / name)], Bounds(), Limits(), {}, Folders())
            (reader,) = tail.scan()
            reader.poll(0.0)
            for batch in reader.read(0.0, 0):
                list(batch.entries)
            logs.append(reader.checkpoint())
            tail.close()
        state.commit(logs, [], {("a_total", ("x", "y")): 3.0}, {("a_total", ("x", "y")): 1.0})
        state.close()
        return (place / "state" / FILE).read_bytes()


class _OnePath:
    """A fake scanner of one path."""

    def __init__(self, path: str) -> None:
        self.path = path

    def paths(self) -> Iterator[str]:
        return iter((self.path,))


def _input(path: Path) -> Input:
    return Input("docker", _OnePath(str(path)), lambda _path, _real: Origin(str(path), "c1"))


def _load_state(content: bytes, change: tuple[str, tuple[object, ...]] | None = None) -> None:
    """Load a state completely, or fail with a hint."""
    with folder() as place:
        directory = place / "state"
        State(directory).close()
        (directory / FILE).write_bytes(content)
        if change is not None:
            with closing(sqlite3.connect(directory / FILE)) as db, suppress(sqlite3.Error):
                db.execute(*change)
                db.commit()
        try:
            with closing(State(directory)) as state:
                tail = Tail([], Bounds(), Limits(), state.logs(), Folders())
                for reader in tail.scan():  # of removed logs, which are known from the state alone
                    for batch in reader.read_to_end():
                        list(batch.entries)
                tail.close()
                state.series()
        except StateError as error:
            assert_readable(error)


def state_bytes(data: bytes) -> None:
    """Change bytes of a state file: pairs of a place (three bytes) and the new byte."""
    content = bytearray(saved_state())
    for begin in range(0, len(data) - 3, 4):
        content[int.from_bytes(data[begin : begin + 3], "big") % len(content)] = data[begin + 3]
    _load_state(bytes(content))


COLUMNS = [
    *(("log", name) for name in ("path", "kind", "origin", "count_file", "count_offset", "count_partial_state", "ship_file",
                                 "ship_offset", "ship_partial_state", "next_key", "beginnings")),
    *(("file", name) for name in ("log", "key", "path", "device", "inode", "prefix_size", "prefix_hash", "offset", "tail_hash", "repeat",
                                  "begun", "passed")),
    *(("series", name) for name in ("metric", "labels", "value", "counts", "created")),
]  # fmt: skip


def state_rows(data: bytes) -> None:
    """Set the column that the first byte selects to the rest, as text, bytes, a number or null."""
    if len(data) < 2:
        return
    table, column = COLUMNS[data[0] % len(COLUMNS)]
    rest = data[2:]
    value: object = [rest, rest.decode("utf-8", "replace"), int.from_bytes(rest[:7], "big", signed=True), None][
        data[1] % 4
    ]
    _load_state(saved_state(), (f"UPDATE {table} SET {column} = ?", (value,)))


def compressed(data: bytes) -> None:
    """Any file, compressed or not, is read up to its damage, consistently at every offset, and never beyond the requested size."""
    with folder() as place:
        path = place / "app.log.1.gz"
        path.write_bytes(data)
        with closing(open_handle(str(path))) as handle:
            length(str(path), handle)
            whole, offset = b"", 0
            while part := handle.read(offset, 1000):
                assert len(part) <= 1000
                whole, offset = whole + part, offset + len(part)
                if offset > 100_000:
                    break
            for begin, size in ((0, 10), (offset // 2, 999), (max(0, offset - 5), 3), (1, 1)):
                assert handle.read(begin, size) == whole[begin : begin + size] or offset > 100_000
            line = first_line(handle)
        assert kind_of(line) in ("docker", "cri", "plain")
        time = time_in(line)
        assert time is None or parse_ms(time) is None or isinstance(time, str)
    try:
        expected = gzip.decompress(data)
    except (EOFError, OSError, zlib.error):
        return
    assert whole[:100_000] == expected[:100_000]


def metadata(data: bytes) -> None:
    """Metadata files beside a log give a bounded, encodable description, or none."""
    with folder() as place:
        container = place / ("a" * 64)
        container.mkdir()
        (container / CONFIG).write_bytes(data)
        path = str(container / f"{'a' * 64}-json.log")
        origin = Provenance("node-1", DockerSettings()).of(InputSettings(type="docker", glob=path))(path, path)
    orjson.dumps([origin.service, origin.container_name, origin.image, origin.labels, origin.path])
    assert origin.service
    assert len(origin.labels) <= MOST_LABELS
    for text in (
        origin.service,
        origin.container_name or "",
        origin.image or "",
        *origin.labels,
        *origin.labels.values(),
    ):
        assert len(text) <= LONGEST_VALUE


def names(data: bytes) -> None:
    """Rotated file names have a base name, and siblings have one order."""
    file_names = [name for name in data.decode("utf-8", "surrogateescape").split("\n") if name and "/" not in name]
    for name in file_names:
        base = base_name(name)
        assert base is None or (base and name.startswith(base))
    for base in file_names[:2]:
        ordered = oldest_first(base, file_names)
        assert ordered == oldest_first(base, reversed(file_names))
        assert base not in ordered
    for name in file_names[:3]:
        path = f"/var/log/pods/{name}/{file_names[-1]}/0.log"
        origin = Provenance("node-1").of(InputSettings(type="cri", glob="/x"))(f"/var/log/containers/{name}", path)
        Source.of(origin)


def typed(data: bytes) -> None:
    """The command line handles any configuration file without a traceback."""
    from shipper.cli import main

    with folder() as place:
        file = place / "shipper.yaml"
        file.write_bytes(data)
        result = CliRunner().invoke(main, ["--config", str(file), "config", "show"])
    assert result.exit_code in (0, 1), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
