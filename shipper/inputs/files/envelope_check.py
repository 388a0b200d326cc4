"""The runtime whose envelope the lines of a file have, compared with the input type that is configured for it."""

from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal

from shipper.inputs.files.handles import open_handle
from shipper.system.own_log import own_log
from shipper_processors.envelope import EnvelopeError, parse_cri, parse_json_file
from shipper_processors.sanitize import printable
from shipper_processors.times import parse_ms

Runtime = Literal["docker", "cri"]
RUNTIMES: tuple[Runtime, Runtime] = ("docker", "cri")
BEGINNING = 64 * 1024
"""Bytes of a file that are read to find its first line; a line of Docker that holds a whole piece is shorter."""
NAMES = {"docker": "Docker's json-file driver", "cri": "a CRI runtime", "plain": "plain text"}


def runtime_of(path: str) -> Runtime | None:
    """Return the runtime that wrote the first line of a file; None if it is empty, incomplete or of neither."""
    try:
        with closing(open_handle(path)) as file:
            beginning = file.read(0, BEGINNING)
    except OSError:
        return None
    line, newline, _ = beginning.lstrip(b"\0\n").partition(b"\n")
    return runtime_of_line(line) if newline else None


def runtime_of_line(line: bytes) -> Runtime | None:
    """Return the runtime that wrote a line; None if it does not match the envelope of one fully."""
    try:
        if line[:1] == b"{":
            runtime, time = RUNTIMES[0], parse_json_file(line).time
        else:
            runtime, time = RUNTIMES[1], parse_cri(line).time
    except EnvelopeError:
        return None
    return runtime if time is not None and parse_ms(time) is not None else None


def mismatch(kind: str, path: str) -> Runtime | None:
    """Return the runtime that wrote a file if that is certain and not the configured input type, else None."""
    runtime = runtime_of(path)
    return None if runtime == kind else runtime


@dataclass(slots=True)
class Envelopes:
    """Compares followed logs with their input type, and reports each mismatch once."""

    reported: set[str] = field(default_factory=set)
    _log: Any = field(default_factory=lambda: own_log("shipper.inputs"))

    def compare(self, kind: str, path: str) -> str:
        """Return the type as which a log is read: the other runtime's if its first line is certainly of that."""
        runtime = mismatch(kind, path)
        if runtime is None:
            return kind
        if path not in self.reported:
            self.reported.add(path)
            what, hint = described(kind, runtime)
            self._log.warning("wrong_input_type", path=printable(path), what=what, hint=hint)
        return kind if kind == "plain" else runtime


def described(kind: str, runtime: Runtime) -> tuple[str, str]:
    """Return the mismatch as a sentence, and the hint."""
    what = f"its lines are of {NAMES[runtime]}, but the input type is {kind}"
    if kind == "plain":
        return (
            what,
            f"use `{runtime}:` for these files: as plain text, no line has its stream, its time or its container",
        )
    return what, f"use `{runtime}:` for these files; until then, lines of the other runtime are read as what they are"
