"""Kept: what a running process keeps of its settings until it is started again."""

from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from shipper.config.option_tree import RESTARTS
from shipper.config.settings import Settings

Section = TypeVar("Section", bound=BaseModel)


class Kept(NamedTuple):
    """New settings as far as a running agent takes them over, and the keys that wait for a restart."""

    settings: Settings
    restart: tuple[str, ...]


def kept(before: Settings, after: Settings) -> Kept:
    """`after`, with what needs a restart as it was `before`."""
    restart = tuple(path for path in RESTARTS if _at(before, path) != _at(after, path))
    found = after
    for path in restart:
        found = _with(found, path, _at(before, path))
    return Kept(found, tuple(".".join(path) for path in restart))


def _at(settings: BaseModel, path: tuple[str, ...]) -> Any:  # noqa: ANN401 -- any setting
    found: Any = settings
    for name in path:
        found = getattr(found, name)
    return found


def _with(section: Section, path: tuple[str, ...], value: object) -> Section:
    name, *below = path
    inner = _with(getattr(section, name), tuple(below), value) if below else value
    return section.model_copy(update={name: inner})
