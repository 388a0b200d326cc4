"""Layers: the places that configuration comes from, lowest first, and what they say together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipper.config.option_tree import SECRETS, KeyPath


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one place. `where` names the spot that gives a path, for people: a line, a variable, a flag."""

    values: dict[str, Any]
    where: Callable[[KeyPath], str]

    def holds(self, path: KeyPath) -> bool:
        """Whether a value at `path` is given here."""
        found: Any = self.values
        for part in path:
            known = range(len(found)) if isinstance(found, list) else found if isinstance(found, dict) else ()
            if part not in known:
                return False
            found = found[part]
        return True


def flag(key: str) -> str:
    """The flag of a setting."""
    return "--input" if key == "inputs" else f"--{key.replace('_', '-')}"


def from_flags(given: Mapping[str, Any]) -> Layer:
    """The settings that the command line gives, by the names of their keys."""
    return Layer(dict(given), lambda path: flag(str(path[0])))


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """What all layers say: mappings key by key, everything else whole from the highest layer that gives it."""
    found: dict[str, Any] = {}
    for layer in layers:
        found = _over(found, layer.values)
    return found


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        known = found.get(key)
        found[key] = _over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return found


def settled(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, where a secret given higher up, in either spelling, leaves nothing of it below."""
    found = list(layers)
    for secret in SECRETS:
        spellings = (secret, file_of(secret))
        giving = [place for place, layer in enumerate(found) if any(map(layer.holds, spellings))]
        for place in giving[:-1]:
            values = found[place].values
            for spelling in spellings:
                values = _without(values, spelling)
            found[place] = Layer(values, found[place].where)
    return found


def _without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    key, *below = path
    if not below:
        return {name: value for name, value in values.items() if name != key}
    inner = values.get(key)
    return {**values, key: _without(inner, tuple(below))} if isinstance(inner, dict) else values


def file_of(secret: tuple[str, ...]) -> tuple[str, ...]:
    """The key that names the file of a secret."""
    return (*secret[:-1], f"{secret[-1]}_file")


def origin(layers: Sequence[Layer], path: KeyPath) -> str | None:
    """What gave the value at `path`; None where it is the default."""
    return next((layer.where(path) for layer in reversed(layers) if layer.holds(path)), None)


def nearest_origin(layers: Sequence[Layer], path: KeyPath) -> str | None:
    """What gave the value at `path`, or the innermost part of it that was given at all."""
    tried = (path[:length] for length in range(len(path), 0, -1))
    return next((found for part in tried if (found := origin(layers, part)) is not None), None)
