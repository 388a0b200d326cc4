"""`shipper check`: every problem with its hint, before the agent meets it."""

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.text import Text

from shipper.cli.options import configured
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import working
from shipper.config import Problem
from shipper.config.settings import Settings
from shipper.diagnose.preflight import Finding, examine
from shipper_processors.sanitize import printable

MARKS = {"ok": ("ok      ", "green"), "note": ("note    ", "yellow"), "problem": ("problem ", "bold red")}


def refused(problems: Sequence[Problem], *, form: str) -> None:
    """Show what is wrong with the configuration in the way of all other findings."""
    _report([_finding(problem) for problem in problems], form)


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("inputs", "output", "state_dir", "listen", refused=refused)
def check(settings: Settings, *, form: str) -> None:
    """Look for every problem before the agent meets it.

    Configuration, inputs, state directory, output and address. Exit 1 on any problem; nothing is changed.
    """
    with working("looking", "findings") as count:
        findings = list(count(examine(settings)))
    _report(findings, form)


def _finding(problem: Problem) -> Finding:
    where = f" in {problem.origin}" if problem.origin else ""
    hint = problem.hint or f"correct it{where}; `shipper config schema` lists every key"
    return Finding("problem", problem.key, problem.what, hint)


def _report(findings: Sequence[Finding], form: str) -> None:
    if form == "json":
        click.echo(as_json([finding._asdict() for finding in findings]))
    else:
        show(findings, Console(highlight=False, soft_wrap=True))
    if any(finding.grade == "problem" for finding in findings):
        sys.exit(1)


def show(findings: Iterable[Finding], console: Console) -> None:
    """Print findings, a hint under each that needs one, and a verdict."""
    problems = 0
    for finding in findings:
        problems += finding.grade == "problem"
        console.print(Text.assemble(MARKS[finding.grade], printable(finding.subject), ": ", printable(finding.what)))
        if finding.hint:
            console.print(Text(f"        -> {printable(finding.hint)}", "dim"))
    verdict = "no problem found" if problems == 0 else "1 problem" if problems == 1 else f"{problems} problems"
    console.print(Text(verdict, "bold green" if problems == 0 else "bold red"))
