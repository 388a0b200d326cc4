"""The bound of services: admitted ones stay, further ones share a series."""

import pytest

from shipper.metrics.catalogue import LINES_READ, WITH_OR_NEEDING_ID, WITHOUT_ID
from shipper.pipeline.service_bounds import ServiceBounds


def test_services_of_a_saved_state_count_under_the_bound() -> None:
    """After a restart the same services have series of their own, and no further ones."""
    saved = {(WITHOUT_ID.name, ("a",)): 1.0, (WITH_OR_NEEDING_ID.name, ("b", "accepted")): 1.0}
    other = {(WITHOUT_ID.name, ("other",)): 1.0, ("visits_total", ("c",)): 1.0, (LINES_READ.name, ()): 1.0}
    bounds = ServiceBounds({**saved, **other}, most=3)
    assert [bounds.bounded(name) for name in ("d", "e", "a", "b")] == ["d", "other", "a", "b"]


def test_a_state_beyond_the_bound_keeps_its_services() -> None:
    """Their series exist already."""
    bounds = ServiceBounds([(WITHOUT_ID.name, (name,)) for name in "abc"], most=2)
    assert [bounds.bounded(name) for name in "abcd"] == ["a", "b", "c", "other"]


def test_series_computed_elsewhere_are_bounded_by_their_service() -> None:
    """Only those of the metrics of ids; their other labels stay."""
    bounds = ServiceBounds(most=1)
    series = [(WITHOUT_ID.name, ("a",)), (WITH_OR_NEEDING_ID.name, ("b", "quarantined")), ("visits_total", ("b",))]
    assert [bounds.bounded_series(key) for key in series] == [
        (WITHOUT_ID.name, ("a",)),
        (WITH_OR_NEEDING_ID.name, ("other", "quarantined")),
        ("visits_total", ("b",)),
    ]


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\u202eb", "x" * 500, "two\nlines"])
def test_a_name_that_may_mislead_has_no_series_of_its_own(name: str) -> None:
    """Names come from the labels of containers, and from there into metrics that people print."""
    assert ServiceBounds().bounded(name) == "other"
