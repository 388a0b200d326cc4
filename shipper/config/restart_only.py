"""Restart-only settings: values that a running process keeps until it restarts."""

from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from shipper.config.option_tree import restarts
from shipper.config.settings import Settings

Section = TypeVar("Section", bound=BaseModel)


class Reloadable(NamedTuple):
    """New settings as far as a running agent can apply them, and the changed keys that need a restart."""

    settings: Settings
    restart: tuple[str, ...]


def reloadable(before: Settings, after: Settings) -> Reloadable:
    """Return `after`, with settings that need a restart as they were `before`."""
    restart = tuple(path for path in restarts() if _at(before, path) != _at(after, path))
    settings = after
    for path in restart:
        settings = _with(settings, path, _at(before, path))
    return Reloadable(settings, tuple(".".join(path) for path in restart))


def _at(settings: BaseModel, path: tuple[str, ...]) -> Any:  # noqa: ANN401 -- any setting
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def _with(section: Section, path: tuple[str, ...], value: object) -> Section:
    name, *below = path
    inner = _with(getattr(section, name), tuple(below), value) if below else value
    return section.model_copy(update={name: inner})
