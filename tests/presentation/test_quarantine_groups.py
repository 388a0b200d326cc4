"""Groups of quarantined entries."""

from typing import Any

import pytest

from shipper.presentation import quarantine_groups
from shipper.presentation.quarantine_groups import Group, grouped


def entry(seconds: int, kinds: tuple[str, ...], event: object, service: str = "auth") -> dict[str, Any]:
    """A quarantined entry."""
    reasons = [{"kind": kind, "detail": "x"} for kind in kinds]
    time = f"2026-11-23T10:00:{seconds:02}.000Z"
    return {
        "@timestamp": time,
        "_id": f"{seconds:040}",
        "reasons": reasons,
        "event": event,
        "service": {"name": service},
    }


def test_entries_with_the_same_reasons_service_and_event_are_one_group() -> None:
    """The group with the newest entry comes first."""
    groups = grouped([
        entry(1, ("json_invalid",), None), entry(5, ("line_cut", "line_cut"), "login"), entry(2, ("json_invalid",), None),
        entry(3, ("json_invalid",), None, "shop"), entry(4, ("line_cut",), "login"), entry(0, ("a", "b"), 7),
    ])  # fmt: skip
    assert [(group.reasons, group.service, group.event, group.number, group.latest[17:19]) for group in groups] == [
        (("line_cut",), "auth", "login", 2, "05"),
        (("json_invalid",), "shop", "", 1, "03"),
        (("json_invalid",), "auth", "", 2, "02"),
        (("a", "b"), "auth", "", 1, "00"),
    ]
    assert groups[0].latest_id == f"{5:040}"


def test_the_number_of_groups_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Event names are data: entries beyond the bound are counted together."""
    monkeypatch.setattr(quarantine_groups, "MOST_GROUPS", 2)
    groups = grouped(entry(number, ("line_cut",), f"e-{number}") for number in range(10))
    assert [(group.service, group.event, group.number) for group in groups] == [
        ("others", "others", 8), ("auth", "e-1", 1), ("auth", "e-0", 1),
    ]  # fmt: skip


def test_a_group_without_an_event_is_null_in_json() -> None:
    """Programs can tell it from an empty name."""
    assert Group(("a",), "auth", "", 1, "t", "i").as_json() == {
        "reasons": ["a"], "service": "auth", "event": None, "entries": 1, "newest": "t", "newest_id": "i",
    }  # fmt: skip
