"""Configuration: file, variables and flags into Settings, or every problem at once with its hint."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from shipper.config.environment import from_variables
from shipper.config.files.references import named_files
from shipper.config.files.secret_files import filled
from shipper.config.files.yaml_file import from_file
from shipper.config.layers import Layer, flag, from_flags, merged, origin, settled
from shipper.config.option_tree import KeyPath
from shipper.config.problems import Problem, Refused, problem_of
from shipper.config.settings import Settings

__all__ = ["Configuration", "Given", "Problem", "Refused", "flag", "load", "read"]


class Given(NamedTuple):
    """What configuration is read from: a file, variables, and the flags of the command line."""

    file: Path | None
    environ: Mapping[str, str]
    flags: Mapping[str, Any]

    def files(self) -> list[Path]:
        """The file itself, and those that it or a variable names; what cannot be read names none."""
        own = [] if self.file is None else [self.file]
        try:
            below = [] if self.file is None else [from_file(self.file)[0]]
        except Refused:
            below = []
        between, _ = from_variables(self.environ)
        return [*own, *(path for _, path in named_files(merged([*below, between, from_flags(self.flags)])))]


class Configuration(NamedTuple):
    """The effective settings, the places they come from, and what they were read from."""

    settings: Settings
    layers: Sequence[Layer]
    given: Given

    def again(self) -> "Configuration":
        """The same read anew: what the files hold now. Raises ConfigurationError as `load` does."""
        return read(*self.given)

    def origin(self, path: KeyPath) -> str | None:
        """What gave the value at `path`: a line of the file, a variable or a flag; None where it is the default."""
        return origin(self.layers, path)


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """The effective settings: `flags` over variables over the file over defaults.

    Raises ConfigurationError which names every key, its value, what is wrong, and where it was given.
    """
    return read(file, environ, flags).settings


def read(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Configuration:
    """The effective settings with their places. Raises ConfigurationError as `load` does."""
    below, twice = from_file(file) if file else (Layer({}, str), [])
    between, unreadable = from_variables(environ)
    layers = settled([below, between, from_flags(flags)])
    values, missing = filled(merged(layers), layers)
    problems = [*twice, *unreadable, *missing]
    try:
        settings = Settings.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        problems.extend(problem_of(found, layers) for found in error.errors(include_url=False))
    if problems:
        raise Refused(problems)
    return Configuration(settings, layers, Given(file, environ, flags))
