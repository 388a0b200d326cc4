"""What a batch came to, as the output tells it."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shipper.model.batch import DROPPED, DUPLICATE, INDEXED, OUTCOMES, QUARANTINED, Written, turned_out

numbers = st.integers(0, 50)


@given(*[numbers] * 7)
def test_each_event_is_told_once_as_what_it_became(
    new: int, known: int, refused: int, new_entries: int, known_entries: int, dead: int, dropped: int
) -> None:
    """Events stored, found and refused, and the same of entries of the quarantine: none changes places with another."""
    decided = Counter(
        {INDEXED: new + known + refused, QUARANTINED: new_entries + known_entries + dead, DROPPED: dropped}
    )
    written = Written(
        new + new_entries,
        known + known_entries,
        refused + dead,
        duplicate_entries=known_entries,
        refused_entries=dead,
    )
    found = turned_out(decided, written)
    assert {outcome: found[outcome] for outcome in OUTCOMES} == {
        INDEXED: new,
        QUARANTINED: new_entries + refused + dead,
        DUPLICATE: known + known_entries,
        DROPPED: dropped,
    }
