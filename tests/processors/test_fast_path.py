"""The native path against the Python path, its oracle: the same documents, ids, counters, violations and partial state."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastChain, FastLog, native
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import HttpSource, Paths
from shipper_schemas.event import KNOWN_FIELDS
from shipper_schemas.presets import PRESETS, Preset
from shipper_schemas.rules import Rule
from tests.examples import examples
from tests.processors.both_paths import cri, docker, outcome_of, same

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)

CUSTOM = [
    {
        "name": "slow_total",
        "help": "Slow requests.",
        "when": {"duration_ms": {"min": 100}},
        "labels": {"route": {"field": "area", "default": "none"}},
    },
    {
        "name": "prefixed_total",
        "help": "By prefix and glob.",
        "when": {"any": [{"path": {"prefix": "/api/v1/pat"}}, {"message": {"glob": "*failed*"}}]},
        "labels": {"level": {"field": "level", "default": "none"}},
    },
    {
        "name": "seconds",
        "help": "Durations of reads.",
        "type": "histogram",
        "when": {"event": "patient_read"},
        "field": "duration_ms",
        "scale": 0.001,
        "buckets": [0.1, 1],
    },
]


@pytest.fixture(autouse=True, scope="module")
def no_skipped_lines() -> Iterator[None]:
    """Try the native path for each line, however many lines before it took the Python path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shipper_processors.assemble.MOST_PYTHON_LINES", 1)
        yield


WRAPPED = {"docker": docker, "cri": cri}
PLAIN_EVENT: dict[str, Any] = {
    "timestamp": "2026-11-23T10:00:00.5Z", "level": "INFO", "correlation_id": "abc-1", "event": "request_complete",
    "method": "POST", "path": "/api/v1/patients/", "status_code": 201, "duration_ms": 12.50, "client_ip": "10.0.0.1",
    "user_id": "u-1", "message": "Request completed",
}  # fmt: skip

words = st.sampled_from(
    ["", "ok", "Login failed", "token abc", "4111 1111 1111 1111", "+33 6 12 34 56 78", "a@b.example", "naïve é", "Kelvin K",
     "İ", "10.20.30.40", "1234567 x 12345", "x" * 300, 'quote "', "back\\slash", "<b>", "tab\t", "😀", "pwd=1", "12345678",
     "2026-11-23T10:00:00", "/api/v1/auth/login", "/api/v1/patients/17?x=1", "1 2 3 4 5 6 7 8 9", "1.2.3.4 12345", "Aa1234567"]
)  # fmt: skip
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-1000, 1000), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e-5, 0.0001, 0.1, 1e15, 1e16, 1e22, 123456789012345.6, 100, 599, 600, 99]),
    st.decimals(0, 1000, places=2).map(float),
)  # fmt: skip
scalars = st.one_of(words, numbers, st.booleans(), st.none(), st.text(max_size=8))
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
names = st.one_of(
    st.sampled_from([*KNOWN_FIELDS, "timestamp", "extra", "area", "medication", "password", "api-key", "@timestamp",
                     "request_id", "schema", "stream", "unknown", "token_type", "msg", "requestId", "traceId", "levelname", "severity",
                     "status", "duration", "mdc", "error", "err", "name", "time", "traceparent", "req", "ts"]),
    st.text(max_size=6),
)  # fmt: skip
NOTATIONS: list[object] = ["2026-11-23T10:00:00.500", "2026-11-23T11:00:00.500", "2026-11-23 10:00:00,500", "20261123T100000Z", "2026-11-23t10:00:00.5z",
     "2026-11-23T10:00:00.1234567890Z", "2026-11-23T10:00:00.Z", "2026-11-23T10:00:00,5Z", "2026-11-23 10:00:00.500Z", "2026-11-23T10:00Z",
     "2026-11-23T24:00:00.0Z", "2026-11-23T09:59:60.0Z", "1969-12-31T23:59:59.9Z", "0001-01-01T00:00:00.0Z", "9999-12-31T23:59:59.9Z",
     "2026-11-23T10:00:00.5Z ", "2026-11-23T10:00:00.5Z[UTC]", "2026-11-23T11:00:00.5+01:00[Europe/Paris]", "23/Nov/2026:10:00:00 +0000",
     "Mon, 23 Nov 2026 10:00:00 GMT", "Nov 23 10:00:00", "10:00:00.5", "2026-11-23", "1795428000.25", 1795428000.25, 1795428000250,
     {"$date": "2026-11-23T10:00:00.5Z"}, [2026, 11, 23, 10, 0], "2026-11-23T10:00:00.\u0665Z", "2026-11-23T10:00:00.5\u005a"]  # fmt: skip
