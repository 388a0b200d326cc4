"""`python -m tests.fuzz [TARGET]…`: guided fuzzing of the parsers; prints a table of results and failures."""

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
"""Inputs that reached new code, kept between runs; it may be deleted."""
MOST_BYTES, MOST_MEMORY_MB, LONGEST_S = 4096, 2048, 20


class Outcome(NamedTuple):
    """Result of fuzzing one target."""

    name: str
    executions: int
    seconds: float
    covered: int
    """Edges of the project's code that inputs covered."""
    kept: int
    """Inputs with different coverage."""
    failing_input: Path | None
    output: str


def fuzz(name: str, seconds: int) -> Outcome:
    """Fuzz one target for `seconds`, in a separate process, starting with its corpus."""
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
    output = done.stdout + done.stderr
    crash = next(iter(sorted(set(artifacts.iterdir()) - before)), None)
    if done.returncode and crash is None:
        raise click.ClickException(f"{name} did not run:\n{output[-4000:]}")
    return Outcome(
        name, _last(r"stat::number_of_executed_units:\s+(\d+)", output) or _last(r"#(\d+)", output), time.monotonic() - began,
        _last(r"cov: (\d+)", output), _last(r"corp: (\d+)", output), crash, output,
    )  # fmt: skip


def _last(pattern: str, output: str) -> int:
    numbers = re.findall(pattern, output)
    return int(numbers[-1]) if numbers else 0


@click.command()
@click.argument("names", nargs=-1, metavar="[TARGET]...", type=click.Choice(sorted(TARGETS)))
@click.option("--seconds", type=click.IntRange(min=1), default=60, show_default=True, help="Time for each target.")
def main(names: tuple[str, ...], seconds: int) -> None:
    """Fuzz these TARGETs, or all, one after the other. Exit code 1 if an input fails."""
    click.echo(f"{'target':<18}{'executions':>12}{'seconds':>9}{'edges':>7}{'inputs':>8}  failing input")
    failed = False
    for name in names or sorted(TARGETS):
        result = fuzz(name, seconds)
        shown = "none" if result.failing_input is None else str(result.failing_input.relative_to(ROOT))
        click.echo(
            f"{name:<18}{result.executions:>12,}{result.seconds:>9.0f}{result.covered:>7,}{result.kept:>8,}  {shown}"
        )
        if result.failing_input is not None:
            failed = True
            click.echo(result.output[:6000], err=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
