"""Option tree: the declared keys, with the types of their values, secrets, and keys that need a restart."""

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from shipper.config.settings import Settings

KeyPath = tuple[str | int, ...]
"""Path of a value: keys of mappings as the file spells them, and indices of lists."""


def keys(annotation: object) -> dict[str, Any]:
    """Return the annotations of a section's keys by their name in the file; empty if it is not a section."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return {}
    return {info.alias or name: info.annotation for name, info in annotation.model_fields.items()}


def annotation_at(path: KeyPath, root: object = Settings) -> object:
    """Return the annotation of the value at `path` below `root`; None if nothing is declared there."""
    annotation: object = root
    for part in path:
        annotation = _annotation_of_part(annotation, part)
    return annotation


def _annotation_of_part(annotation: object, part: str | int) -> object:
    for choice in choices(annotation):
        origin, held = get_origin(choice), get_args(choice)
        if origin is dict or (origin is list and isinstance(part, int)):
            return held[-1]
        if isinstance(part, str) and part in (known := keys(choice)):
            return known[part]
    return None


def choices(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, or the annotation itself, without the metadata of `Annotated`."""
    if get_origin(annotation) is Annotated:
        return choices(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(choice for member in get_args(annotation) for choice in choices(member))
    return (annotation,)


def is_structured(path: KeyPath) -> bool:
    """Return True if the value at `path` is a list or a mapping."""
    return any(get_origin(choice) in (list, dict) or keys(choice) for choice in choices(annotation_at(path)))


def may_be_empty(path: KeyPath) -> bool:
    """Return True if the value at `path` may be empty."""
    return type(None) in choices(annotation_at(path))


def _secrets(section: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, annotation in keys(section).items():
        if SecretStr in choices(annotation):
            yield (*above, key)
        yield from _secrets(annotation, (*above, key))


SECRETS = tuple(_secrets(Settings))
"""Keys whose values are never shown; each can also be read from the file that the same key with `_file` names."""


def _restarts(section: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, info in section.model_fields.items():
        path = (*above, name)
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("x-restart"):
            yield path
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _restarts(info.annotation, path)


@cache
def restarts() -> tuple[tuple[str, ...], ...]:
    """Return the settings that a running agent does not reload, by the names of their attributes."""
    return tuple(_restarts(Settings))


def all_keys(section: object = Settings, above: str = "") -> Iterator[str]:
    """Yield every key of the file, in dotted form: `tail.batch_age`."""
    for key, annotation in keys(section).items():
        inner = next((choice for choice in choices(annotation) if keys(choice)), None)
        if inner is None:
            yield f"{above}{key}"
        else:
            yield from all_keys(inner, f"{above}{key}.")