"""Of these the native path may read those of RFC 3339 in UTC, and declines the others."""
UNSURE = [
    "-",
    "null",
    "None",
    "N/A",
    "0",
    "0000000000000000",
    "req-1",
    "REQ7",
    "request-id-of-a-client",
    "42",
    "unknown",
    " - ",
    "--",
]
"""Texts that may mean nothing, or an id that others have as well."""
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "timestamp": st.one_of(
        st.sampled_from(["2026-11-23T10:00:00.5Z", "2026-11-23T10:00:00Z", "2026-11-23T10:00:00.123456Z", "2026-11-24T00:00:01.000Z",
                         "2026-02-30T10:00:00.0Z", "2026-11-23T10:00:60.0Z", "2020-01-01T00:00:00.000Z", "1795428000", 1795428000,
                         "2026-11-23T10:00:00.000+01:00", None, ""]), st.sampled_from(NOTATIONS), values,
    ),
    "level": st.one_of(st.sampled_from(["info", "WARN", "Fatal", "weird", "İnfo", "", None, 30, 3, 400, "30", "I", " info", "ERROR+2"]), values),
    "correlation_id": st.one_of(st.from_regex(r"[A-Za-z0-9._:/+=@\-]{1,12}", fullmatch=True), st.sampled_from(["", "a" * 128, "a" * 129, "ä", *UNSURE]), values),
    "trace_id": st.one_of(st.sampled_from(["4bf92f3577b34da6a3ce929d0e0e4736", *UNSURE]), values),
    "logger": st.one_of(st.sampled_from(["app.api", "uvicorn.access", "http.log.access.log0", "http.log", *UNSURE]), values),
    "error_type": st.one_of(st.sampled_from(["ValueError", *UNSURE]), values),
    "exception": st.one_of(st.sampled_from(["ValueError: no", 'Traceback (most recent call last):\n  File "x", line 1\nE: no']), values),
    "client_ip": st.one_of(st.sampled_from(["10.0.0.1", "fe80::1", "10.0.0.1:80", "[::1]:1", "1.2.3.4, 5.6.7.8", *UNSURE]), values),
    "event": st.one_of(st.sampled_from(["request_complete", "login_failed", "patient_read", "prescription_created", "http_access", "done", "", "unstructured"]), values),
    "method": st.one_of(st.sampled_from(["GET", "POST", "PUT", "DELETE", "get", "Post", "BREW", *UNSURE]), values),
    "path": st.one_of(st.sampled_from(["/api/v1/patients", "/api/v1/patients/", "/api/v1/patients/7", "/api/v1/auth/login?x", "/api/v1/patients//", "/API/v1/Patients/A7", "/api/v1/%70atients", "/api/./v1/patients;s=1", "/api/v1/patients?%", "",
                                       "https://a.example/api/v1/patients?x", "*", "#", *UNSURE]), values),
    "status_code": st.one_of(st.sampled_from([200, 201, 401, 403, 99, 600, "200", 200.0]), values),
    "duration_ms": st.one_of(st.floats(0, 1e6), st.integers(0, 10**20), values),
    "user_id": values, "message": st.one_of(st.sampled_from(["", "Accepted hostbased for root from localhost port 22 ssh2"]), values), "medication": values, "area": st.one_of(st.sampled_from("abcdefg"), values),
}  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> str:
    """A JSON object near to an ordinary one, written in one of the ways that applications write."""
    fields = dict(PLAIN_EVENT)
    for name in draw(st.lists(st.sampled_from(list(FIELDS)), max_size=draw(st.sampled_from([0, 1, 1, 3])))):
        fields[name] = draw(FIELDS[name])
    for name in draw(st.lists(st.sampled_from(list(PLAIN_EVENT)), max_size=draw(st.sampled_from([0, 0, 1])))):
        fields.pop(name, None)
    fields.update(draw(st.dictionaries(names, values, max_size=draw(st.sampled_from([0, 0, 0, 1, 2])))))
    order = draw(st.permutations(list(fields)))
    separators = draw(st.sampled_from([None, (",", ":"), (" , ", " : ")]))
    text = json.dumps({name: fields[name] for name in order}, ensure_ascii=draw(st.booleans()), separators=separators)
    garble = draw(st.sampled_from([None] * 12 + ["twice", "space", "cut", "comma", "number", "brace"]))
    if garble == "twice":
        text = text[:-1] + ', "level": "error"}'
    elif garble == "space":
        text = f" {text} "
    elif garble == "cut":
        text = text[: draw(st.integers(0, len(text)))]
    elif garble == "comma":
        text = text.replace(",", ",,", 1)
    elif garble == "number":
        text = text.replace("201", draw(st.sampled_from(["2e2", "0201", "201.", ".5", "+201", "NaN", "2_01", "201.0"])))
    elif garble == "brace":
        text = "{" + text + "}"
    return text


