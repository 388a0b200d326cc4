"""`shipper check`: validate configuration, permissions and connectivity; every problem with its hint."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import click
from rich.console import Console
from rich.text import Text

from shipper.bootstrap import build_pipeline, build_sampler
from shipper.cli.options import configured
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import working
from shipper.config import Problem
from shipper.config.settings import Settings
from shipper.diagnose.preflight import Finding, examine
from shipper.diagnose.sample_logs import LogSample
from shipper.inputs.registry import process_of
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError
from shipper.system.version import NATIVE_COST
from shipper_processors.sanitize import printable

MARKS = {"ok": ("ok      ", "green"), "note": ("note    ", "yellow"), "problem": ("problem ", "bold red")}


def report_invalid(problems: Sequence[Problem], *, form: str) -> None:
    """Report the problems of an invalid configuration like all other findings."""
    _report([_finding(problem) for problem in problems], form)


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("inputs", "output", "state_dir", "listen", on_invalid=report_invalid)
def check(settings: Settings, *, form: str) -> None:
    """Validate configuration, permissions and connectivity.

    Checks the configuration, inputs, state directory, output and listen address. Samples the end of each log: the
    share of entries that would be quarantined, and the fields that time, level, message and id come from. Exits 1 on
    any problem; changes nothing.
    """

    def samples() -> Iterator[LogSample | str]:
        return build_sampler.sampler(settings, Clock()).samples()

    with working("checking", "findings") as count:
        findings = list(count((*_path(settings), *examine(settings, samples))))
    _report(findings, form)


def _path(settings: Settings) -> Iterator[Finding]:
    """Report the path that the agent's lines take, native or Python."""
    if process_of(settings) == "indexer":
        return
    with suppress(ShipperError):  # a part that cannot be built is reported with the samples
        chain, reason, hint = build_pipeline.chain_to_look_at(settings)
        if chain is not None:
            yield Finding("ok", "path", "native")
        elif settings.compiled:
            yield Finding("note", "path", f"Python, since {reason}: {NATIVE_COST}", hint)
        else:
            yield Finding("ok", "path", f"Python, as configured ({reason})")


def _finding(problem: Problem) -> Finding:
    if problem.hint:
        hint = f"{problem.hint} ({problem.origin})" if problem.origin else problem.hint
    else:
        where = f" in {problem.origin}" if problem.origin else ""
        hint = f"correct the value{where}; `shipper config schema` lists every key"
    return Finding("problem", problem.key, problem.what, hint)


def _report(findings: Sequence[Finding], form: str) -> None:
    if form == "json":
        click.echo(as_json([finding._asdict() for finding in findings]))
    else:
        show(findings, Console(highlight=False, soft_wrap=True))
    if any(finding.grade == "problem" for finding in findings):
        sys.exit(1)


def show(findings: Iterable[Finding], console: Console) -> None:
    """Print findings, each with its hint, and a summary."""
    problems = 0
    for finding in findings:
        problems += finding.grade == "problem"
        console.print(Text.assemble(MARKS[finding.grade], printable(finding.subject), ": ", printable(finding.what)))
        if finding.hint:
            console.print(Text(f"        -> {printable(finding.hint)}", "dim"))
    verdict = "no problems" if problems == 0 else "1 problem" if problems == 1 else f"{problems} problems"
    console.print(Text(verdict, "bold green" if problems == 0 else "bold red"))
