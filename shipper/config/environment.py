"""Variables: `SHIPPER_A__B=x` as the key `a: {b: x}`; a list or mapping is written as YAML."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from shipper.config.files.yaml_file import parsed, spot
from shipper.config.layers import Layer
from shipper.config.option_tree import KeyPath, is_structured, may_be_empty
from shipper.config.problems import Problem, dotted

PREFIX = "SHIPPER_"
NOT_SETTINGS = re.compile(r"SHIPPER_CONFIG|SHIPPER_TEST_.*")
SERVICE_LINK = re.compile(
    r"SHIPPER_(?:\w{1,63}_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w{1,63})?|PORT_\d{1,5}_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
"""What Kubernetes sets in every pod of a namespace that has a Service called `shipper` or `shipper-…`."""
SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+")


def from_variables(environ: Mapping[str, str]) -> tuple[Layer, list[Problem]]:
    """The settings that variables give, and what cannot be read of them."""
    values: dict[str, Any] = {}
    names: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    for path, name in sorted((path_of(name), name) for name, value in environ.items() if is_setting(name, value)):
        try:
            _put(values, path, _read(path, environ[name]))
        except yaml.YAMLError as error:
            problems.append(Problem(dotted(path), f"is no YAML{spot(error)}", name))
        except KeyError as error:
            what = f"{error.args[0]} is given as a whole too"
            problems.append(Problem(dotted(path), what, name, "keep one of them"))
        else:
            names[path] = name
    return Layer(values, lambda path: _name(names, path)), problems


def is_setting(name: str, value: str) -> bool:
    """Whether a variable is meant to be a setting; one that names no key is refused later, as in a file."""
    if not name.startswith(PREFIX) or NOT_SETTINGS.fullmatch(name) or SERVICE_LINK.fullmatch(name):
        return False
    return not (name.endswith("_PORT") and SERVICE_ADDRESS.fullmatch(value))


def path_of(name: str) -> tuple[str, ...]:
    """The key that a variable names."""
    return tuple(name.removeprefix(PREFIX).lower().split("__"))


def _read(path: tuple[str, ...], text: str) -> object:
    """Text as it is where text belongs, so that a password or a pattern may begin with a bracket."""
    if text == "" and may_be_empty(path):
        return None
    return parsed(text).values if is_structured(path) else text


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set `value` at `path`. Raises KeyError with the part above it that is no mapping."""
    place = values
    for depth, section in enumerate(path[:-1], 1):
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise KeyError(dotted(path[:depth]))
    place[path[-1]] = value


def _name(names: Mapping[KeyPath, str], path: KeyPath) -> str:
    """The variable that gives `path`, or gives some of it."""
    above = (names[path[:length]] for length in range(len(path), 0, -1) if path[:length] in names)
    return next(above, None) or next(name for known, name in names.items() if known[: len(path)] == path)
