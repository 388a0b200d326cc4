"""Ledger: values are shown once they are committed, not before."""

from collections import Counter

import pytest

from shipper.metrics.registry import Ledger
from shipper.model.batch import Tally
from shipper_schemas.metrics import Distribution, Increment, Metric

LOGINS = Metric("failed_login_attempts_total", "counter", "h", ("service",))
SECONDS = Metric("request_seconds", "histogram", "h", (), (0.1, 1.0))
KEY = (LOGINS.name, ("backend",))


def ledger() -> Ledger:
    """Return an empty ledger."""
    return Ledger({metric.name: metric for metric in (LOGINS, SECONDS)})


def test_increments_show_after_publish_only() -> None:
    """A value that a crash may undo is never shown."""
    books = ledger()
    books.add(Tally(Counter({KEY: 3})), 1.0)
    assert books.committed == {}
    assert books.changes() == {KEY: 3}
    books.publish()
    assert books.committed == {KEY: 3}
    assert books.changes() == {}


def test_uncommitted_batches_add_up() -> None:
    """Increments accumulate while the state is not writable."""
    books = ledger()
    for _ in range(3):
        books.add(Tally(Counter({KEY: 2})), 1.0)
    books.publish()
    assert books.committed[KEY] == 6


def test_declared_series_start_at_zero_once() -> None:
    """`increase()` sees the first event; a restart does not reset a value."""
    books = ledger()
    books.restore({KEY: 5.0}, {KEY: 1.0})
    books.declare([KEY, (LOGINS.name, ("other",))], 2.0)
    books.publish()
    assert books.committed == {KEY: 5.0, (LOGINS.name, ("other",)): 0.0}
    assert books.created[KEY] == 1.0


def test_observations_fall_into_their_buckets() -> None:
    """Buckets include their upper bound; larger values go to the last bucket."""
    books = ledger()
    books.add(Tally(observations=[Increment(SECONDS.name, (), value) for value in (0.05, 0.1, 0.5, 7)]), 1.0)
    books.publish()
    assert books.committed[SECONDS.name, ()] == Distribution([2, 1, 1], 7.65)


def test_a_shown_histogram_does_not_move_before_the_next_publish() -> None:
    """The committed value is never modified in place."""
    books = ledger()
    tally = Tally(observations=[Increment(SECONDS.name, (), 0.5)])
    books.add(tally, 1.0)
    books.publish()
    shown = books.committed[SECONDS.name, ()]
    books.add(tally, 1.0)
    assert isinstance(shown, Distribution)
    assert shown.counts == [0, 1, 0]


def test_kinds_are_not_mixed_up() -> None:
    """An increment of a counter for a histogram raises, and the reverse."""
    with pytest.raises(TypeError):
        ledger().add(Tally(Counter({(SECONDS.name, ()): 1})), 1.0)
    with pytest.raises(TypeError):
        ledger().add(Tally(observations=[Increment(*KEY, 1.0)]), 1.0)


def test_series_of_removed_metrics_are_not_shown() -> None:
    """A rule removed from the configuration disappears from /metrics; its value stays in the state."""
    books = ledger()
    books.restore({("old_total", ()): 5.0, KEY: 1.0}, {("old_total", ()): 1.0, KEY: 1.0})
    assert books.committed == {KEY: 1.0}


def test_published_values_are_replaced_and_never_modified() -> None:
    """Another thread that holds them reads one commit, without uncommitted values and series."""
    books = Ledger({LOGINS.name: LOGINS})
    books.add(Tally(Counter({KEY: 3})), 1.0)
    assert books.published.values == books.published.created == {}
    books.publish()
    held = books.published
    books.add(Tally(Counter({KEY: 4, (LOGINS.name, ("other",)): 4})), 2.0)
    assert books.published is held
    books.publish()
    assert (held.values, list(held.created)) == ({KEY: 3}, [KEY])
    assert books.published.values == {KEY: 7, (LOGINS.name, ("other",)): 4}
    assert books.published.created.keys() == books.published.values.keys()
    with pytest.raises(TypeError):
        books.published.values[KEY] = 0  # type: ignore[index]
    books.redeclare([SECONDS])
    assert (set(books.published.metrics), set(held.metrics)) == ({LOGINS.name, SECONDS.name}, {LOGINS.name})