accesses = st.builds(
    '{}{}:{} - "{} {} HTTP/{}" {}{}'.format,
    st.sampled_from(["INFO:     ", "", "INFO: ", "WARNING:  ", "info: ", "ERROR:\t", "TOOLONGLEVEL: "]),
    st.sampled_from(["10.0.0.1", "1.2.3.4", "999.1.1.1", "::1", "10.0.0", "1234.1.1.1", "[::1]", "10.203.111.254"]),
    st.sampled_from(["1", "65535", "123456", ""]),
    st.sampled_from(["GET", "POST", "AB", "get", "ABCDEFGHIJK"]),
    st.one_of(st.sampled_from(["/", "/a?x=1", "/API/v1/auth/Login", "/api/v1/auth/%6cogin", "/api//v1/patients", "/a#b", "/api/v1/auth/login", "/api/v1/patients", "/t/123456789", "/a b", "/?token=1",
                               "/x?q=1.2.3.4", "/é", "/12A3456789", '/api/v1/patients?a="b']), st.text(max_size=8)),
    st.sampled_from(["1.1", "2", "1.", "11"]),
    st.sampled_from(["200", "401", "99", "700", "2000"]),
    st.sampled_from(["", " OK", " Not Found", " I'm a teapot", " 12", "  ", " OK\n"]),
)  # fmt: skip
others = st.sampled_from(
    ["", " ", "plain words", "Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: no", "{", "{}", "[1]", "null",
     "\ufeff{}", '{"a":1}', "ERROR: it broke", "x" * 40_000]
)  # fmt: skip
texts = st.one_of(objects(), objects(), objects(), objects(), accesses, others)
times = st.sampled_from(
    ["2026-11-23T10:00:00.123456789Z", "2026-11-23T10:00:00.1Z", "2026-11-23T23:59:59.999Z", "2026-11-24T00:00:00.000000001Z",
     "2026-11-23T10:00:00Z", "2026-11-23T10:00:00.5+02:00", "1969-12-31T23:59:59.5Z", "nonsense", ""] + ["2026-11-23T10:00:00.25Z"] * 12
)  # fmt: skip


@st.composite
def logs(draw: st.DrawFn, kind: str) -> list[bytes]:
    """Draw chunks of whole lines; some lines repeat, a few are not valid runtime lines."""
    lines = []
    for _ in range(draw(st.integers(1, 12))):
        text, stream = draw(texts), draw(st.sampled_from(["stdout"] * 6 + ["stderr", "stderr", "stdin"]))
        line = WRAPPED[kind](text.replace("\n", " "), stream, draw(times))
        garble = draw(st.sampled_from([None] * 20 + ["part", "attrs", "raw", "crlf"]))
        if garble == "part":
            line = line.replace(b'\\n","stream', b'","stream') if kind == "docker" else line.replace(b" F ", b" P ", 1)
        elif garble == "attrs":
            line = line.replace(b',"time"', b',"attrs":{"a":"b"},"time"')
        elif garble == "raw":
            line = draw(st.binary(max_size=20)).replace(b"\n", b"") + b"\n"
        elif garble == "crlf":
            line = line.replace(b"\n", b"\r\n")
        lines += [line] * draw(st.sampled_from([1, 1, 1, 2, 3]))
    cuts = sorted(draw(st.sets(st.integers(1, len(lines)), max_size=3)))
    return [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True) if a < b]


SOURCES = st.sampled_from(["structured", "access", "off"])
RULES = st.sampled_from([None, CUSTOM])
PATHS = st.sampled_from(["tolerant", "strict"])
PRESET_NAMES = st.sampled_from([(), PRESETS])


