"""YAML file: a layer that knows the line of each key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shipper.config.layers import Layer
from shipper.config.option_tree import KeyPath
from shipper.config.problems import InvalidConfiguration, Problem, dotted

YAML_HINT = (
    "check that line and the one above: align the keys of one level, indent with spaces, and quote values that start"
    " with *, [, {, % or @ or contain `: `"
)


class Loader(yaml.SafeLoader):
    """Safe loader that reports the line of a value that looks like a date or number but is invalid."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 -- yaml's signature
        """Construct the value of a node. Raises YAMLError."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


class TextLoader(Loader):
    """Loader that leaves timestamps as text."""


TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in Loader.yaml_implicit_resolvers.items()
}


class DuplicateKey(NamedTuple):
    """A key that a mapping has twice; YAML would silently keep the last one."""

    path: KeyPath
    first: int
    second: int
    """Line numbers from 1."""


class Parsed(NamedTuple):
    """A parsed YAML text: its tree, its value, and its duplicate keys."""

    node: yaml.Node | None
    values: Any
    duplicates: list[DuplicateKey]


def from_file(path: Path, loader: type[Loader] = Loader) -> tuple[Layer, list[Problem]]:
    """Return the layer of a YAML file, and a problem for each duplicate key.

    Raises InvalidConfiguration where it cannot be read, is not valid YAML, or has no keys.
    """
    try:
        node, values, duplicates = parsed(path.read_text(encoding="utf-8"), loader)
    except OSError as error:
        raise InvalidConfiguration(
            [Problem(str(path), f"cannot read the file: {error.strerror}")],
            "correct --config, or make the file readable",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            [Problem(str(path), f"invalid YAML{error_location(error)}", hint=YAML_HINT)], YAML_HINT
        ) from error
    if values is None:
        return Layer({}, lambda _path: str(path)), []
    if not isinstance(values, dict):
        what = f"expected keys at the top level, got {type(values).__name__}"
        raise InvalidConfiguration([Problem(str(path), what)], "start with a key, such as `output: local:DIR`")
    problems = [
        Problem(dotted(key.path), f"duplicate key, first in line {key.first}", f"{path}, line {key.second}")
        for key in duplicates
    ]
    named = {str(key): value for key, value in values.items()}
    return Layer(named, lambda wanted: f"{path}, line {line_of(node, wanted)}"), problems


def parsed(text: str, loader: type[Loader] = Loader) -> Parsed:
    """Parse a YAML text. Raises YAMLError, also if it is nested too deeply."""
    parser = loader(text)
    try:
        node = parser.get_single_node()
        duplicates = list(_duplicates(node, (), set()))  # before merge keys are resolved: overriding those is valid
        return Parsed(node, None if node is None else parser.construct_document(node), duplicates)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error
    finally:
        parser.dispose()


def error_location(error: Exception) -> str:
    """Return the place and the reason of a YAML error on one line, without any of the text."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    why = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    return f"{where}: {why}"


def line_of(node: yaml.Node | None, path: KeyPath) -> int:
    """Return the line, from 1, of the key or list item at `path`, or of its innermost existing part."""
    line = 1
    for part in path:
        child = _child(node, part)
        if child is None:
            break
        node, line = child
    return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == str(part):
                return value, key.start_mark.line + 1
    return None


def _duplicates(node: yaml.Node | None, path: KeyPath, seen: set[int]) -> Iterator[DuplicateKey]:
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _duplicates(item, (*path, place), seen)
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            yield DuplicateKey((*path, name), lines[name], line)
        lines.setdefault(name, line)
        yield from _duplicates(value, (*path, name), seen)
