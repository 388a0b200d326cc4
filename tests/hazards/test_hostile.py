"""Hostile content, shown by every face: what each of them does with each entry of `tests.hazards.hostile`."""

import orjson
import pytest

from tests.hazards.hostile import ENTRIES, documents


@pytest.fixture(scope="module")
def bodies() -> dict[str, bytes]:
    """What each entry is stored as, by its name."""
    return dict(zip(ENTRIES, (document.body for document in documents()), strict=True))


@pytest.mark.parametrize("name", ENTRIES)
def test_hostile_entry_is_one_document_and_none_that_we_failed_on(bodies: dict[str, bytes], name: str) -> None:
    """It is stored or refused for a reason of its own: nothing that is logged makes the chain fail."""
    found = orjson.loads(bodies[name])
    assert "internal_error" not in [reason["kind"] for reason in found.get("reasons", [])]
