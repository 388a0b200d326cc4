"""Lines with known truth: each carries a token that identifies it wherever it ends up."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deploy.demo.json_file import PART, records

LETTERS = "abcdefghijklmnop"
TOKEN = re.compile(rb"zq([a-p]{7})qz")
FILLER = "rstuvwxy"
"""Letters that occur in no token."""
EVENTS = {"login_failed": 0.25, "patient_created": 0.2, "request_complete": 0.35, "heartbeat": 0.2}
FAILED = {"login_failed", "request_complete"}
KINDS = {
    "json": 0.6,
    "invalid": 0.08,
    "missing": 0.04,
    "access": 0.06,
    "words": 0.05,
    "trace": 0.1,
    "long": 0.05,
    "noise": 0.02,
}
LONG = 20_000
Key = tuple[str, ...]
"""A metric, and the value of its label if that matters."""


def token(serial: int) -> str:
    """Return the token of a serial number."""
    return f"zq{''.join(LETTERS[serial >> shift & 15] for shift in range(24, -1, -4))}qz"


def serials(text: bytes) -> set[int]:
    """Return the serial numbers whose tokens are in a text."""
    return {
        sum(LETTERS.index(chr(letter)) << 4 * (6 - at) for at, letter in enumerate(letters))
        for letters in TOKEN.findall(text)
    }


@dataclass(frozen=True, slots=True)
class Fact:
    """Known properties of the lines that one token stands for."""

    lines: int
    event: str = ""
    violation: str = ""
    joined: bool = False
    """True if the entry has several physical lines."""

    def adds(self) -> Iterator[tuple[Key, int]]:
        """Yield the counters that it increments, with the increments."""
        yield ("shipper_lines_read_total",), self.lines
        yield ("shipper_lines_total",), self.lines
        if self.event in FAILED:
            yield ("failed_login_attempts_total",), 1
        if self.event == "patient_created":
            yield ("patient_operations_total", "create"), 1
            yield ("business_events_total", "patient_created"), 1
        if self.violation:
            yield ("shipper_violations_total", self.violation), 1


@dataclass
class Truth:
    """Everything that was written, by serial number; `times` where a line was written more than once."""

    facts: list[Fact] = field(default_factory=list)
    times: Counter[int] = field(default_factory=Counter)
    excused: set[int] = field(default_factory=set)
    """Written into files that were destroyed before an agent could have read them."""

    def note(self, fact: Fact) -> int:
        """Add a fact and return its serial number."""
        self.facts.append(fact)
        self.times[len(self.facts) - 1] = 1
        return len(self.facts) - 1


OutputLines = list[tuple[int, bytes, str]]
"""Lines of output: the serial number of the token in it (-1 without one), the text, the stream."""


def entry_lines(chance: random.Random, next_serial: int) -> tuple[OutputLines, list[tuple[str, str]]]:
    """Return one entry as an application prints it, and (event, violation) of each of its tokens."""
    name, event = (
        chance.choices(list(KINDS), list(KINDS.values()))[0],
        chance.choices(list(EVENTS), list(EVENTS.values()))[0],
    )
    own, stream = token(next_serial), chance.choice(["stdout", "stdout", "stderr"])
    fields: dict[str, object] = {"correlation_id": f"c-{own}", "event": event, "level": "info", "message": own}
    if event == "request_complete":
        fields |= {"method": "POST", "path": "/api/v1/auth/login", "status_code": 401}
    if name == "access":
        text = f'INFO:     10.0.0.1:4242 - "GET /api/v1/{own} HTTP/1.1" 200 OK'
        return [(next_serial, text.encode() + b"\n", "stdout")], [("", "")]
    if name == "words":
        return [(next_serial, f"started worker {own}\n".encode(), stream)], [("", "")]
    if name == "trace":
        head, tail = f"ERROR:    it broke {own}\n", f"ValueError: {token(next_serial + 1)}\n"
        between = ["Traceback (most recent call last):\n", '  File "x.py", line 1, in f\n', "    boom()\n"]
        lines = [
            (next_serial, head, stream),
            *((-1, line, stream) for line in between),
            (next_serial + 1, tail, stream),
        ]
        return [(serial, line.encode(), where) for serial, line, where in lines], [("", ""), ("", "")]
    violation = ""
    if name == "invalid":
        fields["correlation_id"], violation = "not usable!", "correlation_id_invalid"
    elif name == "missing":
        del fields["correlation_id"]
        violation = "correlation_id_missing"
    elif name == "long":
        fields["filler"] = "".join(chance.choices(FILLER, k=LONG))
    elif name == "noise":
        fields["note"] = '\u2028 \u0007 Grüße <&> \\ "'
    return [(next_serial, json.dumps(fields).encode() + b"\n", stream)], [(event, violation)]


def stamp(now_ns: int) -> str:
    """Return a line's runtime timestamp, in nanoseconds."""
    second, rest = divmod(now_ns, 10**9)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def enveloped(kind: str, text: bytes, stream: str, now_ns: int) -> list[bytes]:
    """Return the physical lines of one line of output."""
    if kind == "docker":
        return records(text, stream, stamp(now_ns))
    if kind == "plain":
        return [text]
    body = text.removesuffix(b"\n")
    parts = [body[start : start + PART] for start in range(0, len(body), PART)] or [b""]
    tags = [b"P"] * (len(parts) - 1) + [b"F"]
    return [
        b"%b %b %b %b\n" % (stamp(now_ns).encode(), stream.encode(), tag, part)
        for tag, part in zip(tags, parts, strict=True)
    ]
