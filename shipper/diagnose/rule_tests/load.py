"""Load a file of tests, or report every problem with its line and hint."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from shipper.config.files.yaml_file import TextLoader, from_file
from shipper.config.problems import InvalidConfiguration, Problem, problem_of
from shipper.diagnose.rule_tests.test_file import Case, Suite

HINT = "`shipper test --schema` lists every key with its meaning"


class Written(NamedTuple):
    """A test with its place."""

    case: Case
    file: Path
    where: str
    """File and line of the test."""


def load(file: Path) -> list[Written]:
    """Return the tests in a file. Raises InvalidConfiguration."""
    try:
        layer, problems = from_file(file, TextLoader)
    except InvalidConfiguration as error:
        raise InvalidConfiguration(
            error.problems, "see docs/testing-rules.md for an example", what=f"test file {file}"
        ) from error
    try:
        suite = Suite.model_validate(layer.values)
    except ValidationError as error:
        layers = [layer]
        problems += [problem_of(detail, layers, Suite) for detail in error.errors(include_url=False)]
        raise InvalidConfiguration(problems, HINT, what=f"test file {file}") from error
    if problems:
        raise InvalidConfiguration(problems, HINT, what=f"test file {file}")
    names = [case.name for case in suite.tests]
    duplicates = [
        Problem(f"tests.{place}.name", f"duplicate name `{name}`", layer.where(("tests", place)))
        for place, name in enumerate(names)
        if name in names[:place]
    ]
    if duplicates:
        raise InvalidConfiguration(duplicates, "give each test a unique name", what=f"test file {file}")
    return [Written(case, file, layer.where(("tests", place))) for place, case in enumerate(suite.tests)]
