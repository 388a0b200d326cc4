"""Damaged JSON: what is complete is read, and nothing is guessed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.lenient_json import (
    holds_document,
    is_unfinished_object,
    members,
    read_closed,
    read_object,
    repaired,
    without_colours,
)
from shipper_processors.payload import decode_payload
from shipper_schemas.violation import Kind

LINE = '{"event":"login_failed","correlation_id":"a1","n":12,"ctx":{"b":[1]},"msg":"long text"}'


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (LINE[:-1], {"event": "login_failed", "correlation_id": "a1", "n": 12, "ctx": {"b": [1]}, "msg": "long text"}),
        (LINE[:-4], {"event": "login_failed", "correlation_id": "a1", "n": 12, "ctx": {"b": [1]}}),
        ('{"event":"a","n":12', {"event": "a"}),
        ('{"event":"a","n":tru', {"event": "a"}),
        ('{"event":"a","n"', {"event": "a"}),
        ('{"event":"lo', {}),
        ('{ "event" : "a" , "x', {"event": "a"}),
        ("{", {}),
        ("no object", {}),
        ('{"a":1,,"b":2', {"a": 1}),
    ],
)
def test_complete_members_of_a_cut_object_are_read(text: str, content: dict[str, Any]) -> None:
    """A number that reaches the cut may lack digits, and is left out."""
    assert members(text) == content


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"a":1,}', {"a": 1}),
        ('{"a":[1,2,],"b":{"c":3, },}', {"a": [1, 2], "b": {"c": 3}}),
        ('{"a":",}",}', {"a": ",}"}),
        ('{"a":"\\",}",}', {"a": '",}'}),
        ('{"a":1,', None),
        ("{,}", {}),
        ('{"a":1,} more', None),
        ('{"a" 1,}', None),
    ],
)
def test_commas_before_a_closing_bracket_are_removed(text: str, content: dict[str, Any] | None) -> None:
    """In objects and arrays, but not in strings."""
    assert repaired(text) == content


@pytest.mark.parametrize(
    "text",
    [
        f"{LINE},", f"{LINE};", f"{LINE}\r", f"{LINE}\0", f"\0\0\0{LINE}", f"\x1b[0m{LINE}", f"{LINE}\x1b[0m", f"\ufeff{LINE}",
        f"\x1e{LINE}", f"  {LINE}\t", LINE[:-1] + ",}", f"{LINE}'", f"{LINE}x", f"{LINE}]", f"{LINE}}}", LINE.replace("long", "lo\x01\tng"),
        f"\x1b[2m\x1b[32m{LINE}\x1b[0m\x1b[K",
    ],
)  # fmt: skip
def test_nothing_around_an_event_hides_it(text: str) -> None:
    """Blanks, NULs, colours, commas and single characters around an object."""
    shape, fields, _ = decode_payload(text)
    assert shape == "structured"
    assert fields["event"] == "login_failed"
    assert fields["correlation_id"] == "a1"


@pytest.mark.parametrize("end", [f"{LINE}x", f"{LINE} and more", f'{LINE}{{"torn'])
def test_text_behind_an_object_is_reported(end: str) -> None:
    """The object counts, and the violation says that there is more."""
    shape, _, violation = decode_payload(end)
    assert shape == "structured"
    assert violation is not None
    assert violation.kind is Kind.JSON_INVALID


def test_a_cut_object_counts_and_a_torn_one_does_not() -> None:
    """At the limit of a line the beginning is kept on purpose; a torn record is written again by its writer."""
    text = LINE[:60]
    assert decode_payload(text, cut=True)[:2] == (
        "structured",
        {"event": "login_failed", "correlation_id": "a1", "n": 12},
    )
    shape, fields, violation = decode_payload(text)
    assert shape == "broken"
    assert fields == {"event": "unstructured", "correlation_id": "a1", "message": text}
    assert violation is not None
    assert violation.kind is Kind.JSON_INVALID


def test_a_broken_object_keeps_level_time_and_id() -> None:
    """They are the search keys of a line that is stored as text."""
    text = '{"time":"2026-11-30T11:37:18Z","level":"WARN","request_id":"a1","msg":"x'
    _, fields, _ = decode_payload(text)
    assert fields == {
        "event": "unstructured",
        "level": "warning",
        "correlation_id": "a1",
        "time": "2026-11-30T11:37:18Z",
        "message": text,
    }


def test_placeholders_are_no_id() -> None:
    """`-` in a broken object joins nothing."""
    assert "correlation_id" not in decode_payload('{"correlation_id":"-","request_id":"null","msg":"x')[1]


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers()), min_size=1), st.data())
def test_members_of_any_cut_are_members_of_the_whole(content: dict[str, Any], data: st.DataObject) -> None:
    """No cut gives a value that was not logged."""
    text = json.dumps(content)
    at = data.draw(st.integers(0, len(text)))
    kept = members(text[:at])
    assert (
        kept.items() <= content.items()
        if not any(isinstance(value, list) for value in content.values())
        else set(kept) <= set(content)
    )
    assert all(content[key] == value for key, value in kept.items())


def test_an_object_is_read_with_its_end() -> None:
    """Only objects; raw control characters in strings are accepted."""
    assert read_object('x{"a":"b\n"}y', 1) == ({"a": "b\n"}, 11)
    with pytest.raises(ValueError, match="not a JSON object"):
        read_object("[1]")


def test_an_integer_of_any_length_hides_no_event() -> None:
    """Python refuses to convert more than 4300 digits."""
    shape, fields, _ = decode_payload('{"event":"login_failed","n":' + "1" * 10_000 + "}")
    assert (shape, fields["event"], fields["n"]) == ("structured", "login_failed", "1" * 10_000)


def test_colours_are_removed() -> None:
    """Sequences that colour or clear; other escapes stay."""
    assert without_colours("\x1b[2m\x1b[32;1mx\x1b[0m\x1b[K \x1b]0;t") == "x \x1b]0;t"


@pytest.mark.parametrize(
    "fault",
    [
        r'"ua":"a \x22 \q b"', '"x":undefined', '"x":True', '"x":007', '"x":+1', '"x":.5', '"x":0x1F', '"x":', "x:1",
        '/* c */"x":1', '"x":1,', '"x":' + "[" * 5000 + "]" * 5000, '"x"\0:\x1b1',
        r'"x":{"y":"\x41"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_a_fault_inside_an_object_hides_no_event(fault: str, first: bool) -> None:
    """An escape as nginx writes it, a value that is none, nesting without end: the other members are read."""
    members = [fault, '"event":"login_failed"']
    text = "{" + ",".join(members if first else members[::-1]) + "}"
    shape, fields, violation = decode_payload(text)
    assert shape == "structured"
    assert fields["event"] == "login_failed"
    assert violation is None or violation.kind is Kind.JSON_INVALID


def test_an_escape_as_nginx_writes_it_is_decoded() -> None:
    """`log_format` without `escape=json`."""
    fields = decode_payload(r'{"ua":"a \x22b\x22 \u00e9","status":401}')[1]
    assert fields == {"ua": 'a "b" \u00e9', "status": 401}


def test_what_is_left_out_stays_in_the_message() -> None:
    """The text is stored as the message if a value cannot be read."""
    text = '{"event":"e","message":"m","x":007}'
    assert decode_payload(text)[1] == {"event": "e", "message": text}


@pytest.mark.parametrize(
    "text",
    [
        '{"a":"said "b","event":"login_failed","c":"d"}',
        '{"a":"x","b":\'{"event":"login_failed"}\'}',
        "{'a':'x','event':'login_failed'}",
        '{"a":"b","event":"login_failed"',
    ],
)
def test_a_string_that_is_not_whole_gives_no_member(text: str) -> None:
    """What could be a part of a string, or is torn, is never taken for an event."""
    assert decode_payload(text)[1].get("event") != "login_failed"


@given(st.text(st.sampled_from('"\\\\{}[],:ax1 \x1b\0'), max_size=30))
def test_the_lenient_reader_agrees_with_json(text: str) -> None:
    """Valid objects are read alike; no text raises."""
    try:
        expected = json.loads("{" + text + "}", strict=False)
    except (ValueError, RecursionError):
        read_closed("{" + text + "}")
        return
    assert read_closed("{" + text + "}") == (expected, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1}', True),
        ('{"a":1},', True),
        ('{"a":1}{"b":2}', True),
        ('{"ev{"a":1}', True),
        ('{"a": 1}["a"]', False),
        ('{}["card"]', False),
        ("{}", False),
        ('{"a":1', False),
    ],
)
def test_documents_are_told_from_code(text: str, *, expected: bool) -> None:
    """A document ends where the text ends, or where another begins."""
    assert holds_document(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [('{"a":1,"b', True), ('\ufeff {"a":', True), ('{"a":1} x', False), ("text", False)]
)
def test_unfinished_objects_are_recognised(text: str, *, expected: bool) -> None:
    """What follows a whole object does not matter."""
    assert is_unfinished_object(text) is expected
