"""Durations and sizes in human notation: `250ms`, `1m`, `7d`; `4MiB`, `500k`."""

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}
BYTES = {
    "": 1, "b": 1, "k": 1000, "kb": 1000, "kib": 1024, "m": 10**6, "mb": 10**6, "mib": 1024**2,
    "g": 10**9, "gb": 10**9, "gib": 1024**3, "t": 10**12, "tb": 10**12, "tib": 1024**4,
}  # fmt: skip
DURATIONS = "a duration such as 250ms, 30s, 5m, 12h or 7d"
SIZES = "a size such as 512KiB, 4MiB or 10GB"
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)", re.ASCII)


def duration(value: object) -> object:
    """Return a duration in seconds; numbers are seconds. Raises ValueError with the accepted forms."""
    return _quantity(value, SECONDS, DURATIONS)


def size(value: object) -> object:
    """Return a size in bytes; numbers are bytes. Raises ValueError with the accepted forms."""
    quantity = _quantity(value, BYTES, SIZES)
    return round(quantity) if isinstance(value, str) and isinstance(quantity, float) else quantity


def _quantity(value: object, units: dict[str, Any], expected: str) -> object:
    if isinstance(value, bool):  # a number in Python, but a mistake in a configuration
        raise ValueError(f"expected {expected}")  # noqa: TRY004 -- pydantic reports ValueError
    if not isinstance(value, str):
        return value
    match = QUANTITY.fullmatch(value.strip())
    if match is None or match[2].lower() not in units:
        raise ValueError(f"expected {expected}")
    quantity = float(match[1]) * units[match[2].lower()]
    if not math.isfinite(quantity):
        raise ValueError(f"expected {expected}")
    return quantity


def format_duration(seconds: float) -> str:
    """Format a duration in the largest unit that divides it."""
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:g}{unit}"
    return f"{seconds * 1000:g}ms"


def format_size(number: int) -> str:
    """Format a size in the largest binary unit that divides it."""
    for unit in ("GiB", "MiB", "KiB"):
        if number and number % BYTES[unit.lower()] == 0:
            return f"{number // BYTES[unit.lower()]}{unit}"
    return str(number)


Duration = Annotated[
    float,
    Field(allow_inf_nan=False),
    BeforeValidator(duration),
    PlainSerializer(format_duration),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "description": "seconds"}, {"type": "string", "description": DURATIONS}]}
    ),
]
"""Seconds."""
Size = Annotated[
    int,
    BeforeValidator(size),
    PlainSerializer(format_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "description": "bytes"}, {"type": "string", "description": SIZES}]}),
]
"""Bytes."""
