"""References: paths of secrets and certificates in keys that end in `_file`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = "_file"


def named_files(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Path]]:
    """Yield dotted keys that end in `_file`, at any depth, and the paths they name."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from named_files(value, f"{above}{key}.")
        elif key.endswith(SUFFIX) and isinstance(value, str | Path) and value:
            yield f"{above}{key}", Path(value)
