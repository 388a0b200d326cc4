"""Secret files: a secret read from the file that configuration names, so that it stands in no configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shipper.config.layers import Layer, file_of, nearest_origin
from shipper.config.option_tree import SECRETS, KeyPath
from shipper.config.problems import Problem, dotted
from shipper_schemas.invalid import Invalid

MASK = "**********"
"""What pydantic shows instead of a secret."""
LONGEST = 65_536
"""Bytes; what is longer was named by mistake."""


def filled(values: dict[str, Any], layers: Sequence[Layer]) -> tuple[dict[str, Any], list[Problem]]:
    """`values` with the secrets that its `*_file` keys name, and what cannot be had of them."""
    problems = []
    for secret in SECRETS:
        file, given = _at(values, file_of(secret)), _at(values, secret)
        path: KeyPath = file_of(secret) if file else secret
        try:
            content = _settled(secret, file, given)
        except Invalid as error:
            problems.append(Problem(dotted(path), error.what, nearest_origin(layers, path), error.hint))
        else:
            values = values if content is None else _with(values, secret, content)
    return values, problems


def _settled(secret: tuple[str, ...], file: object, given: object) -> str | None:
    """What the file of a secret holds, None where it names none. Raises Invalid."""
    if file and given:
        raise Invalid(f"{dotted(secret)} is given too", "keep one of them")
    if given == MASK:
        raise Invalid("is the mask that `shipper config show` prints", "put the secret in its place")
    return _content(Path(file)) if isinstance(file, str | Path) and file else None


def _at(values: dict[str, Any], path: tuple[str, ...]) -> object:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _with(values: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A copy, since layers keep what they were given."""
    key, *below = path
    return {**values, key: _with(values[key], tuple(below), value) if below else value}


def _content(path: Path) -> str:
    """The secret in a file, without space around it. Raises Invalid."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", "make it readable for this user") from error
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} holds no text", "write the secret into it") from error
    if not text or len(content) > LONGEST:
        raise Invalid(f"{path} is {'too long' if text else 'empty'}", "write the secret alone into it")
    return text
