"""`python -m tests.fuzz [TARGET]…`: guided fuzzing of the parsers, a table of what came of it, and what was found."""

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import click

from tests.fuzz.targets import CORPUS, TARGETS

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".cache" / "fuzz"
"""Inputs that reached new code, kept from run to run; nothing here is needed."""
MOST_BYTES, MOST_MEMORY_MB, LONGEST_S = 4096, 2048, 20


class Came(NamedTuple):
    """Result of fuzzing one target."""

    name: str
    executions: int
    seconds: float
    covered: int
    """Edges of our code that some input went over."""
    kept: int
    """Inputs that went over different ones."""
    found: Path | None
    """An input that the target fails on."""
    said: str


def fuzz(name: str, seconds: int) -> Came:
    """Fuzz one target for that long, in a process of its own, beginning with its corpus."""
    inputs, artifacts = WORK / name / "inputs", WORK / name / "found"
    inputs.mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(parents=True, exist_ok=True)
    before, began = set(artifacts.iterdir()), time.monotonic()
    options = [
        f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", f"-rss_limit_mb={MOST_MEMORY_MB}", f"-timeout={LONGEST_S}",
        f"-artifact_prefix={artifacts}/", "-print_final_stats=1", str(inputs), str(CORPUS / name),
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.fuzz.guided", name, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    crash = next(iter(sorted(set(artifacts.iterdir()) - before)), None)
    if done.returncode and crash is None:
        raise click.ClickException(f"{name} did not run:\n{said[-4000:]}")
    return Came(
        name, _last(r"stat::number_of_executed_units:\s+(\d+)", said) or _last(r"#(\d+)", said), time.monotonic() - began,
        _last(r"cov: (\d+)", said), _last(r"corp: (\d+)", said), crash, said,
    )  # fmt: skip


def _last(pattern: str, said: str) -> int:
    numbers = re.findall(pattern, said)
    return int(numbers[-1]) if numbers else 0


@click.command()
@click.argument("names", nargs=-1, metavar="[TARGET]...", type=click.Choice(sorted(TARGETS)))
@click.option("--seconds", type=click.IntRange(min=1), default=60, show_default=True, help="Time for each target.")
def main(names: tuple[str, ...], seconds: int) -> None:
    """Fuzz these TARGETs, or all, one after the other. Exit code 1 where something was found."""
    click.echo(f"{'target':<18}{'executions':>12}{'seconds':>9}{'edges':>7}{'inputs':>8}  found")
    failed = False
    for name in names or sorted(TARGETS):
        came = fuzz(name, seconds)
        shown = "nothing" if came.found is None else str(came.found.relative_to(ROOT))
        click.echo(f"{name:<18}{came.executions:>12,}{came.seconds:>9.0f}{came.covered:>7,}{came.kept:>8,}  {shown}")
        if came.found is not None:
            failed = True
            click.echo(came.said[:6000], err=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
