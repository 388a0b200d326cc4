"""Named files: secrets and certificates that configuration names by path, in keys that end in `_file`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = "_file"


def named_files(values: dict[str, Any]) -> Iterator[Path]:
    """The paths under keys that end in `_file`, at any depth."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from named_files(value)
        elif key.endswith(SUFFIX) and isinstance(value, str | Path) and value:
            yield Path(value)
