"""Declared: what the settings say of a key - whether it exists, what it holds, whether it is secret."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from shipper.config.settings import Settings

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys of mappings as the file spells them, and places in lists."""


def keys(annotation: object) -> dict[str, Any]:
    """What a section's keys hold, by the name that the file uses; empty where it is no section."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return {}
    return {info.alias or name: info.annotation for name, info in annotation.model_fields.items()}


def held_at(path: KeyPath, root: object = Settings) -> object:
    """The annotation of what stands at `path` below `root`; None where nothing is declared there."""
    found: object = root
    for part in path:
        found = _held_by(found, part)
    return found


def _held_by(annotation: object, part: str | int) -> object:
    for choice in choices(annotation):
        origin, held = get_origin(choice), get_args(choice)
        if origin is dict or (origin is list and isinstance(part, int)):
            return held[-1]
        if isinstance(part, str) and part in (known := keys(choice)):
            return known[part]
    return None


def choices(annotation: object) -> tuple[object, ...]:
    """The members of a union, or the annotation itself, without what `Annotated` adds."""
    if get_origin(annotation) is Annotated:
        return choices(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(choice for member in get_args(annotation) for choice in choices(member))
    return (annotation,)


def is_structured(path: KeyPath) -> bool:
    """Whether a list or a mapping stands at `path`."""
    return any(get_origin(choice) in (list, dict) or keys(choice) for choice in choices(held_at(path)))


def may_be_empty(path: KeyPath) -> bool:
    """Whether the value at `path` may be left empty."""
    return type(None) in choices(held_at(path))


def _secrets(section: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, annotation in keys(section).items():
        if SecretStr in choices(annotation):
            yield (*above, key)
        yield from _secrets(annotation, (*above, key))


SECRETS = tuple(_secrets(Settings))
"""Keys whose values are shown nowhere; each may also be read from the file named by the same key with `_file`."""


def _restarts(section: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, info in section.model_fields.items():
        path = (*above, name)
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("x-restart"):
            yield path
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _restarts(info.annotation, path)


RESTARTS = tuple(_restarts(Settings))
"""Settings that a running agent does not take over, by the names of their attributes."""


def all_keys(section: object = Settings, above: str = "") -> Iterator[str]:
    """Every key of the file, sections walked through: `tail.batch_age`."""
    for key, annotation in keys(section).items():
        inner = next((choice for choice in choices(annotation) if keys(choice)), None)
        if inner is None:
            yield f"{above}{key}"
        else:
            yield from all_keys(inner, f"{above}{key}.")
