"""Quarantined entries in groups of the same reasons, service and event."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shipper.presentation.format import Body, origin
from shipper_schemas.quarantine import kinds

OTHERS = "others"
MOST_GROUPS = 1000
"""Maximum number of groups; entries beyond them are one more group for each set of reasons."""


@dataclass(slots=True)
class Group:
    """Entries with the same reasons, service and event."""

    reasons: tuple[str, ...]
    service: str
    """The service, else the container or the file."""
    event: str
    """Empty if the entries have no event."""
    number: int = 0
    latest: str = ""
    """Time of the newest entry."""
    latest_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the group for programs."""
        return {
            "reasons": list(self.reasons),
            "service": self.service,
            "event": self.event or None,
            "entries": self.number,
            "newest": self.latest,
            "newest_id": self.latest_id,
        }


def grouped(entries: Iterable[Body]) -> list[Group]:
    """Return the groups of `entries`, the one with the newest entry first."""
    groups: dict[tuple[tuple[str, ...], str, str], Group] = {}
    for entry in entries:
        event, reasons = entry.get("event"), tuple(dict.fromkeys(kinds(entry)))
        key = (reasons, origin(entry), event if isinstance(event, str) else "")
        if key not in groups and len(groups) >= MOST_GROUPS:
            key = (reasons, OTHERS, OTHERS)
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(*key)
        group.number += 1
        stamp = str(entry.get("@timestamp"))
        if stamp >= group.latest:
            group.latest, group.latest_id = stamp, str(entry.get("_id", ""))
    return sorted(groups.values(), key=lambda group: (group.latest, group.number), reverse=True)
