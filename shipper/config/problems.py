"""Problems: invalid keys described for people, without ever showing a secret."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from shipper.config.layers import Layer, nearest_origin
from shipper.config.option_tree import SECRETS, KeyPath, annotation_at, choices, keys
from shipper.config.settings import Settings
from shipper.config.units import format_duration
from shipper.system.errors import ConfigurationError
from shipper.system.url_secrets import without_secrets
from shipper_processors.sanitize import printable
from shipper_schemas.invalid import Invalid

MOST_SHOWN = 60
HINT = "`shipper config schema` lists every key with its meaning"
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
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
    "invalid_key": "expected a text key; put it in quotes",
}
BOUNDS = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}
SELF_EVIDENT = ("missing", "extra_forbidden", "too_short", "string_too_short")
CHOICES = ("enum", "literal_error")


class Problem(NamedTuple):
    """One problem: the key's path, what is wrong and what is expected, and the source of the value."""

    key: str
    what: str
    origin: str | None = None
    hint: str | None = None
    """The fix, if it is more than to correct the value."""


def _with_hint(problem: Problem, known: str) -> str:
    """Return one line; the hint is omitted if it is the one shown below all problems."""
    hint = f"; {problem.hint}" if problem.hint and problem.hint != known else ""
    return printable(f"{problem.key}: {problem.what}{hint}" + (f" ({problem.origin})" if problem.origin else ""))


class InvalidConfiguration(ConfigurationError):
    """Invalid configuration, with all problems."""

    def __init__(self, problems: Sequence[Problem], hint: str = HINT, what: str = "configuration") -> None:
        """Report `problems` of `what` in this order; at least one."""
        number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  - {_with_hint(problem, hint)}" for problem in problems)
        super().__init__(f"invalid {what}, {number}:{lines}", hint)
        self.problems = tuple(problems)


def problem_of(detail: Any, layers: Sequence[Layer], root: object = Settings) -> Problem:  # noqa: ANN401
    """Return the problem for one of pydantic's error details about a file with the schema `root`."""
    path = tuple(part for part in detail["loc"] if not _is_pydantic_step(part))
    what = _what(detail, path, root)
    if detail["type"] not in SELF_EVIDENT and (shown := _shown_value(path, detail["input"], root)):
        in_message = detail["type"] == "value_error" and isinstance(detail["input"], dict | list)
        what = what if in_message else f"{what}, got {shown}"
    return Problem(dotted(path), what, nearest_origin(layers, path), _hint(detail))


def dotted(path: KeyPath) -> str:
    """Return a path in dotted form: `inputs.0.glob`."""
    return ".".join(map(str, path)) or "configuration"


def _is_pydantic_step(part: str | int) -> bool:
    """Return True if a part of pydantic's path is one of its own steps and not a key."""
    return isinstance(part, str) and (part == "[key]" or part.startswith("function-"))


def _what(detail: Any, path: KeyPath, root: object) -> str:  # noqa: ANN401
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key{_suggestion(str(path[-1]), list(keys(_section(path[:-1], root))))}"
    if kind in BOUNDS:
        (bound,) = (value for name, value in context.items() if name in ("ge", "gt", "le"))
        shown = format_duration(bound) if float in choices(annotation_at(path, root)) else bound
        return f"expected {BOUNDS[kind]} {shown}"
    if kind in CHOICES:
        known = re.findall(r"'([^']*)'", context["expected"])  # pydantic has the choices only in this text
        suggestion = _suggestion(detail["input"], known, others=False) if isinstance(detail["input"], str) else ""
        return f"expected {context['expected'].replace(chr(39), '')}{suggestion}"
    if isinstance(error := context.get("error"), ValueError):  # our own; pydantic's other kinds only have a text
        return error.what if isinstance(error, Invalid) else str(error)
    message: str = detail["msg"].replace("Input should be", "expected")
    return MESSAGES.get(kind, message)


def _hint(detail: Any) -> str | None:  # noqa: ANN401 -- pydantic's details
    error = detail.get("ctx", {}).get("error")
    return error.hint if isinstance(error, Invalid) else None


def _section(path: KeyPath, root: object) -> object:
    return next((choice for choice in choices(annotation_at(path, root)) if keys(choice)), None)


def _suggestion(name: str, known: list[str], *, others: bool = True) -> str:
    matches = difflib.get_close_matches(name, known, 1)
    if matches:
        return f"; did you mean `{matches[0]}`?"
    return f"; known keys: {', '.join(known)}" if known and others else ""


def _shown_value(path: KeyPath, value: object, root: object) -> str | None:
    """Return a value for a message: never a secret, nor a section that may contain one."""
    if any(path[: len(secret)] == secret for secret in SECRETS):
        return "(masked)"
    in_list = bool(path) and isinstance(path[-1], int)
    if _section(path, root) and (isinstance(value, dict) or not in_list):
        return None
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str | bytes):
        value = (without_secrets(value) if isinstance(value, str) else value)[: MOST_SHOWN * 2]
    spelled = repr(value).lower() if isinstance(value, bool) else "nothing" if value is None else repr(value)
    text = without_secrets(printable(spelled))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
