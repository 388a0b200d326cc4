"""Layers: the sources of a configuration, lowest precedence first, and their merged values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipper.config.option_tree import SECRETS, KeyPath


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one source. `where` describes the source of a path: a line, a variable or a flag."""

    values: dict[str, Any]
    where: Callable[[KeyPath], str]

    def holds(self, path: KeyPath) -> bool:
        """Return True if this layer has a value at `path`."""
        node: Any = self.values
        for part in path:
            known = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
            if part not in known:
                return False
            node = node[part]
        return True


def flag(key: str) -> str:
    """Return the command-line flag of a setting."""
    return "--input" if key == "inputs" else f"--{key.replace('_', '-')}"


def from_flags(flags: Mapping[str, Any]) -> Layer:
    """Return the layer of the command line; `flags` by the names of their keys."""
    return Layer(dict(flags), lambda path: flag(str(path[0])))


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """Merge all layers: mappings key by key, everything else whole from the highest layer that has it."""
    values: dict[str, Any] = {}
    for layer in layers:
        values = _over(values, layer.values)
    return values


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    values = dict(below)
    for key, value in above.items():
        known = values.get(key)
        values[key] = _over(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return values


def without_overridden_secrets(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers without secrets that a higher layer sets, as a value or as a file."""
    cleaned = list(layers)
    for secret in SECRETS:
        spellings = (secret, file_of(secret))
        setting = [place for place, layer in enumerate(cleaned) if any(map(layer.holds, spellings))]
        for place in setting[:-1]:
            values = cleaned[place].values
            for spelling in spellings:
                values = _without(values, spelling)
            cleaned[place] = Layer(values, cleaned[place].where)
    return cleaned


def _without(values: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    key, *below = path
    if not below:
        return {name: value for name, value in values.items() if name != key}
    inner = values.get(key)
    return {**values, key: _without(inner, tuple(below))} if isinstance(inner, dict) else values


def file_of(secret: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key that names the file of a secret."""
    return (*secret[:-1], f"{secret[-1]}_file")


def origin(layers: Sequence[Layer], path: KeyPath) -> str | None:
    """Return the source of the value at `path`; None for a default."""
    return next((layer.where(path) for layer in reversed(layers) if layer.holds(path)), None)


def nearest_origin(layers: Sequence[Layer], path: KeyPath) -> str | None:
    """Return the source of the value at `path`, or of its innermost part that is set."""
    prefixes = (path[:length] for length in range(len(path), 0, -1))
    return next((source for part in prefixes if (source := origin(layers, part)) is not None), None)
