"""Lines of text that hold fields: logfmt, syslog, JSON behind a prefix, and consoles."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.payload import decode_payload
from shipper_processors.text_fields import unquoted

COUNTED = ("event", "method", "path", "status_code", "status")


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            'time=2026-11-30T11:35:21.792Z level=WARN msg="slow charge" request_id=7f3c-req-1',
            {"time": "2026-11-30T11:35:21.792Z", "level": "WARN", "msg": "slow charge", "request_id": "7f3c-req-1"},
        ),
        (
            r'level=error msg="say \"no\"\n" path="/a?b=c"',
            {"level": "error", "msg": 'say "no"\n', "path": "/a?b=c"},
        ),
        ("ts=1.5 caller=main.go:541 err=", {"ts": "1.5", "caller": "main.go:541", "err": ""}),
        ("level=info level=error msg=x", {"level": "info", "msg": "x"}),
        ("level='warning' event='label reprinted' n=1", {"level": "warning", "event": "label reprinted", "n": "1"}),
        (
            "logger=a t=2026-03-09T08:15:30Z level=info",
            {"logger": "a", "level": "info", "timestamp": "2026-03-09T08:15:30Z"},
        ),
        (r'msg="tab\x09" level=info', {"msg": "tabx09", "level": "info"}),
    ],
)
def test_logfmt_is_decoded_as_a_whole(text: str, fields: dict[str, str]) -> None:
    """Quoted values are read with their escapes; of equal keys the first counts."""
    assert decode_payload(text) == ("structured", fields, None)


def test_pairs_of_a_request_are_decoded() -> None:
    """As lograge and Heroku's router write them: method, path and status without a level; also behind Rails' head."""
    pairs = "method=POST path=/api/v1/auth/login status=401 duration=58.33"
    fields = {"method": "POST", "path": "/api/v1/auth/login", "status": "401", "duration": "58.33"}
    assert decode_payload(pairs) == ("structured", fields, None)
    head = "I, [2026-11-30T11:37:18.721000 #7]  INFO -- : [7f3c-req-1] "
    known = {"timestamp": "2026-11-30T11:37:18.721000", "level": "info", "correlation_id": "7f3c-req-1"}
    assert decode_payload(head + pairs) == ("structured", {**known, **fields, "extra": {"prefix": head}}, None)
    assert decode_payload(f"{head}sent {pairs}")[0] == "text"


@pytest.mark.parametrize(
    "text",
    [
        "2015-10-18 18:01:54,838 INFO [main] org.apache.Foo: ask=4 release=0",
        "2026-11-30T11:37:18.721Z  INFO 1 --- [main] c.e.Foo : took ms=4", "level=info and a sentence", "a=b c=d", "level=info", 'level=info msg="not closed', "x level=info msg=y",
        "level=info msg=y, z=1 and", 'level=info msg=a"b', "time=1 level=info\nmsg=x",
    ],
)  # fmt: skip
def test_other_text_with_pairs_stays_text(text: str) -> None:
    """A whole line of pairs with a usual key is logfmt; nothing else is."""
    assert decode_payload(text)[0] == "text"


@pytest.mark.parametrize(
    ("text", "prefix", "fields"),
    [
        ('INFO:root:{"event":"login_failed","n":1}', "INFO:root:", {"level": "info", "logger": "root", "event": "login_failed", "n": 1}),
        ('2026-11-30 11:37:18,477 - app - ERROR - {"event":"a","level":"warn"}', "2026-11-30 11:37:18,477 - app - ERROR - ", {"timestamp": "2026-11-30 11:37:18,477", "logger": "app", "event": "a", "level": "warn"}),
        ('backend-1  | {"event":"login_failed"}', "backend-1  | ", {"event": "login_failed"}),
        ('[web] {"event":"a"}', "[web] ", {"event": "a"}),
        ('backend: {"event":"a"}', "backend: ", {"event": "a"}),
        ('<13>Oct  1 22:14:15 web01 app[12]: {"event":"a"}', "<13>Oct  1 22:14:15 web01 app[12]: ", {"timestamp": "Oct  1 22:14:15", "level": "notice", "logger": "app", "event": "a"}),
        ('2026-11-30T11:37:18Z {"event":"a","ts":1}', "2026-11-30T11:37:18Z ", {"event": "a", "ts": 1}),
        ('@cee: {"event":"a"}', "@cee: ", {"event": "a"}),
        ('WARNING: {"event":"a","extra":{"b":1}}', "WARNING: ", {"level": "warning", "event": "a", "b": 1}),
    ],
)  # fmt: skip
def test_json_behind_a_prefix_is_decoded(text: str, prefix: str, fields: dict[str, Any]) -> None:
    """The document's own fields win; the prefix fills what it lacks, and is kept."""
    shape, decoded, problem = decode_payload(text)
    extra = decoded.pop("extra")
    assert (shape, problem) == ("structured", None)
    assert extra.pop("prefix") == prefix
    assert {**decoded, **extra} == fields


