"""Option types of `shipper replay`."""

import os
from typing import Any

import click

from shipper_processors.sanitize import printable


class MappedPath(click.ParamType[tuple[str, str]]):
    """A path in a copy and the absolute original path."""

    name = "BACKUP=ORIGINAL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401
        """Return both paths, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        backup, separator, original = str(value).partition("=/")
        if not backup or not separator or "\0" in value:
            self.fail(f"invalid mapping {printable(value)!r}; expected BACKUP=/ORIGINAL, two paths", param, ctx)
        return backup, os.path.normpath(f"/{original.lstrip('/')}")