@pytest.mark.integration
@given(logs("docker"), RULES, SOURCES, PATHS, PRESET_NAMES)
@examples(100)
@example([docker(json.dumps(PLAIN_EVENT)) * 3], CUSTOM, "structured", "tolerant", ())
def test_docker_lines_give_the_same_on_both_paths(
    chunks: list[bytes], rules: Any, http_source: HttpSource, paths: Paths, presets: tuple[Preset, ...]
) -> None:
    """Documents byte for byte, ids, counters in their order of admission, outcomes, and the partial state."""
    same(chunks, rules=rules, http_source=http_source, paths=paths, presets=presets)


@pytest.mark.integration
@given(logs("cri"), RULES, SOURCES)
@examples(80)
def test_cri_lines_give_the_same_on_both_paths(chunks: list[bytes], rules: Any, http_source: HttpSource) -> None:
    """The same for the CRI format."""
    same(chunks, kind="cri", rules=rules, http_source=http_source)


@pytest.mark.parametrize("kind", ["docker", "cri"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PLAIN_EVENT),
        json.dumps(PLAIN_EVENT, separators=(",", ":")),
        json.dumps({**PLAIN_EVENT, "area": "north ward", "place": "", "flag": True, "note": None, "number": 7}),
        json.dumps({**PLAIN_EVENT, "client_ip": "203.113.219.174"}),
        json.dumps({name: value for name, value in PLAIN_EVENT.items() if name != "message"}),
        json.dumps({**PLAIN_EVENT, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "logger": "app.api"}),
        json.dumps({**PLAIN_EVENT, "user_id": None, "message": "Dossier créé"}, ensure_ascii=False),
        json.dumps(
            {**PLAIN_EVENT, "department": "cardiology", "attempt": 3, "cached": True, "path": None, "status_code": None}
        ),
        'INFO:     10.203.111.254:50000 - "GET /api/v1/patients/17?page=2 HTTP/1.1" 200 OK',
    ],
)
def test_ordinary_lines_take_the_native_path(kind: str, text: str) -> None:
    """The lines that healthcare backends log most go the native path: the speed depends on it."""
    lines = [WRAPPED[kind](text, time=f"2026-11-23T10:00:00.{number:09d}Z") for number in range(50)]
    assert same([b"".join(lines)], kind=kind) == len(lines)


REQUESTS: list[dict[str, Any]] = [
    PLAIN_EVENT | {"path": "/api/v1/auth/login", "status_code": 401},
    PLAIN_EVENT | {"path": "/API/v1/Auth/Login", "status_code": 401},
    PLAIN_EVENT | {"path": "/api/v1/patients/A7", "method": "DELETE", "status_code": 204},
    PLAIN_EVENT | {"event": "POST done", "path": "/api/v1/auth/login", "status_code": 401},
    PLAIN_EVENT | {"event": "done", "logger": "uvicorn.access", "path": "/api/v1/auth/login", "status_code": 401},
]
DECLINED: list[dict[str, Any]] = [
    PLAIN_EVENT | {"path": path, "status_code": 401}
    for path in ("/api/v1/auth/%6cogin", "/api//v1/auth/login", "/api/v1/auth/login;a=b", "/api/./v1/auth/login")
] + [PLAIN_EVENT | {"event": "", **change} for change in ({"path": "", "message": ""}, {"path": 1}, {"method": 1})]
UNNAMED: list[dict[str, Any]] = [
    {**{name: value for name, value in PLAIN_EVENT.items() if name != "event"}, **change}
    for change in (
        {}, {"event": None}, {"event": ""}, {"message": ""}, {"message": "handled request"},
        {"upstream_addr": "10.0.0.9:80"}, {"controller": "Patients", "message": "-"}, {"message": "", "logger": "app"},
        {"message": "", "logger": "nginx.access"}, {"status_code": "201"},
    )
]  # fmt: skip


@pytest.mark.parametrize("paths", ["tolerant", "strict"])
@pytest.mark.parametrize("http_source", ["structured", "access"])
def test_requests_count_the_same_on_both_paths(paths: Paths, http_source: HttpSource) -> None:
    """Whatever its event is called, and without a name; a path that servers normalise takes the Python path."""
    events = [*REQUESTS, *UNNAMED] * 3
    lines = [docker(json.dumps(event), time=f"2026-11-23T10:00:00.{n:09d}Z") for n, event in enumerate(events)]
    assert same([b"".join(lines)], paths=paths, http_source=http_source) == len(lines)
    declined = [docker(json.dumps(event), time=f"2026-11-23T10:00:00.{n:09d}Z") for n, event in enumerate(DECLINED)]
    assert same([b"".join(declined)], paths=paths, http_source=http_source) == 0


