"""Levels and times in the prefixes of plain text."""

import pytest

from shipper_processors.levels import level_of, time_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("INFO:     Started server process [1]", "info"),
        ("ERROR:    Exception in ASGI application", "error"),
        ("WARNING:  StatReload detected changes", "warning"),
        ("INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.", "info"),
        ("[2026-11-24 00:12:05 +0000] [10921] [ERROR] Worker exiting", "error"),
        ("2026-11-24 00:12:05,123 ERROR sqlalchemy: gone", "error"),
        ("2026-11-24T00:12:05.5Z WARN  slow", "warning"),
        ("2026-11-24 00:12:05,123 [main] FATAL com.x.Y - no", "critical"),
        ("time=2026-11-24T00:12:05Z level=error msg=x", "error"),
        ("E1124 00:12:05.123456 1 main.go:1] no", "error"),
        ("[warn] odd", "warning"),
        ("hello: world", None),
        ("Request validation error: name", None),
        ("", None),
        ("INFORMATIONAL: x", None),
    ],
)
def test_level_is_read_from_its_prefix(text: str, level: str | None) -> None:
    """Each common style gives the schema's spelling; nothing else is guessed."""
    assert level_of(text) == level


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24 00:12:05,123 ERROR x", "2026-11-24 00:12:05,123"),
        ("[2026-11-24 00:12:05 +0000] [1] [INFO] x", "2026-11-24 00:12:05 +0000"),
        ("2026-11-24T00:12:05.123456+02:00 x", "2026-11-24T00:12:05.123456+02:00"),
        ("at 2026-11-24 00:12:05", None),
        ("x", None),
    ],
)
def test_leading_time_is_read(text: str, time: str | None) -> None:
    """A text line's own time is read if the line begins with it."""
    assert time_of(text) == time


@pytest.mark.timeout(10)
def test_long_hostile_lines_take_no_time() -> None:
    """Only the beginning is searched."""
    assert level_of("a=b " * 500_000) is None
    assert level_of("[" * 1_000_000) is None
