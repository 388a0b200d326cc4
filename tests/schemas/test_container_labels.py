"""Labels by which a container says how its entries are read."""

import pytest

from shipper_schemas.container_labels import paths_of, require_of


@pytest.mark.parametrize(
    ("value", "policy"),
    [("always", "always"), (" Never ", "never"), ("requests", "requests"), ("often", None), ("", None)],
)
def test_the_policy_is_read(value: str, policy: str | None) -> None:
    """An invalid one is ignored, as it would be if it were absent."""
    assert require_of({"shipper.require-correlation-id": value}) == policy


def test_the_paths_of_fields_are_read() -> None:
    """Of known fields, in their order, separated by commas."""
    labels = {
        "shipper.fields.message": "text, note",
        "shipper.fields.odd": "a",
        "shipper.fields.level": " , ",
        "x": "y",
    }
    assert paths_of(labels | {"shipper.fields.correlation_id": "ctx.order"}) == (
        ("correlation_id", ("ctx.order",)),
        ("message", ("text", "note")),
    )
