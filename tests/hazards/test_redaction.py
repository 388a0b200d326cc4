"""A sample of what `make secrets` checks whole: secrets of every kind in every place, and harmless lines."""

from random import Random

import pytest

from shipper_processors.redact import Redactor
from tests.hazards.harmless_lines import corpus
from tests.hazards.redaction_check import changed, harmless, leaks
from tests.hazards.secret_kinds import FIELDS, KINDS, field


def test_no_secret_of_any_kind_is_shown_anywhere() -> None:
    """In fields, nested, in texts, traces, quarantine, label values and explanations."""
    assert leaks(2, 80) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_masked_once(kind: "object") -> None:
    """Masked text is not masked again, in mode `mask` and in mode `hash`."""
    random = Random(3)
    for redactor in (Redactor(), Redactor(key=b"k", mode="hash")):
        for _ in range(20):
            planted = kind(random)  # type: ignore[operator]
            masked = redactor.redact_text(f"refused {planted.text} at once")
            assert not any(part in masked for part in planted.parts), planted.text
            assert redactor.redact_text(masked) == masked


def test_every_field_that_holds_a_secret_is_noticed() -> None:
    """The filter reports each, in a process that has seen others before."""
    random, redactor = Random(4), Redactor()
    for _ in range(10 * len(FIELDS)):
        fields, planted = field(random)
        assert redactor.suspicious({"extra": fields}), fields
        assert planted.text not in str(redactor.redact_event({"extra": fields}))


def test_harmless_lines_stay_as_they_are() -> None:
    """At most one in a thousand is changed."""
    assert len([*corpus()]) > 1000
    assert len(changed(harmless(5, 4000))) <= 4
