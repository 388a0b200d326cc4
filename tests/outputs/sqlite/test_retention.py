"""Retention: old days are deleted whole; today and unreleased entries are kept."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipper.model.documents import Document
from shipper.outputs.sqlite.clock_guard import WAIT_MS
from shipper.outputs.sqlite.day_file import MS_PER_DAY
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.retention import Expired
from shipper_processors.times import parse_ms

Make = Callable[..., Document]
MS_PER_HOUR = MS_PER_DAY // 24
NOW = parse_ms("2026-11-23T12:00:00Z") or 0
DAYS = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23")


@pytest.fixture
def store(tmp_path: Path, make: Make) -> Iterator[LocalStore]:
    """Four days, the last of which is today."""
    opened = LocalStore(tmp_path)
    opened.write([make(number, at=f"{day}T10:00:00Z") for number, day in enumerate(DAYS)])
    yield opened
    opened.close()


def left(store: LocalStore) -> list[str]:
    """Names of the existing files."""
    return sorted(path.name for path in store.directory.iterdir() if path.suffix == ".db")


def quarantined(make: Make, day: str) -> Document:
    """A quarantined document of that day."""
    return make(9, at=f"{day}T10:00:00Z", prefix="keneyapp-quarantine", raw="x", event=None, level=None)


def test_days_past_the_limit_go_with_all_their_files(store: LocalStore) -> None:
    """A limit of two days keeps today and the two days before."""
    assert store.expire(NOW, 2, None).indices == ["keneyapp-logs-2026.11.20"]
    assert not list(store.directory.glob("*2026.11.20*"))
    assert len(left(store)) == 3


def test_nothing_goes_without_a_limit(store: LocalStore) -> None:
    """No limit means that everything is kept."""
    assert store.expire(NOW, None, None).indices == []
    assert len(left(store)) == 4


def test_the_oldest_days_go_while_there_are_too_many_bytes(store: LocalStore) -> None:
    """The limit on bytes deletes whole days, oldest first, and no more than needed."""
    store.close()
    sizes = sum(path.stat().st_size for path in store.directory.iterdir())
    assert store.expire(NOW, None, sizes - 1).indices == ["keneyapp-logs-2026.11.20"]
    assert store.expire(NOW, None, sizes - 1).indices == []


def test_today_stays_whatever_the_limits(store: LocalStore) -> None:
    """Neither limit deletes the current day."""
    assert len(store.expire(NOW, 0, 0).indices) == 3
    assert left(store) == ["keneyapp-logs-2026.11.23.db"]


def test_unreleased_quarantine_goes_by_its_age_alone(store: LocalStore, make: Make) -> None:
    """Unreleased entries are deleted for their age, but not for disk space."""
    store.write([quarantined(make, "2026-11-20"), quarantined(make, "2026-11-21")])
    store.expire(NOW, 2, 0)
    assert left(store) == ["keneyapp-logs-2026.11.23.db", "keneyapp-quarantine-2026.11.21.db"]


def test_released_quarantine_goes_like_any_day(store: LocalStore, make: Make) -> None:
    """Released entries are in their main index, so their quarantine may be deleted when space is needed."""
    entry = quarantined(make, "2026-11-21")
    store.write([entry])
    store.mark_released(entry.index, entry.id.hex(), NOW)
    assert "keneyapp-quarantine-2026.11.21" in store.expire(NOW, None, 0).indices


def test_an_unreadable_quarantine_is_kept(store: LocalStore) -> None:
    """A damaged file may have unreleased entries, so it is not deleted for disk space."""
    (store.directory / "keneyapp-quarantine-2026.11.20.db").write_bytes(b"damaged" * 1000)
    assert "keneyapp-quarantine-2026.11.20" not in store.expire(NOW, None, 0).indices


def test_other_files_in_the_folder_are_left_alone(store: LocalStore) -> None:
    """Only day files are counted and deleted."""
    other = store.directory / "notes-of-2026.11.20.txt"
    other.write_text("mine")
    store.expire(NOW, 0, 0)
    assert other.exists()


def test_a_store_not_written_yet_has_nothing_to_expire(tmp_path: Path) -> None:
    """A missing folder is not an error."""
    assert LocalStore(tmp_path / "none").expire(NOW, 1, 1).indices == []


def test_a_day_that_was_deleted_can_be_written_again(store: LocalStore, make: Make) -> None:
    """A late entry of an expired day recreates its file."""
    store.expire(NOW, 1, None)
    assert store.write([make(50, at="2026-11-20T10:00:00Z")]).stored == 1


YEARS_AHEAD = NOW + 3 * 365 * MS_PER_DAY


def test_a_clock_that_jumped_ahead_deletes_nothing(store: LocalStore) -> None:
    """Neither at the first look nor later, and not after it was corrected."""
    store.expire(NOW, 30, None)
    for hours in range(0, 70, 10):
        expired = store.expire(YEARS_AHEAD + hours * MS_PER_HOUR, 30, None)
        assert expired == Expired([], YEARS_AHEAD + WAIT_MS)
    assert store.expire(NOW + MS_PER_HOUR, 30, None) == Expired([])
    assert len(left(store)) == 4


def test_a_store_that_was_never_looked_at_is_as_old_as_its_last_write(store: LocalStore) -> None:
    """An upgrade under a wrong clock deletes nothing either."""
    assert store.expire(YEARS_AHEAD, 30, None) == Expired([], YEARS_AHEAD + WAIT_MS)
    (store.directory / ".clock").write_text("{half")
    assert store.expire(YEARS_AHEAD, 30, None).indices == []
    assert len(left(store)) == 4


def test_after_a_long_stop_days_are_deleted_once_the_clock_has_gone_on(store: LocalStore) -> None:
    """A jump cannot be distinguished from a stop: the wait is the price."""
    store.expire(NOW, 30, None)
    later = NOW + 60 * MS_PER_DAY
    assert store.expire(later, 30, None).indices == []
    assert store.expire(later + MS_PER_DAY, 30, None).indices == []
    assert store.expire(later + 2 * MS_PER_DAY, 30, None).indices == []
    assert len(store.expire(later + WAIT_MS, 30, None).indices) == 4


def test_the_limit_on_bytes_holds_whatever_the_clock_says(store: LocalStore) -> None:
    """The disk is as full as it is."""
    store.expire(NOW, 30, None)
    assert len(store.expire(YEARS_AHEAD, 30, 0).indices) == 4