def test_ids_are_counted_by_service_on_both_paths() -> None:
    """Structured events with an id, and those that must have one; an access line is neither."""
    without = {name: value for name, value in PLAIN_EVENT.items() if name != "correlation_id"}
    access = 'INFO:     10.203.111.254:50000 - "GET /api/v1/patients/17 HTTP/1.1" 200 OK'
    texts = [json.dumps(PLAIN_EVENT)] * 5 + [access] * 3 + [json.dumps(without), json.dumps(without | {"event": "x"})]
    lines = [docker(text, time=f"2026-11-23T10:00:00.{n:09d}Z") for n, text in enumerate(texts)]
    assert same([b"".join(lines)]) >= 9
    sums = outcome_of([b"".join(lines)], fast_path=True)[0].sums
    events = {key[1]: number for key, number in sums.items() if key[0] == "shipper_correlation_id_events_total"}
    assert events == {("backend", "accepted"): 5, ("backend", "quarantined"): 1}
    assert sums["shipper_events_without_correlation_id_total", ("backend",)] == 2


def test_presets_leave_other_lines_on_the_native_path() -> None:
    """Only an event in which a test of a preset may hold is evaluated in Python."""
    rule = {"name": "x_total", "help": "X.", "when": {"message": {"contains": "Accepted ", "preset": "sshd_success"}}}
    accepted = PLAIN_EVENT | {
        "event": "done",
        "message": "Accepted hostbased for root from localhost port 22 ssh2",
    }
    lines = [docker(json.dumps(PLAIN_EVENT), time=f"2026-11-23T10:00:00.{n:09d}Z") for n in range(9)]
    assert same([b"".join(lines)], presets=PRESETS) == 9
    assert same([b"".join([*lines, docker(json.dumps(accepted))])], presets=PRESETS, rules=[rule]) == 9
    assert same([docker(json.dumps(accepted))], presets=PRESETS) == 1, "the built-in rules want a plain text"


@pytest.mark.parametrize("timestamp", NOTATIONS)
def test_every_notation_of_a_time_gives_the_same_on_both_paths(timestamp: object) -> None:
    """The native path reads the same instant, or declines the line."""
    lines = [
        docker(json.dumps({**PLAIN_EVENT, "timestamp": timestamp}, ensure_ascii=ascii_)) for ascii_ in (True, False)
    ]
    same([b"".join(lines)])


def test_label_bounds_apply_across_both_paths() -> None:
    """Values beyond the bound become `other` in the order of their lines, whichever path each line takes."""
    events = [{**PLAIN_EVENT, "event": "prescription_created", "medication": f"m{number % 7}"} for number in range(60)]
    lines = [
        docker(json.dumps({**event, "message": "a\\b" if n % 3 else "me@example.org"}))
        for n, event in enumerate(events)
    ]
    assert same([b"".join(lines)]) == len(lines)


def test_a_line_like_the_one_before_a_thread_s_lines_is_a_neighbour() -> None:
    """Threads that begin in the middle assume another line before theirs; equal lines get ids by their number."""
    line = docker(json.dumps(PLAIN_EVENT))
    other = docker(json.dumps(PLAIN_EVENT), time="2026-11-23T10:00:01.000000001Z")
    assert same([line * 20]) == 20
    assert same([other + line * 20 + other]) == 22


def test_a_thread_s_lines_are_scanned_again_if_an_entry_is_open_before_them() -> None:
    """A text without its end, or a trace, may continue with them."""
    part = docker("{").replace(b'\\n"', b'"')
    lines = [docker(json.dumps(PLAIN_EVENT), time=f"2026-11-23T10:00:00.{n:09d}Z") for n in range(20)]
    for opening in (part, docker("Traceback (most recent call last):"), docker("words", "stderr")):
        for at in range(0, 20, 3):
            same([b"".join([*lines[:at], opening, *lines[at:]])])


