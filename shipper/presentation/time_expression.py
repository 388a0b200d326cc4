"""When: a time as a person types it."""

import re

from shipper_processors.times import parse_ms

UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_AGO = re.compile(r"(?:\d{1,9}[smhdw])+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_when(text: str, now_ms: int) -> int:
    """Milliseconds since the epoch of an RFC 3339 time, a date (its first moment in UTC), `now`, or `15m`, `1h30m` ago.

    Raises ValueError, whose text tells a person what can be given.
    """
    asked = text.strip()
    if asked.lower() == "now":
        return now_ms
    if _AGO.fullmatch(asked.lower()):
        pieces = re.findall(r"(\d{1,9})([smhdw])", asked.lower())
        return max(0, now_ms - sum(int(number) * UNIT_MS[unit] for number, unit in pieces))
    found = parse_ms(f"{asked}T00:00:00Z" if _DATE.fullmatch(asked) else asked)
    if found is None:
        message = f"{text!r} is no time: give 2026-11-23T10:00:00Z, 2026-11-23, or how long ago: 15m, 2h, 3d"
        raise ValueError(message)
    return found
