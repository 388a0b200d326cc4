"""The quarantined entries that match a search."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from shipper_schemas.quarantine import kinds

MOST_COUNTED = 1000
"""Maximum number of quarantined entries that a search counts."""


class QuarantineMatches(NamedTuple):
    """The number of quarantined entries that match a query, and their reasons."""

    number: int = 0
    complete: bool = True
    """False if there may be more: the count ended at its bound of entries or of time."""
    reasons: tuple[tuple[str, int], ...] = ()
    """Each kind of violation with the number of its entries, the most frequent first."""

    @classmethod
    def of(cls, entries: Iterable[dict[str, Any]], *, complete: bool = True) -> "QuarantineMatches":
        """Count `entries`, up to the maximum."""
        number, reasons = 0, Counter[str]()
        for entry in entries:
            if number == MOST_COUNTED:
                complete = False
                break
            number += 1
            reasons.update(dict.fromkeys(kinds(entry), 1))
        return cls(number, complete, tuple(reasons.most_common()))
