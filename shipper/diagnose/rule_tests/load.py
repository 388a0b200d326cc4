"""Load: a file of tests read, or every problem in it with its line and its hint."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from shipper.config.files.yaml_file import TextLoader, from_file
from shipper.config.problems import Problem, Refused, problem_of
from shipper.diagnose.rule_tests.test_file import Case, Suite

CURE = "`shipper test --schema` lists every key with its meaning"


class Written(NamedTuple):
    """A test, and where it stands."""

    case: Case
    file: Path
    where: str
    """The file and the line of the test."""


def load(file: Path) -> list[Written]:
    """The tests in a file. Raises Refused."""
    try:
        layer, problems = from_file(file, TextLoader)
    except Refused as refusal:
        raise Refused(refusal.problems, "see docs/testing-rules.md for an example", what=str(file)) from refusal
    try:
        suite = Suite.model_validate(layer.values)
    except ValidationError as error:
        layers = [layer]
        problems += [problem_of(found, layers, Suite) for found in error.errors(include_url=False)]
        raise Refused(problems, CURE, what=str(file)) from error
    if problems:
        raise Refused(problems, CURE, what=str(file))
    names = [case.name for case in suite.tests]
    twice = [
        Problem(f"tests.{place}.name", f"`{name}` is the name of an earlier test too", layer.where(("tests", place)))
        for place, name in enumerate(names)
        if name in names[:place]
    ]
    if twice:
        raise Refused(twice, "give each test a name of its own", what=str(file))
    return [Written(case, file, layer.where(("tests", place))) for place, case in enumerate(suite.tests)]
