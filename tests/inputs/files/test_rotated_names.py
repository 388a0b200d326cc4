"""Names of rotated files, and their order."""

import pytest

from shipper.inputs.files.rotated_names import base_name, oldest_first


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("app.log.1", "app.log"),
        ("app.log.12.gz", "app.log"),
        ("app.log.12.zst", "app.log"),
        ("app.log-20261123.xz", "app.log"),
        ("app.log.3.bz2", "app.log"),
        ("app.log.3.lz4", "app.log"),
        ("app.log.3.zip", None),
        ("0.log.20261123-101010", "0.log"),
        ("0.log.20261123-101010.gz", "0.log"),
        ("app.log-20261123", "app.log"),
        ("app.log-20261123.gz", "app.log"),
        ("app.log-20261123-1795428000.gz", "app.log"),
        ("app.log-1795428000", "app.log"),
        ("app.log-2026-11-23", "app.log"),
        ("app.log-2026-11-23-1795428000", "app.log"),
        ("app.log.2026-11-23", "app.log"),
        ("app.log.2026-11-23_10", "app.log"),
        ("app.log.2026-11-23_10-10", "app.log"),
        ("app.log.2026-11-23_10-10-10.gz", "app.log"),
        ("abc-json.log.3", "abc-json.log"),
        ("app.log", None),
        ("app.log.gz", None),
        ("0.log", None),
        ("app.log.old", None),
        ("4f2a.log", None),
        ("app.log.2026-23-11", None),
    ],
)
def test_rotated_names_lead_to_their_log(name: str, base: str | None) -> None:
    """Docker's, logrotate's, the kubelet's and Python's names, compressed or not."""
    assert base_name(name) == base


def test_numbers_count_back_in_time() -> None:
    """The highest number is the oldest, `.10` older than `.9`."""
    names = ["a.log", "a.log.1", "a.log.10.gz", "a.log.9.gz", "a.log.2", "b.log.3", "a.log.x"]
    assert oldest_first("a.log", names) == ["a.log.10.gz", "a.log.9.gz", "a.log.2", "a.log.1"]


def test_times_count_forward() -> None:
    """The kubelet's earliest time is the oldest."""
    names = ["0.log", "0.log.20261124-000000", "0.log.20261123-101010.gz", "0.log.20261123-235959"]
    assert oldest_first("0.log", names) == names[2:3] + names[3:4] + names[1:2]


def test_a_compressed_copy_is_skipped_while_it_is_written() -> None:
    """If `.1` and `.1.gz` both exist, `.1` is complete and `.1.gz` may not be."""
    assert oldest_first("a.log", ["a.log.1", "a.log.1.gz", "a.log.2.gz"]) == ["a.log.2.gz", "a.log.1"]
