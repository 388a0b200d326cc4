"""Configuration: file, variables and flags into Settings, or every problem at once with its cure."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from processors.escape import printable
from shipper.errors import ConfigurationError
from shipper.settings import Settings

PREFIX = "SHIPPER_"
SECRETS = (("token",), ("redact", "key"))
"""Keys that may come from a file named by the same key with `_file`."""
NOT_SETTINGS = frozenset({"SHIPPER_CONFIG"})
SHOWN = 60
MESSAGES = {
    "missing": "is missing",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
    "string_type": "expected text",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of keys to values",
    "model_type": "expected a mapping of keys to values",
}


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The effective settings: `flags` over variables over the file over defaults.

    Raises ConfigurationError which names every key, its value, what is wrong, and what to do.
    """
    merged = _merged(_merged(read_file(file) if file else {}, from_variables(environ)), dict(flags))
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        problems = [_problem(found) for found in error.errors(include_url=False)]
        raise _refused(problems, file) from error
    return _with_secret_files(settings)


def read_file(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds. Raises ConfigurationError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"configuration {path} cannot be read: {error.strerror}", "correct --config, or make the file readable"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        why = getattr(error, "problem", None) or str(error)
        raise ConfigurationError(f"configuration {path} is no YAML{where}: {why}", "correct that line") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"configuration {path} holds {type(found).__name__}, not keys",
            "begin with a key, such as `output: local:DIR`",
        )
    return {str(key): value for key, value in found.items()}


def from_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings given by variables: `SHIPPER_A__B=x` is the key `a: {b: x}`; a list or mapping is written as YAML."""
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or name.startswith("SHIPPER_TEST_"):
            continue
        *sections, key = name.removeprefix(PREFIX).lower().split("__")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = yaml.safe_load(value) if value[:1] in ("[", "{") else value
    return found


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def _problem(found: Any) -> str:  # noqa: ANN401 -- pydantic's error details
    path = [part for part in found["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    name = ".".join(str(part) for part in path) or "configuration"
    if found["type"] == "extra_forbidden":
        return f"{name}: no such key{_near(path)}"
    message = MESSAGES.get(found["type"], found["msg"].removeprefix("Value error, "))
    value = "(masked)" if tuple(path) in SECRETS else _shown(found["input"])
    return f"{name}: {message}, got {value}" if found["type"] != "missing" else f"{name}: {message}"


def _near(path: list[Any]) -> str:
    section: Any = Settings
    for part in path[:-1]:
        section = _fields(section).get(part) if isinstance(part, str) else section
    known = list(_fields(section))
    near = difflib.get_close_matches(str(path[-1]), known, 1)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(known)}" if known else ""


def _fields(section: Any) -> dict[str, Any]:  # noqa: ANN401 -- a model class, or what an annotation holds
    if not (isinstance(section, type) and issubclass(section, BaseModel)):
        return {}
    return {info.alias or name: info.annotation for name, info in section.model_fields.items()}


def _shown(value: object) -> str:
    text = printable(repr(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _refused(problems: list[str], file: Path | None) -> ConfigurationError:
    where = f" in {file}, a variable or a flag" if file else " in a variable or a flag"
    number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return ConfigurationError(f"{number}{where}:{lines}", "`shipper config schema` lists every key with its meaning")


def _with_secret_files(settings: Settings) -> Settings:
    token = _secret(settings.token, settings.token_file, "token_file")
    redact = settings.redact
    key = _secret(redact.key, redact.key_file, "redact.key_file")
    return settings.model_copy(update={"token": token, "redact": redact.model_copy(update={"key": key})})


def _secret(given: SecretStr | None, path: Path | None, name: str) -> SecretStr | None:
    if path is None or given is not None:
        return given
    try:
        content = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"{name}: {path} cannot be read: {why}", "make it readable for this user") from error
    if not content:
        raise ConfigurationError(f"{name}: {path} is empty", "write the secret into it")
    return SecretStr(content)