def test_endless_groups_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs with ever new label values use bounded memory, and count correctly."""
    monkeypatch.setattr("shipper_processors.fast_path.MOST_GROUPS", 5)
    events = [{**PLAIN_EVENT, "event": "prescription_created", "medication": f"m{n % 23}"} for n in range(200)]
    same([b"".join(docker(json.dumps(event)) for event in events)], most=1000)


def test_the_extension_knows_the_whole_plan() -> None:
    """A field, constraint or operator that is added to schema or rules must be added to the extension as well."""
    rules = [Rule.model_validate(rule) for rule in CUSTOM]
    chain = FastChain.of(Enforce(), Counting([*builtin_rules(["patient_read"]), *rules]), Redactor(), Skew())
    assert chain is not None
    assert (chain.chain.declined_fields, chain.chain.undecided_fields) == ([], [])


def test_configured_patterns_take_the_python_path() -> None:
    """A configured pattern may match any text, so that each must be examined; the reason is reported."""
    redactor, reasons = Redactor(extra_patterns={"mrn": r"MRN\d+"}), list[str]()
    assert FastChain.of(Enforce(), Counting([]), redactor, Skew(), reasons.append) is None
    assert reasons == ["redaction: a configured pattern or field name requires that every text is examined"]


def test_a_panic_of_the_extension_switches_to_the_python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic in the middle of a chunk loses and duplicates nothing, and does not end the agent."""
    text = json.dumps(PLAIN_EVENT)
    times_ = [f"2026-11-23T10:00:00.{number:09d}Z" for number in range(9)]
    chunk = b"".join(docker(text if number % 3 else "words", time=time) for number, time in enumerate(times_))
    scan, calls = FastLog.scan, 0

    def failing(self: FastLog, *args: Any, **flags: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("panicked")
        return scan(self, *args, **flags)

    monkeypatch.setattr(FastLog, "scan", failing)
    assert same([chunk, chunk]) < 18


@pytest.mark.parametrize(
    "changes",
    [
        {"event": None, "message": "login_failed"}, {"event": "", "message": "login_failed"},
        {"msg": "m"}, {"requestId": "r"}, {"correlation_id": "-"}, {"correlation_id": "req-1"}, {"level": "loud"}, {"level": 30},
        {"method": "post"}, {"path": "/a?b=1"}, {"status_code": "401"}, {"message": ""}, {"correlation_id": None}, {"status": 200},
        {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, {"client_ip": "1.2.3.4, 5.6.7.8"},
    ],
)  # fmt: skip
def test_lines_that_need_mapping_give_the_same_on_both_paths(changes: dict[str, Any]) -> None:
    """Whatever the table maps or converts."""
    same([docker(json.dumps({**PLAIN_EVENT, **changes}))])


def test_a_log_with_its_own_places_of_fields_is_native() -> None:
    """The table of the log is tried before the configured one, and before that of all logs."""
    own, configured = (("message", ("note",)), ("event", ("user_id",))), (("message", ("area",)), ("logger", ("area",)))
    event = {**PLAIN_EVENT, "note": "of this log", "area": "of all logs", "user_id": "login_failed"}
    lines = [docker(json.dumps(event)), docker(json.dumps(PLAIN_EVENT)), docker(json.dumps({**event, "note": None}))]
    assert same([b"".join(lines)], own=own, fields=configured) == 3


def test_configured_places_of_fields_are_native() -> None:
    """Also if a known field is the place of another."""
    own = (("logger", ("area",)), ("correlation_id", ("user_id",)), ("message", ("note.text",)))
    event = {**PLAIN_EVENT, "area": "ward", "user_id": "u-17", "note": {"text": "noted"}}
    assert same([docker(json.dumps(event)), docker(json.dumps(PLAIN_EVENT))], fields=own) == 2


@pytest.mark.parametrize(
    "level", ["\x1b[32minfo\x1b[39m", "\x1b[31m\x1b[1mERROR\x1b[0m", "\x1b[32m30\x1b[0m", "\x1binfo"]
)
def test_coloured_levels_of_entries_give_the_same_on_both_paths(level: str) -> None:
    """Winston colours the words of JSON as well; what is left of a torn sequence is decided in Python."""
    taken = same([docker(json.dumps({"level": level, "message": "started", "timestamp": "2026-11-23T10:00:00.123Z"}))])
    assert taken == (level != "\x1binfo")


def test_an_access_line_behind_a_word_that_is_no_level_is_the_same_on_both_paths() -> None:
    """The word is a part of the message alone."""
    for word in ("IAFO", "INFO", "WARN", "NOTICE"):
        text = f'{word}:     10.203.111.254:50000 - "GET /api/v1/patients/17?page=2 HTTP/1.1" 200 OK'
        assert same([docker(text), docker(text)]) in {1, 2}
