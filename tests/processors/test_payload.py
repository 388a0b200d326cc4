"""Payloads: JSON is read leniently without loss, and all other texts are recognised."""

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.payload import DEEPEST, decode_payload, storable
from shipper_schemas.violation import Kind


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('{"a":1}', "structured"),
        (' \ufeff{"a":1}\r', "structured"),
        ("{}", "structured"),
        ("[1]", "text"),
        ('"x"', "text"),
        ("{not json", "text"),
        ("{'event': 'python repr'}", "broken"),
        ('{"a":', "broken"),
        ('{"a":1} trailing', "structured"),
        ('{"a":1,}', "structured"),
        ('["a",', "text"),
        ("", "blank"),
        (" \t ", "blank"),
        ('INFO:     10.0.0.1:0 - "GET / HTTP/1.1" 200 OK', "access"),
        ("hello", "text"),
    ],
)
def test_shapes_are_recognised(text: str, shape: str) -> None:
    """A JSON object, a broken one, an access line, plain text, a blank text."""
    assert decode_payload(text)[0] == shape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"event":"login_failed","x":"\x1b[31m"}', {"event": "login_failed", "x": "\x1b[31m"}),
        ('{"event":"e","x":"a\tb"}', {"event": "e", "x": "a\tb"}),
        ('{"event":"e","x":NaN}', {"event": "e", "x": "nan"}),
        ('{"event":"e","x":-Infinity}', {"event": "e", "x": "-inf"}),
        ('{"event":"e","x":1e999}', {"event": "e", "x": "inf"}),
        ('{"event":"e","x":"\\ud800"}', {"event": "e", "x": "\ufffd"}),
        ('{"event":"e","\\udfff":1}', {"event": "e", "\ufffd": 1}),
        ('{"event":"a","event":"b"}', {"event": "b"}),
    ],
)
def test_odd_json_hides_no_event(text: str, expected: dict[str, object]) -> None:
    """Nothing that a client smuggles into a string or a number keeps a failed login from being counted."""
    assert decode_payload(text)[1] == expected


def test_too_deep_json_is_rejected_with_the_reason() -> None:
    """Ten thousand levels neither crash nor hang."""
    shape, _, violation = decode_payload('{"a":' * 10_000 + "1" + "}" * 10_000)
    assert shape == "broken"
    assert violation is not None
    assert violation.kind == Kind.JSON_INVALID
    assert str(DEEPEST) in violation.detail


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_storable_values_can_be_encoded(fields: dict[str, object]) -> None:
    """Every value from Python's lenient reader can be encoded."""
    orjson.dumps(storable(fields))


@given(st.text())
def test_any_text_has_a_shape(text: str) -> None:
    """Nothing raises."""
    shape, fields, _ = decode_payload(text)
    assert shape == "blank" or fields or text.strip("\ufeff \t") == "{}"


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"))
    )
)
def test_json_objects_are_unchanged(fields: dict[str, object]) -> None:
    """Decoding does not change ordinary objects."""
    assert decode_payload(json.dumps(fields))[1] == fields
    assert not any(isinstance(value, float) and math.isnan(value) for value in fields.values())


def test_the_message_of_a_stack_behind_a_head_of_two_lines_is_whole() -> None:
    """.NET's console writes the message on the line after the level."""
    text = "fail: Shop.Cart[0]\n      no template\nSystem.InvalidOperationException: boom\n   at Shop.Cart.Pay() in /a.cs:line 3"
    shape, fields, _ = decode_payload(text)
    assert shape == "text"
    assert fields["level"] == "error"
    if "exception" in fields:
        assert fields["message"] == "fail: Shop.Cart[0]\n      no template"
