"""Environment: the variable `SHIPPER_A__B=x` sets the key `a: {b: x}`; lists and mappings are written as YAML."""

import re
from collections.abc import Mapping
from typing import Any

from shipper.config.layers import Layer
from shipper.config.option_tree import KeyPath, is_structured, may_be_empty
from shipper.config.problems import Problem, dotted

PREFIX = "SHIPPER_"
NOT_SETTINGS = re.compile(r"SHIPPER_CONFIG|SHIPPER_TEST_.*")
SERVICE_LINK = re.compile(
    r"SHIPPER_(?:\w{1,63}_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w{1,63})?|PORT_\d{1,5}_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
"""Variables that Kubernetes sets in every pod of a namespace with a Service called `shipper` or `shipper-…`."""
SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+")


class InvalidYaml(Exception):
    """A variable whose text is not valid YAML."""


def from_variables(environ: Mapping[str, str]) -> tuple[Layer, list[Problem]]:
    """Return the settings in the variables, and the problems of those that cannot be read."""
    values: dict[str, Any] = {}
    names: dict[KeyPath, str] = {}
    problems: list[Problem] = []
    for path, name in sorted((path_of(name), name) for name, value in environ.items() if is_setting(name, value)):
        try:
            _put(values, path, _read(path, environ[name]))
        except InvalidYaml as error:
            problems.append(Problem(dotted(path), str(error), name))
        except KeyError as error:
            what = f"{error.args[0]} is also set as a whole"
            problems.append(Problem(dotted(path), what, name, "keep one of them"))
        else:
            names[path] = name
    return Layer(values, lambda path: _name(names, path)), problems


def is_setting(name: str, value: str) -> bool:
    """Return True if a variable is meant as a setting; an unknown key is reported later, as in a file."""
    if not name.startswith(PREFIX) or NOT_SETTINGS.fullmatch(name) or SERVICE_LINK.fullmatch(name):
        return False
    return not (name.endswith("_PORT") and SERVICE_ADDRESS.fullmatch(value))


def path_of(name: str) -> tuple[str, ...]:
    """Return the key that a variable sets."""
    return tuple(name.removeprefix(PREFIX).lower().split("__"))


def _read(path: tuple[str, ...], text: str) -> object:
    """Parse lists and mappings as YAML; leave other text as it is, since a password may start with a bracket."""
    if text == "" and may_be_empty(path):
        return None
    return _parsed(text) if is_structured(path) else text


def _parsed(text: str) -> object:
    """Parse YAML, whose library is loaded only where a variable has it. Raises InvalidYaml."""
    import yaml  # noqa: PLC0415 -- see above

    from shipper.config.files.yaml_file import error_location, parsed  # noqa: PLC0415 -- see above

    try:
        return parsed(text).values
    except yaml.YAMLError as error:
        raise InvalidYaml(f"invalid YAML{error_location(error)}") from error


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set `value` at `path`. Raises KeyError with the part above it that is not a mapping."""
    place = values
    for depth, section in enumerate(path[:-1], 1):
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise KeyError(dotted(path[:depth]))
    place[path[-1]] = value


def _name(names: Mapping[KeyPath, str], path: KeyPath) -> str:
    """Return the variable that sets `path` or a part of it."""
    above = (names[path[:length]] for length in range(len(path), 0, -1) if path[:length] in names)
    return next(above, None) or next(name for known, name in names.items() if known[: len(path)] == path)
