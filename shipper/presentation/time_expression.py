"""Time expressions: times as people type them."""

import re

from shipper_processors.times import parse_ms

UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_AGO = re.compile(r"(?:\d{1,9}[smhdw])+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_when(text: str, now_ms: int) -> int:
    """Parse a time to milliseconds since the epoch.

    Accepts RFC 3339, a date (its start in UTC), `now`, and an age such as `15m` or `1h30m`. Raises ValueError with the
    accepted forms.
    """
    stripped = text.strip()
    if stripped.lower() == "now":
        return now_ms
    if _AGO.fullmatch(stripped.lower()):
        parts = re.findall(r"(\d{1,9})([smhdw])", stripped.lower())
        return max(0, now_ms - sum(int(number) * UNIT_MS[unit] for number, unit in parts))
    time_ms = parse_ms(f"{stripped}T00:00:00Z" if _DATE.fullmatch(stripped) else stripped)
    if time_ms is None:
        message = f"invalid time {text!r}; expected 2026-11-23T10:00:00Z, 2026-11-23, or an age: 15m, 2h, 3d"
        raise ValueError(message)
    return time_ms
