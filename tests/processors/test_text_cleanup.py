"""Texts are cleaned before anything is decided, and nothing but decoration is dropped."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.text_cleanup import clean

EVENT = '{"event":"login_failed"}'


@pytest.mark.parametrize(
    "text",
    [
        f"\x1b[0m{EVENT}",
        f"{EVENT}\x1b[0m",
        f"\x1b[1;31m{EVENT}\x1b[m\r",
        f"\r{EVENT}\r\r",
        f"\ufeff{EVENT}",
        f"\0\0\0{EVENT}\0\0",
        f"\0\ufeff\r{EVENT}",
        f"\x1b]8;;http://x.y/z\x1b\\{EVENT}\x1b]8;;\x07",
        f"\x1b[38;2;255;0;0m{EVENT}\x1b[2K\x1b[?25h",
    ],
)
def test_what_stands_around_an_event_is_dropped(text: str) -> None:
    """Colours, links, carriage returns, byte order marks and NULs do not hide an event."""
    assert clean(text) == EVENT


def test_colours_inside_a_text_are_dropped() -> None:
    """A console's line is what a person reads in it."""
    assert clean("\x1b[90m11:37\x1b[0m \x1b[31mERR\x1b[0m \x1b[1mfailed\x1b[0m") == "11:37 ERR failed"


@pytest.mark.parametrize("text", ["a\x1b[ 401", 'a\x1b]0; HTTP/1.1" 401 "\x07', "a\x1b", "a\x1b[", "a\0b", "a\rb"])
def test_what_is_not_certainly_decoration_stays(text: str) -> None:
    """An unfinished sequence swallows nothing that follows it; control characters inside a text stay."""
    assert clean(text) == text


def test_of_a_progress_bar_the_last_state_is_kept() -> None:
    """Only if every segment is a state of it: a record after a carriage return is not dropped or taken as a whole."""
    assert clean(" 10%|#   | 1/10\r 50%|##  | 5/10\r100%|####| 10/10\r") == "100%|####| 10/10"
    mixed = f"GET /50% \r{EVENT}"
    assert clean(mixed) == mixed


@given(st.text(max_size=50), st.sampled_from(["\x1b[31m", "\x1b[0m", "\x1b]0;x\x07", "\x1b(B"]))
def test_a_sequence_inside_json_takes_nothing_with_it(value: str, sequence: str) -> None:
    """Whatever stands around it, the object stays the object."""
    text = json.dumps({"a": value, "b": 401})
    assert clean(sequence + text + sequence) == text


@pytest.mark.timeout(10)
def test_hostile_texts_take_linear_time() -> None:
    """A megabyte of beginnings of sequences, and of carriage returns."""
    for unit in ("\x1b[", "\x1b]0;", "\x1b[0;", "1%\r", "\0", "\r"):
        clean(unit * (1_000_000 // len(unit)))


@pytest.mark.parametrize("torn", ["\x1b", "\x1b[", "\x1b[31", "\x1b[0;3"])
def test_a_torn_sequence_before_a_document_is_dropped(torn: str) -> None:
    """It would hide the document."""
    assert clean(torn + '{"event":"login_failed"}') == '{"event":"login_failed"}'
