"""Escaping of hostile text."""

import unicodedata

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.sanitize import printable, printable_json

HOSTILE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07\x7f", r"\x1b[31mred\x07\x7f"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("abc\u202edcba\u2066\u200f", r"abc\u202edcba\u2066\u200f"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("tab\there\r\n", r"tab\there\r\n"),
        ("\ud800 lone", r"\ud800 lone"),
        ("\U000e0041 tag", r"\U000e0041 tag"),
        ("Zoë, 日本語, مرحبا, ½ €, 🙂", "Zoë, 日本語, مرحبا, ½ €, 🙂"),
    ],
)
def test_hostile_characters_are_shown_and_ordinary_ones_stay(text: str, shown: str) -> None:
    """Characters that could move a cursor, reorder or hide text become visible; ordinary text is unchanged."""
    assert printable(text) == shown


def test_newlines_stay_only_on_request() -> None:
    """A newline in a value cannot begin a forged line of output."""
    assert printable("a\nb\x1b", newlines=True) == "a\nb\\x1b"
    assert printable("a\nb") == r"a\nb"


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=50))
def test_no_control_survives(text: str) -> None:
    """No result contains a control, surrogate or line separator, and each can be encoded."""
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown} & HOSTILE_CATEGORIES
    shown.encode("utf-8")
    assert printable(shown) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
def test_json_made_printable_has_the_same_value(text: str) -> None:
    """Programs read the same value; a terminal gets no control characters."""
    written = orjson.dumps({"a": text}, option=orjson.OPT_INDENT_2).decode()
    shown = printable_json(written)
    assert orjson.loads(shown) == {"a": text}
    assert printable(shown, newlines=True) == shown
