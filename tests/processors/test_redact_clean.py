"""Texts that are known to hold nothing: the cache of their shapes hides nothing that the rules mask."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from shipper_processors.redact import Redactor
from shipper_processors.redact_clean import LONGEST, MOST_BYTES, CleanTexts, Shapes
from shipper_processors.redact_filter import TextFilter
from shipper_processors.redact_names import DEFAULT_FIELDS, NameRule
from tests.hazards.planted import CARRIERS
from tests.hazards.secret_kinds import KINDS

HARMLESS = (
    "job 12 took 0.123s",
    "GET /api/v1/patients/17 HTTP/1.1",
    "Dossier créé",
    "10.0.3.17:4711",
    "",
    "2A",
    "%41",
    '"',
)
ROUNDS = 8


def with_other_digits(text: str, random: Random) -> str:
    """Return a text of the same shape."""
    return "".join(random.choice("0123456789") if character in "0123456789" else character for character in text)


def texts(random: Random) -> Iterator[str]:
    """Yield texts with secrets of every kind, alone and between harmless ones, plain and as carriers write them."""
    for kind in KINDS:
        planted = kind(random)
        yield planted.text
        before, after = random.choice(HARMLESS), random.choice(HARMLESS)
        yield f"{before} {planted.text} {after}"
        yield random.choice([*CARRIERS.values()])(planted.text)


def rules() -> Redactor:
    """Return a redactor without a filter: with a pattern of its own, it examines every text."""
    return Redactor(extra_patterns={"never": "no text holds this"})


def clean(*fields: str) -> CleanTexts:
    """Return a fresh cache, for these names beside the secrets."""
    names = NameRule(fields or DEFAULT_FIELDS, secrets=True)
    return CleanTexts(TextFilter(names.listed), names)


@pytest.mark.parametrize("seed", range(4))
def test_a_shape_that_is_known_hides_no_secret(seed: int) -> None:
    """Whatever texts of the same shape were seen before, events and raw lines are masked as without a filter."""
    random, shared, oracle, ids = Random(seed), Redactor(), rules(), clean()
    text_filter = TextFilter(NameRule(DEFAULT_FIELDS, secrets=True).listed)
    for _ in range(ROUNDS // 4):
        for text in texts(random):
            for seen in (with_other_digits(text, random), with_other_digits(text, random), text):
                event: dict[str, Any] = {
                    "message": seen, "extra": {"note": seen, "list": [seen, {seen: 1}], "n": 7},
                }  # fmt: skip
                masked = oracle.redact_event(event)
                assert shared.suspicious(event) or masked == event, seen
                assert shared.redact_event(event) == masked, seen
                assert not (ids.is_id(seen) and text_filter.may_hold(seen, numbers=False)), seen
                for raw in (seen, json.dumps({"m": seen, "n": "x"}), json.dumps(event, ensure_ascii=False)):
                    assert shared.redact_raw(raw) == oracle.redact_raw(raw), raw


def test_a_text_of_a_known_shape_is_not_examined_again() -> None:
    """Other digits in the same places need no search."""

    class Counting(TextFilter):
        calls = 0

        def may_hold(self, text: str, *, numbers: bool = True, marked: bool = False) -> bool:
            """Count the calls."""
            self.calls += 1
            return super().may_hold(text, numbers=numbers, marked=marked)

    names = NameRule(DEFAULT_FIELDS, secrets=True)
    text_filter = Counting(names.listed)
    known = CleanTexts(text_filter, names)
    assert all(known.is_text(f"job {number} took 0.{number}s") for number in range(100, 200))
    assert all(known.is_id(f"{number:032x}") for number in range(100))
    assert text_filter.calls == 1


@pytest.mark.parametrize(
    ("harmless", "secret"),
    [
        ("ya31.aaaabbbbccccddddeeeeffffgggghhhh", "ya29.aaaabbbbccccddddeeeeffffgggghhhh"),
        ("at 3 85 05 4A 123 456 78 x", "at 1 85 05 2A 123 456 78 x"),
        ("%61aaaa bbbb", "a%40bbbb.example"),
        ("pin3: 7", "pin7: 7"),
    ],
)
def test_digits_that_decide_are_not_ignored(harmless: str, secret: str) -> None:
    """Keys with digits in their prefix, encoded characters, letters in numbers, and listed names with digits."""
    known = clean(*DEFAULT_FIELDS, "field7", "q7")
    assert known.is_text(harmless) in {True, False}
    assert not known.is_text(secret)


def test_a_listed_name_with_a_digit_is_recognised_after_its_neighbour() -> None:
    """`q6` of the same shape is harmless, `q7` is not."""
    redactor = Redactor(("zone seven q7q7q7",))
    assert not redactor.suspicious({"message": "zone seven q6q6q6 = x"})
    assert redactor.suspicious({"message": "zone seven q7q7q7 = x"})


def test_ids_are_examined_where_a_keyword_is_hexadecimal() -> None:
    """A configured name may have no other letters than an id."""
    assert clean().is_id("0af7651916cd43dd-8448eb211c80319c")
    assert clean("facade").is_id("0af7651916cd43dd")
    assert not clean("facade").is_id("1-facade-1")


def test_the_cache_is_bounded() -> None:
    """Long shapes are not kept, and a full cache starts again."""
    shapes = Shapes()
    shapes.add(b"x" * (LONGEST + 1))
    assert not shapes.known
    for number in range(2 * MOST_BYTES // LONGEST):
        shapes.add(b"%d" % number + b"x" * (LONGEST - 10))
        assert sum(map(len, shapes.known)) <= MOST_BYTES + LONGEST
