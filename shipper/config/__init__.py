"""Configuration: read file, variables and flags into Settings, or report all problems with their hints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from shipper.config.environment import from_variables
from shipper.config.files.references import named_files
from shipper.config.files.secret_files import with_secrets
from shipper.config.layers import Layer, flag, from_flags, merged, origin, without_overridden_secrets
from shipper.config.option_tree import KeyPath
from shipper.config.problems import InvalidConfiguration, Problem, problem_of
from shipper.config.settings import Settings

__all__ = ["Configuration", "InvalidConfiguration", "Problem", "Sources", "flag", "load", "read"]


class Sources(NamedTuple):
    """Sources of a configuration: a file, variables, and the flags of the command line."""

    file: Path | None
    environ: Mapping[str, str]
    flags: Mapping[str, Any]

    def files(self) -> list[Path]:
        """Return the file and the files that it or a variable names; an unreadable file names none."""
        own = [] if self.file is None else [self.file]
        try:
            from_yaml = [] if self.file is None else [_from_file(self.file)[0]]
        except InvalidConfiguration:
            from_yaml = []
        from_environment, _ = from_variables(self.environ)
        return [
            *own,
            *(path for _, path in named_files(merged([*from_yaml, from_environment, from_flags(self.flags)]))),
        ]


class Configuration(NamedTuple):
    """The effective settings, their layers, and the sources they were read from."""

    settings: Settings
    layers: Sequence[Layer]
    sources: Sources

    def reread(self) -> "Configuration":
        """Read the same sources again. Raises ConfigurationError as `load` does."""
        return read(*self.sources)

    def origin(self, path: KeyPath) -> str | None:
        """Return the source of the value at `path`: a line of the file, a variable or a flag; None for a default."""
        return origin(self.layers, path)


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Return the effective settings: `flags` override variables, variables the file, the file the defaults.

    Raises ConfigurationError with every problem: its key, its value, the reason and the source.
    """
    return read(file, environ, flags).settings


def read(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Configuration:
    """Return the effective settings with their sources. Raises ConfigurationError as `load` does."""
    from_yaml, duplicates = _from_file(file) if file else (Layer({}, str), [])
    from_environment, unreadable = from_variables(environ)
    layers = without_overridden_secrets([from_yaml, from_environment, from_flags(flags)])
    values, missing = with_secrets(merged(layers), layers)
    problems = [*duplicates, *unreadable, *missing]
    try:
        settings = Settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        problems.extend(problem_of(detail, layers) for detail in error.errors(include_url=False))
    if problems:
        raise InvalidConfiguration(problems)
    return Configuration(settings, layers, Sources(file, environ, flags))


def _from_file(path: Path) -> tuple[Layer, list[Problem]]:
    from shipper.config.files.yaml_file import from_file  # noqa: PLC0415 -- loads YAML only where a file is named

    return from_file(path)
