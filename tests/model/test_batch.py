"""Outcomes of a batch after the output's result."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shipper.model.batch import DROPPED, DUPLICATE, INDEXED, OUTCOMES, QUARANTINED, Written, final_outcomes

numbers = st.integers(0, 50)


@given(*[numbers] * 7)
def test_each_event_has_one_final_outcome(
    new: int, known: int, refused: int, new_entries: int, known_entries: int, dead: int, dropped: int
) -> None:
    """Stored, duplicate and rejected events, and the same for quarantined entries: no outcome takes over another's events."""
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
    outcomes = final_outcomes(decided, written)
    assert {outcome: outcomes[outcome] for outcome in OUTCOMES} == {
        INDEXED: new,
        QUARANTINED: new_entries + refused + dead,
        DUPLICATE: known + known_entries,
        DROPPED: dropped,
    }
