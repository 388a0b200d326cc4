"""`shipper test`: the tests of rules that people write, run through the chain of the configuration."""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import click
from rich.console import Console
from rich.text import Text

from shipper.bootstrap import build_pipeline
from shipper.cli.options import configured
from shipper.cli.terminal.json_output import as_json
from shipper.config.settings import Settings
from shipper.diagnose.rule_tests.load import Written, load
from shipper.diagnose.rule_tests.run import Difference, differences, outcome_of
from shipper.diagnose.rule_tests.test_file import Suite
from shipper_processors.sanitize import printable

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Result(NamedTuple):
    """A test, what is not as it expects, and how long it took (seconds)."""

    test: Written
    differences: list[Difference]
    seconds: float


def print_schema(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    """Print the JSON schema of a file of tests, and end."""
    if asked and not ctx.resilient_parsing:
        click.echo(as_json({"$schema": DIALECT, **Suite.model_json_schema()}))
        ctx.exit()


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--only", metavar="TEXT", help="Tests whose name holds this text.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True,
    help="junit: XML as CI servers read it.",
)  # fmt: skip
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=print_schema,
    help="Print the JSON schema of a file of tests, and end.",
)  # fmt: skip
@configured()
def test(settings: Settings, *, files: tuple[Path, ...], only: str | None, form: str) -> None:
    """Run tests of rules: given lines, expected events, counters and refusals.

    The lines go through the chain of the configuration, as the agent's do; nothing is stored and no counter moves.
    Exit code 1 where anything is not as expected.
    """
    tests = [found for file in files for found in load(file)]
    results = [run(found, settings) for found in tests if only is None or only in found.case.name]
    if not results:
        message = f"no test has {only!r} in its name"
        raise click.UsageError(message)
    if form == "json":
        click.echo(as_json(outcome_in_json(results)))
    elif form == "junit":
        click.echo(as_junit(results))
    else:
        show(results, Console(highlight=False, soft_wrap=True))
    sys.exit(1 if any(result.differences for result in results) else 0)


def run(found: Written, settings: Settings) -> Result:
    """One test, in a chain of its own."""
    began = time.perf_counter()
    pipeline = build_pipeline.pipeline_of(
        settings, build_pipeline.counting_of(settings, ()), build_pipeline.redactor_to_look_with(settings)
    )  # fmt: skip
    outcome = outcome_of(found.case, pipeline, build_pipeline.bounds_of(settings))
    return Result(found, differences(found.case, outcome), time.perf_counter() - began)


def show(results: Sequence[Result], console: Console) -> None:
    """A line a test, the differences below those that failed, and a verdict."""
    for result in results:
        good = not result.differences
        console.print(Text.assemble(("ok    ", "green") if good else ("FAIL  ", "bold red"), _name(result)))
        for difference in result.differences:
            console.print(Text(f"      {printable(difference.what)}", "bold"))
            for sign, value, style in (("-", difference.expected, "red"), ("+", difference.found, "green")):
                console.print(Text(f"        {sign} {'nothing' if value is None else printable(value)}", style))
    failed = sum(bool(result.differences) for result in results)
    if failed:
        console.print(Text("      (- expected, + found)", "dim"))
    took = f" in {sum(result.seconds for result in results):.2f} s"
    console.print(
        Text(f"{len(results) - failed} passed, {failed} failed{took}", "bold red" if failed else "bold green")
    )


def _name(result: Result) -> str:
    name = printable(result.test.case.name)
    return f"{name}  ({printable(result.test.where)})" if result.differences else name


def outcome_in_json(results: Iterable[Result]) -> dict[str, Any]:
    """Counts, and each test with what is not as expected."""
    told = [
        {
            "name": result.test.case.name,
            "file": str(result.test.file),
            "where": result.test.where,
            "passed": not result.differences,
            "seconds": round(result.seconds, 6),
            "differences": [difference._asdict() for difference in result.differences],
        }
        for result in results
    ]
    passed = sum(bool(test["passed"]) for test in told)
    return {"passed": passed, "failed": len(told) - passed, "tests": told}


def as_junit(results: Sequence[Result]) -> str:
    """The same as JUnit's XML, a suite a file."""
    root = ET.Element("testsuites")
    for file in dict.fromkeys(result.test.file for result in results):
        own = [result for result in results if result.test.file == file]
        failed = sum(bool(result.differences) for result in own)
        suite = ET.SubElement(root, "testsuite", name=str(file), tests=str(len(own)), failures=str(failed))
        for result in own:
            name = printable(result.test.case.name)
            case = ET.SubElement(suite, "testcase", name=name, classname=str(file), time=f"{result.seconds:.6f}")
            if result.differences:
                lines = [f"{what}: expected {wanted}, found {got}" for what, wanted, got in result.differences]
                failure = ET.SubElement(case, "failure", message=printable(lines[0]))
                failure.text = "\n".join(map(printable, lines))
    return ET.tostring(root, encoding="unicode", xml_declaration=True)
