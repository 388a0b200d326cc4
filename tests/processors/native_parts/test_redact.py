"""`native/src/redact.rs` masks what `redact.py` masks, in texts, events and raw lines, and its filter misses nothing."""

import json
import os
from functools import cache
from random import Random
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import native, plan_of
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from tests.hazards.harmless_lines import corpus, lines
from tests.hazards.secret_kinds import KINDS, field

if native is None and not os.environ.get("CI"):
    pytest.skip("the compiled extension is not installed: `make setup` builds it with cargo", allow_module_level=True)
Mode = Literal["mask", "hash"]
MODES: tuple[Mode, ...] = ("mask", "hash")


@cache
def both(mode: Mode = "mask") -> tuple[Redactor, Any]:
    """Return a redactor and its twin."""
    redactor = Redactor(key=b"a key", mode=mode)
    return redactor, native.parts.Masks(plan_of(Enforce(), Counting(()), redactor, Skew()).to_json())


PIECES = st.sampled_from(
    [
        "password", "new_password", "passwordConfirm", "api key", "X-Auth-Token", "token", "tokens", "token_type", "pin", "pass", "PWD",
        "first_name", "birthdate", "ssn", "code", "cookie", "secretary", "session_id", "card", "call", "order", "id", "phone", "name", "value",
        "=", ": ", ":", "=>", " := ", '"', "'", '\\"', '\\\\\\"', "\\", "[", "]", "{", "}", "(", ")", ",", ", ", ";", "&", "?", "<", ">", "/>", "</",
        "&lt;", "&gt;", "<![CDATA[", "--", "-", " ", "  ", "\n", "\t", "\x0b", "\x1c", "é", "中", "\u017f", "%40", "%2540", "%3D", "%5B", "%zz", "%C3%A9",
        "\\u0040", "\\\\u003d", "@", "a@b.example", "a.b", "x", "b", "u", "hunter2", "bcdfghjkmnpqrstv", "1", "12", "4111", "1111", "4111111111111111",
        "378282246310005", "0612345678", "555", "234", "5678", "078", "05", "1120", "185057800608491", "2 85 05 2A 006 084 36", "GB29 NWBK 6016 1331 9268 19",
        "+33 6 12 34 56 78", "(", "+", "+(", ".", "ms", "rows", "_", "Bearer ", "basic ", "dXNlcjpw", "eyJhbGciOi", "eyJzdWIiOiJ.abcdefg.x", "ghp_", "a" * 24,
        "AKIAABCDEFGH12345678", "-----BEGIN RSA PRIVATE KEY-----", "-----END", "://", "postgres://u:p@ss@h/x", "http://a:80/x", "/", "/reset/", "reset-password",
        "/verify/abcdefg1/", "Cookie: ", "Authorization: ", "identified by ", "input_value=", "[redacted:password]", "[redacted:", "null", "****",
        "0x14ede", "Token{a64f992", "android.os.BinderProxy@2bd79ce", "is", "true",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join)
NAMES = st.sampled_from(
    ["password", "note", "api", "apis", "given", "api/key", "first.name", "key", "patient", "name", "value", "loc", "input", "header", "a@b.example", "message", "tokens", "phone", "event", "pin"]
) | st.text(max_size=5)  # fmt: skip
VALUES = st.recursive(
    TEXTS | st.integers(-(2**53), 2**53) | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


def storable(text: str) -> bool:
    """True for texts that Rust can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def declined(error: ValueError) -> bool:
    """True if the extension leaves a text to Python."""
    return str(error) in ("Masking", "Nested", "Json")


def compare_text(text: str, mode: Mode) -> None:
    """Both mask the same, and the filter reports what they change."""
    redactor, twin = both(mode)
    expected = redactor.redact_text(text)
    assert expected == text or twin.may_hold(text), text
    try:
        assert twin.text(text) == expected
    except ValueError as error:
        if not declined(error):
            raise


@given(TEXTS.filter(storable), st.sampled_from(MODES))
def test_texts_are_masked_alike(text: str, mode: Mode) -> None:
    """Of pieces of all notations, in any order."""
    compare_text(text, mode)


AROUND_NUMBERS = st.lists(
    st.sampled_from([
        "2026-11-23 10:00", "23.11.2026 10:00", "2026-11-23 10", "4111 1111 1111 1111", "4532333333333338", "0612345678",
        "10.0.0.1", "10.20.30.140", ".", "-", "1 2 3", "call ", "card ", "id", "order ", "'", "'id': ", '"user_id":"', '"order_id": "', '"id":', '"', '\\"', '":', '" : 1', ",", "{", " ", "(", "+", "1", ":00",
    ]),
    max_size=8,
)  # fmt: skip


@given(AROUND_NUMBERS)
def test_what_stands_around_a_number_says_the_same(pieces: list[str]) -> None:
    """Words before it, dates, and whether it is a name in JSON."""
    compare_text("".join(pieces), "mask")


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_events_are_masked_alike(extra: dict[str, Any]) -> None:
    """With nested objects, lists and pairs, in names and values."""
    event = {"correlation_id": "a", "message": str(extra)[:200], "extra": extra}
    written = json.dumps(event, ensure_ascii=False)
    if not storable(written):
        return
    redactor, twin = both()
    expected = redactor.redact_event(event) if redactor.suspicious(event) else event
    assert expected == redactor.redact_event(event)
    try:
        assert json.loads(twin.event(json.dumps(event))) == expected
    except ValueError as error:
        if not declined(error):
            raise


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.booleans(), st.sampled_from([None, 1, 12]))
@example({"password": "x", "note": 1e-05}, False, None)
@example({"api/key": "x", "client_ip": "10.203.111.254"}, True, None)
@example({"api/key": "x", "at": "2026-11-23 10:00:00.123456"}, True, None)
@example({"api/key": "x", "at": "2026-11-23T10:00:00.123456789Z"}, True, None)
@example({"note": "caf\u00e9 \u0000"}, True, None)
@example({"api": {"key": "x"}}, True, 1)
@example({"note": "\nAKIAABCDEFGH12345678"}, True, None)
@example({"password": "android.os.BinderProxy@2bd79ce"}, True, None)
@example({"loc": ["body", "api/key"], "input": "x"}, True, None)
def test_raw_lines_are_masked_alike(extra: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    """JSON by its fields; the rest of the text stays."""
    raw = json.dumps(extra, ensure_ascii=ascii_only, indent=indent)
    if not storable(raw):
        return
    redactor, twin = both()
    try:
        assert twin.raw(raw) == redactor.redact_raw(raw)
    except ValueError as error:
        if not declined(error):
            raise


@pytest.mark.parametrize("mode", MODES)
def test_planted_secrets_and_harmless_lines_are_masked_alike(mode: Mode) -> None:
    """None of them is declined."""
    random = Random(6)
    redactor, twin = both(mode)
    for _ in range(400):
        planted, (fields, _) = random.choice(KINDS)(random), field(random)
        text = f"refused {planted.text} at once"
        assert twin.text(text) == redactor.redact_text(text)
        assert twin.may_hold(text)
        for before in ("", "\n", "\t", '"', "\x01", "/", "é"):
            raw = json.dumps({"client_ip": "10.203.111.254", "note": f"refused{before}{planted.text}"})
            for line in (raw, raw.replace("/", "\\/")):
                assert twin.raw(line) == redactor.redact_raw(line)
        if mode == "mask":
            assert json.loads(twin.event(json.dumps({"extra": fields}))) == redactor.redact_event({"extra": fields})
            assert twin.raw(json.dumps(fields)) == redactor.redact_raw(json.dumps(fields))
    for line in (*[*corpus()][::4], *lines(7, 400)):
        assert twin.text(line) == redactor.redact_text(line)


@pytest.mark.parametrize(
    "piece",
    [
        "a@",
        "1 ",
        "41 ",
        "password=",
        "=[",
        "basic Aa1",
        "+1(",
        "--password ",
        "<password ",
        "/a-reset",
        "%41",
        "a=&",
        "GB29 ",
    ],
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    """They are masked as in Python, or declined after a bounded number of steps."""
    compare_text(piece * (30_000 // len(piece)), "mask")