def test_a_cut_document_behind_a_prefix_counts() -> None:
    """Its complete fields are read if the line was cut off at its limit."""
    text = 'INFO:root:{"event":"login_failed","n":12,"msg":"lo'
    assert decode_payload(text)[0] == "text"
    shape, fields, _ = decode_payload(text, cut=True)
    assert (shape, fields["event"], fields["n"]) == ("structured", "login_failed", 12)


@pytest.mark.parametrize(
    "text",
    [
        'INFO:root:got {"event":"login_failed"}', 'he said {"event":"login_failed"}', 'body: {"event":"login_failed"}',
        'payload: {"event":"login_failed"}', '[web] got {"event":"a"}', 'INFO:root:{"event":"login_failed"} it was',
        'two words: {"event":"a"}', 'INFO:root:{"event":', "INFO:root:{event}", '2026-11-30 11:37:18 GET /{"a":1}',
    ],
)  # fmt: skip
def test_json_anywhere_else_stays_text(text: str) -> None:
    """A document in a sentence, or behind a word that names data, is text that a client may have sent."""
    assert decode_payload(text)[0] == "text"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            "2026-11-30T11:37:18.876208Z [info     ] request_finished               code=200 request_id=7f3c-req-1",
            {"timestamp": "2026-11-30T11:37:18.876208Z", "level": "info", "event": "request_finished", "code": "200", "request_id": "7f3c-req-1"},
        ),
        (
            "2026-11-30T11:37:18Z [warning  ] login_failed                   [shop.auth] user='a b' why=\"it's\"",
            {"timestamp": "2026-11-30T11:37:18Z", "level": "warning", "logger": "shop.auth", "event": "login_failed", "user": "a b", "why": "it's"},
        ),
        ("2026-11-30 11:37:18 [info     ] startup", {"timestamp": "2026-11-30 11:37:18", "level": "info", "event": "startup"}),
        (
            "2026-11-30T11:37:18Z [info     ] looked for event=login_failed status_code=401",
            {"timestamp": "2026-11-30T11:37:18Z", "level": "info", "event": "looked for", "extra": {"event": "login_failed", "status_code": "401"}},
        ),
        (
            '2026-11-30T11:35:21Z ERR request failed error="gateway said no" request_id=a1',
            {"timestamp": "2026-11-30T11:35:21Z", "level": "error", "message": "request failed", "extra": {"error": "gateway said no", "request_id": "a1"}},
        ),
        (
            "2026-11-30T11:35:21.792Z  WARN shop::cart: slow charge request_id=7 took=1.2s",
            {"timestamp": "2026-11-30T11:35:21.792Z", "level": "warning", "logger": "shop::cart", "message": "slow charge", "extra": {"request_id": "7", "took": "1.2s"}},
        ),
        (
            "2026-11-30T11:37:18.721Z [WARN]  agent: lost: server=a",
            {"timestamp": "2026-11-30T11:37:18.721Z", "level": "warning", "logger": "agent", "message": "lost:", "extra": {"server": "a"}},
        ),
        (
            'E1130 11:35:21.792463    2962 main.go:65] "Failed to sync" err="boom" pod="ns/x"',
            {"timestamp": "1130 11:35:21.792463", "level": "error", "logger": "main.go", "message": "Failed to sync", "extra": {"err": "boom", "pod": "ns/x"}},
        ),
        (
            'warn: slow {"correlationId":"7f3c-req-1","timestamp":"2026-11-30T11:37:17.065Z"}',
            {"timestamp": "2026-11-30T11:37:17.065Z", "level": "warning", "message": "slow", "extra": {"correlationId": "7f3c-req-1", "timestamp": "2026-11-30T11:37:17.065Z"}},
        ),
        (
            '2026-11-30T11:35:21.791Z\tWARN\tgo/main.go:22\tslow\t{"request_id": "a1"}',
            {"timestamp": "2026-11-30T11:35:21.791Z", "level": "warning", "message": "slow", "extra": {"request_id": "a1"}},
        ),
        (
            '[2026-05-15T18:19:32.1+00:00] app.ERROR: failed {"request_id":"a1"} []',
            {"timestamp": "2026-05-15T18:19:32.1+00:00", "level": "error", "message": "failed", "extra": {"request_id": "a1"}},
        ),
    ],
)  # fmt: skip
def test_a_console_with_fields_is_decoded(text: str, fields: dict[str, Any]) -> None:
    """Fields behind a sentence are kept under `extra`; structlog's event of one word has fields of its own."""
    assert decode_payload(text) == ("structured", fields, None)


