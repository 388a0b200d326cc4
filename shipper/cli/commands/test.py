"""`shipper test`: run tests of rules through the chain of the configuration."""

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
    """A test, its differences from the expectation, and its duration in seconds."""

    test: Written
    differences: list[Difference]
    seconds: float


def print_schema(ctx: click.Context, _option: click.Parameter, enabled: bool) -> None:
    """Print the JSON schema of a test file and exit."""
    if enabled and not ctx.resilient_parsing:
        click.echo(as_json({"$schema": DIALECT, **Suite.model_json_schema()}))
        ctx.exit()


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--only", metavar="TEXT", help="Only tests with this text in their name.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True,
    help="junit: XML for CI servers.",
)  # fmt: skip
@click.option(
    "--schema", is_flag=True, is_eager=True, expose_value=False, callback=print_schema,
    help="Print the JSON schema of a test file and exit.",
)  # fmt: skip
@configured()
def test(settings: Settings, *, files: tuple[Path, ...], only: str | None, form: str) -> None:
    """Run tests of rules: log lines in, expected events, counters and quarantine entries.

    The lines are processed as by the agent with this configuration; nothing is stored and no counter changes. Exits 1
    if any test fails.
    """
    tests = [test for file in files for test in load(file)]
    results = [run(test, settings) for test in tests if only is None or only in test.case.name]
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


def run(written: Written, settings: Settings) -> Result:
    """Run one test in a separate chain."""
    began = time.perf_counter()
    pipeline = build_pipeline.pipeline_of(
        settings, build_pipeline.counting_of(settings, ()), build_pipeline.read_only_redactor(settings)
    )  # fmt: skip
    outcome = outcome_of(written.case, pipeline, build_pipeline.bounds_of(settings))
    return Result(written, differences(written.case, outcome), time.perf_counter() - began)


def show(results: Sequence[Result], console: Console) -> None:
    """Print one line per test, the differences of failed ones, and a summary."""
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
    """Return counts, and each test with its differences."""
    tests = [
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
    passed = sum(bool(test["passed"]) for test in tests)
    return {"passed": passed, "failed": len(tests) - passed, "tests": tests}


def as_junit(results: Sequence[Result]) -> str:
    """Return the results as JUnit XML, one suite per file."""
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
