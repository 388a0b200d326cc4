"""File: a YAML file as a layer that knows the line of each of its keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shipper.config.layers import Layer
from shipper.config.option_tree import KeyPath
from shipper.config.problems import Problem, Refused, dotted

INDENT = (
    "look at that line and the one above: keys of one level begin in one column, with spaces, and a value that begins"
    " with *, [, {, % or @, or holds `: `, stands in quotes"
)


class Loader(yaml.SafeLoader):
    """The safe loader, which says the line of a value that looks like a date or number and is none."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401 -- yaml's signature
        """The value of a node. Raises YAMLError."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


class TextLoader(Loader):
    """The same, with times left as the text that they are."""


TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in Loader.yaml_implicit_resolvers.items()
}


class Twice(NamedTuple):
    """A key that a mapping holds twice, of which YAML would keep the last in silence."""

    path: KeyPath
    first: int
    second: int
    """Lines, counted from 1."""


class Parsed(NamedTuple):
    """A YAML text: its tree, its value, and the keys given twice."""

    node: yaml.Node | None
    values: Any
    twice: list[Twice]


def from_file(path: Path, loader: type[Loader] = Loader) -> tuple[Layer, list[Problem]]:
    """What a YAML file says, and which of its keys are given twice.

    Raises Refused where it cannot be read, is no YAML, or holds no keys.
    """
    try:
        node, values, twice = parsed(path.read_text(encoding="utf-8"), loader)
    except OSError as error:
        raise Refused(
            [Problem(str(path), f"cannot be read: {error.strerror}")], "correct --config, or make the file readable"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused([Problem(str(path), f"is no YAML{spot(error)}", hint=INDENT)], INDENT) from error
    if values is None:
        return Layer({}, lambda _path: str(path)), []
    if not isinstance(values, dict):
        what = f"holds {type(values).__name__}, not keys"
        raise Refused([Problem(str(path), what)], "begin with a key, such as `output: local:DIR`")
    problems = [
        Problem(dotted(found.path), f"is given twice, first in line {found.first}", f"{path}, line {found.second}")
        for found in twice
    ]
    known = {str(key): value for key, value in values.items()}
    return Layer(known, lambda wanted: f"{path}, line {line_of(node, wanted)}"), problems


def parsed(text: str, loader: type[Loader] = Loader) -> Parsed:
    """A YAML text read. Raises YAMLError, also where it is nested too deeply."""
    reading = loader(text)
    try:
        node = reading.get_single_node()
        twice = list(_twice(node, (), set()))  # before merge keys are resolved: what they bring may be given again
        return Parsed(node, None if node is None else reading.construct_document(node), twice)
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error
    finally:
        reading.dispose()


def spot(error: Exception) -> str:
    """Where a text stops being YAML, and why, in one line that shows nothing of the text."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    why = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).partition("\n")[0]
    return f"{where}: {why}"


def line_of(node: yaml.Node | None, path: KeyPath) -> int:
    """The line, counted from 1, of the key or list item at `path`, or of the innermost part that is there."""
    line = 1
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        node, line = found
    return line


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == str(part):
                return value, key.start_mark.line + 1
    return None


def _twice(node: yaml.Node | None, path: KeyPath, seen: set[int]) -> Iterator[Twice]:
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            yield from _twice(item, (*path, place), seen)
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            yield Twice((*path, name), lines[name], line)
        lines.setdefault(name, line)
        yield from _twice(value, (*path, name), seen)