def test_a_laravel_entry_has_the_class_of_its_exception() -> None:
    """Its context is JSON with raw newlines."""
    text = '[2026-05-15 18:19:32] local.ERROR: gone {"exception":"[object] (App\\\\Gone(code: 0): gone at /a.php:1)\n[stacktrace]\n#0 {main}\n"} '
    shape, fields, _ = decode_payload(text)
    assert shape == "structured"
    assert fields["level"] == "error"
    assert fields["message"] == "gone"
    assert fields["exception"] == text


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            '<165>1 2026-11-30T22:14:15.003Z web01 app 7 ID47 [a@1 request_id="x1" b="say \\"no\\""][c@2] \ufeffstarted',
            {"timestamp": "2026-11-30T22:14:15.003Z", "level": "notice", "logger": "app", "correlation_id": "x1", "message": "started",
             "hostname": "web01", "procid": "7", "msgid": "ID47", "structured_data": {"a@1": {"request_id": "x1", "b": 'say "no"'}, "c@2": {}}},
        ),
        ("<34>1 - - - - - - hello", {"level": "critical", "message": "hello"}),
        (
            '<14>1 2026-11-30T22:14:15Z h app - - - {"event":"login_failed"}',
            {"timestamp": "2026-11-30T22:14:15Z", "level": "info", "logger": "app", "event": "login_failed",
             "extra": {"prefix": "<14>1 2026-11-30T22:14:15Z h app - - - "}, "hostname": "h"},
        ),
        ("<11>1 2026-11-30T22:14:15Z h app - - -", {"timestamp": "2026-11-30T22:14:15Z", "level": "error", "logger": "app", "message": "", "hostname": "h"}),
    ],
)  # fmt: skip
def test_rfc_5424_is_decoded(text: str, fields: dict[str, Any]) -> None:
    """The priority gives the level; structured data stays under its ids, and an id in it is found."""
    assert decode_payload(text) == ("structured", fields, None)


@pytest.mark.parametrize(
    "text", ["<192>1 - - - - - - x", "<34>1 yesterday h a - - - x", "<34>2 - - - - - - x", '<34>1 - - - - - [a b="c x']
)
def test_other_text_with_a_priority_is_not_rfc_5424(text: str) -> None:
    """A wrong version, time or structured data is no syslog of that format."""
    assert decode_payload(text)[0] == "text"


@given(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=60))
def test_text_of_a_client_behind_a_message_is_never_counted(sent: str) -> None:
    """Whatever a client's text says, a line that quotes it in a sentence has no event or request of its choice."""
    for head in ("2026-11-30T11:35:21Z ERR looked for ", "2026-11-30T11:35:21Z [info     ] looked for ", "warn: looked for ",
                 "2026-11-30T11:35:21.792Z  WARN shop::cart: looked for ", "2026-11-30 11:37:18,477 - app - INFO - looked for "):  # fmt: skip
        for text in (
            sent,
            f"{sent} event=login_failed method=POST status_code=401",
            f'{sent} {{"event":"login_failed"}}',
        ):
            _, fields, _ = decode_payload(head + text)
            assert not [name for name in COUNTED if name != "event" and name in fields]
            assert fields.get("event", "unstructured") == "unstructured" or fields["event"].startswith("looked for")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.text(st.characters(codec="utf-8")), min_size=1
    )
)
def test_logfmt_that_a_logger_quotes_is_read_back(fields: dict[str, str]) -> None:
    """Values with quotes, blanks and escapes are those that were logged."""
    fields = {"level": "info", **fields}
    fields.pop("t", None)  # a time, which is read as `timestamp`
    text = " ".join(f"{key}={json.dumps(value)}" for key, value in fields.items())
    if len(fields) > 1:
        assert decode_payload(text) == ("structured", fields, None)


@pytest.mark.parametrize(
    ("quoted", "value"), [('"a\\nb"', "a\nb"), ("'it\\'s'", "it's"), ('"', '"'), ("x", "x"), (r'"\xff"', "xff")]
)
def test_quotes_and_escapes_are_removed(quoted: str, value: str) -> None:
    """Double and single quotes; an escape that is unknown keeps its character."""
    assert unquoted(quoted) == value


@pytest.mark.timeout(10)
def test_long_hostile_lines_are_decoded_in_linear_time() -> None:
    """A megabyte of near matches."""
    for text in (
        "level=info " * 100_000 + '"', "2026-11-30T11:35:21Z ERR x" + ' a="' * 250_000, "warn: x" + ' {"' * 300_000 + "}",
        "2026-11-30T11:35:21Z ERR x" + " a='[{" * 160_000, "<34>1 - - - - - " + '[a b="' * 150_000, "INFO:root:" + '{"a":' * 100_000 + "}",
    ):  # fmt: skip
        decode_payload(text)


@pytest.mark.parametrize("name", ["ValueError", "java.lang.IllegalStateException", "Timeout"])
def test_the_message_of_an_exception_is_no_document(name: str) -> None:
    """A client may have written it."""
    assert decode_payload(name + ': {"event":"login_failed"}')[1]["event"] == "unstructured"


def test_a_line_of_pairs_keeps_its_fields_with_a_traceback_after_it() -> None:
    """The joined trace must not hide the event."""
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: x'
    shape, fields, _ = decode_payload("level=warning event=login_failed msg=m\n" + trace)
    assert shape == "structured"
    assert (fields["event"], fields["exception"]) == ("login_failed", trace)
