"""Problems: what is wrong with one key, in words, without ever showing a secret."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from shipper.config.layers import Layer, nearest_origin
from shipper.config.option_tree import SECRETS, KeyPath, choices, held_at, keys
from shipper.config.settings import Settings
from shipper.config.units import written
from shipper.system.errors import ConfigurationError
from shipper_processors.sanitize import printable
from shipper_schemas.invalid import Invalid

SHOWN = 60
CURE = "`shipper config schema` lists every key with its meaning"
MESSAGES = {
    "missing": "is missing",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "string_type": "expected text; put it in quotes",
    "path_type": "expected a path",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
    "invalid_key": "a key is text; put it in quotes",
}
BOUNDS = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}
SELF_EVIDENT = ("missing", "extra_forbidden", "too_short", "string_too_short")
CREDENTIALS = re.compile(r"//[^/@\s]*@")
CHOICES = ("enum", "literal_error")


class Problem(NamedTuple):
    """One thing wrong: the key's path, what is wrong and what is expected, and where it was given."""

    key: str
    what: str
    origin: str | None = None
    hint: str | None = None
    """What to do, where that is more than to correct it."""


def _with_hint(problem: Problem, known: str) -> str:
    """One line; without a hint that stands below all problems anyway."""
    hint = f"; {problem.hint}" if problem.hint and problem.hint != known else ""
    return printable(f"{problem.key}: {problem.what}{hint}" + (f" ({problem.origin})" if problem.origin else ""))


class Refused(ConfigurationError):
    """Configuration with problems, each of which is told."""

    def __init__(self, problems: Sequence[Problem], hint: str = CURE, what: str = "the configuration") -> None:
        """`problems` of `what`, in the order they are shown; at least one."""
        number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  - {_with_hint(problem, hint)}" for problem in problems)
        super().__init__(f"{what} has {number}:{lines}", hint)
        self.problems = tuple(problems)


def problem_of(found: Any, layers: Sequence[Layer], root: object = Settings) -> Problem:  # noqa: ANN401
    """The problem that one of pydantic's error details tells of a file in the shape of `root`."""
    path = tuple(part for part in found["loc"] if not _is_machinery(part))
    what = _what(found, path, root)
    if found["type"] not in SELF_EVIDENT and (given := _given(path, found["input"], root)):
        spoken_of = found["type"] == "value_error" and isinstance(found["input"], dict | list)
        what = what if spoken_of else f"{what}, got {given}"
    return Problem(dotted(path), what, nearest_origin(layers, path), _hint(found))


def dotted(path: KeyPath) -> str:
    """A path as people write it: `inputs.0.glob`."""
    return ".".join(map(str, path)) or "configuration"


def _is_machinery(part: str | int) -> bool:
    """Whether a part of pydantic's path names a step of its own and no key."""
    return isinstance(part, str) and (part == "[key]" or part.startswith("function-"))


def _what(found: Any, path: KeyPath, root: object) -> str:  # noqa: ANN401
    kind, context = found["type"], found.get("ctx", {})
    if kind == "extra_forbidden":
        return f"no such key{_near(str(path[-1]), list(keys(_section(path[:-1], root))))}"
    if kind in BOUNDS:
        (bound,) = (value for name, value in context.items() if name in ("ge", "gt", "le"))
        return f"expected {BOUNDS[kind]} {written(bound) if float in choices(held_at(path, root)) else bound}"
    if kind in CHOICES:
        known = re.findall(r"'([^']*)'", context["expected"])  # pydantic gives the choices in this text alone
        suggestion = _near(found["input"], known, others=False) if isinstance(found["input"], str) else ""
        return f"expected {context['expected'].replace(chr(39), '')}{suggestion}"
    if isinstance(error := context.get("error"), ValueError):  # our own; pydantic's other kinds have a text alone
        return error.what if isinstance(error, Invalid) else str(error)
    message: str = found["msg"].replace("Input should be", "expected")
    return MESSAGES.get(kind, message)


def _hint(found: Any) -> str | None:  # noqa: ANN401 -- pydantic's details
    error = found.get("ctx", {}).get("error")
    return error.hint if isinstance(error, Invalid) else None


def _section(path: KeyPath, root: object) -> object:
    return next((choice for choice in choices(held_at(path, root)) if keys(choice)), None)


def _near(name: str, known: list[str], *, others: bool = True) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"; did you mean `{near[0]}`?"
    return f"; known are {', '.join(known)}" if known and others else ""


def _given(path: KeyPath, value: object, root: object) -> str | None:
    """A value as a refusal may show it: never a secret, nor a section that may hold one."""
    if any(path[: len(secret)] == secret for secret in SECRETS):
        return "(masked)"
    in_list = bool(path) and isinstance(path[-1], int)
    if _section(path, root) and (isinstance(value, dict) or not in_list):
        return None
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str | bytes):
        value = value[: SHOWN * 2]
    spelled = repr(value).lower() if isinstance(value, bool) else "nothing" if value is None else repr(value)
    text = CREDENTIALS.sub("//…@", printable(spelled))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
