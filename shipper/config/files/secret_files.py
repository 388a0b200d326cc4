"""Secret files: secrets read from files that the configuration names, to keep them out of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shipper.config.layers import Layer, file_of, nearest_origin
from shipper.config.option_tree import SECRETS, KeyPath
from shipper.config.problems import Problem, dotted
from shipper_schemas.invalid import Invalid

MASK = "**********"
"""The text that pydantic shows instead of a secret."""
LONGEST = 65_536
"""Maximum size in bytes; a longer file was named by mistake."""


def with_secrets(values: dict[str, Any], layers: Sequence[Layer]) -> tuple[dict[str, Any], list[Problem]]:
    """Return `values` with the secrets of its `*_file` keys, and a problem for each that cannot be read."""
    problems = []
    for secret in SECRETS:
        file, value = _at(values, file_of(secret)), _at(values, secret)
        path: KeyPath = file_of(secret) if file else secret
        try:
            content = _content_of(secret, file, value)
        except Invalid as error:
            problems.append(Problem(dotted(path), error.what, nearest_origin(layers, path), error.hint))
        else:
            values = values if content is None else _with(values, secret, content)
    return values, problems


def _content_of(secret: tuple[str, ...], file: object, value: object) -> str | None:
    """Return the content of a secret's file; None if no file is named. Raises Invalid."""
    if file and value:
        raise Invalid(f"{dotted(secret)} is also set", "keep one of them")
    if value == MASK:
        raise Invalid("is the mask printed by `shipper config show`", "replace it with the secret")
    return _content(Path(file)) if isinstance(file, str | Path) and file else None


def _at(values: dict[str, Any], path: tuple[str, ...]) -> object:
    node: Any = values
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _with(values: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Return a copy with `value` at `path`; layers keep their original values."""
    key, *below = path
    return {**values, key: _with(values[key], tuple(below), value) if below else value}


def _content(path: Path) -> str:
    """Read the secret in a file, without surrounding whitespace. Raises Invalid."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}", "make it readable for this user") from error
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not text", "write the secret to it") from error
    if not text or len(content) > LONGEST:
        raise Invalid(f"{path} is {'too long' if text else 'empty'}", "write only the secret to it")
    return text
