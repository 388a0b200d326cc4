"""CPU of the start of each command, and memory of an agent at rest, in one run.

python -m benchmarks.start [--runs N] [--files N]... [--json FILE]

Modules are loaded from compiled files, as in an installation. Python itself, without any module of shipper, is measured
in the same run: a ratio to it holds on other machines too.
"""

import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.idle import quiet
from benchmarks.mix import MIX, ensure
from benchmarks.peers import NATIVE, PYTHON, Peer, environment

SECONDS = 10.0
"""Seconds for which an agent at rest is measured."""
SHIPPER = (sys.executable, "-m", "shipper")
BYTECODE = "PYTHONPYCACHEPREFIX"


def cpu_s(command: list[str], variables: dict[str, str]) -> float:
    """CPU seconds of a process from its start to its end; a search that finds nothing exits 1."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    null = subprocess.DEVNULL
    if subprocess.run(command, env=variables, stdout=null, stderr=null, check=False).returncode > 1:
        raise RuntimeError(f"failed: {' '.join(command)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextmanager
def commands(data: Path) -> Iterator[dict[str, Callable[[], float]]]:
    """The measured commands by name; each call runs one, and returns its CPU seconds."""
    with TemporaryDirectory(prefix="shipper-bench-") as folder:
        variables = environment(NATIVE) | {BYTECODE: f"{folder}/bytecode"}
        store = f"--output=local:{folder}/store"

        def once(glob: str, peer: Peer = NATIVE) -> Callable[[], float]:
            def run() -> float:
                with TemporaryDirectory(dir=folder) as state:
                    options = [f"--input=docker:{glob}", f"--state-dir={state}/state", f"--output=local:{state}/store"]
                    own = environment(peer) | {BYTECODE: variables[BYTECODE]}
                    return cpu_s([*SHIPPER, "run", "--once", "--listen=off", *options], own)

            return run

        def plain(*arguments: str) -> Callable[[], float]:
            return lambda: cpu_s([*arguments], variables)

        some = ensure(data, MIX, 200, 1)
        empty = f"{folder}/nothing/*-json.log"
        os.mkdir(f"{folder}/nothing")
        cpu_s([*SHIPPER, "run", "--once", "--listen=off", f"--input=docker:{some}/*/*-json.log", store,
               f"--state-dir={folder}/state"], variables)  # fmt: skip
        yield {
            "python, no module": plain(sys.executable, "-c", "pass"),
            "shipper --help": plain(*SHIPPER, "--help"),
            "shipper search ID": plain(*SHIPPER, "search", "no-such-id", store),
            "shipper run --once, no log": once(empty),
            "shipper run --once, 200 lines of the mix": once(f"{some}/*/*-json.log"),
            "the same, Python path": once(f"{some}/*/*-json.log", PYTHON),
        }


@click.command()
@click.option("--runs", default=5, show_default=True, help="Runs of each, alternating; shows medians.")
@click.option("--files", default=(1, 200, 10_000), multiple=True, show_default=True, help="Quiet files; repeatable.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option("--json", "out", default=HERE / "results" / "start.json", type=click.Path(path_type=Path))
def main(runs: int, files: tuple[int, ...], data: Path, out: Path) -> None:
    """Measure, print tables, and write the figures to a JSON file."""
    with commands(data) as measured:
        figures: dict[str, list[float]] = {name: [] for name in measured}
        for turn in range(runs + 1):
            for name, run in measured.items():
                used = run()
                if turn:  # the first one compiles modules
                    figures[name].append(used)
    medians = {name: statistics.median(each) for name, each in figures.items()}
    floor = next(iter(medians.values()))
    table = Table(title=f"CPU of a process, medians of {runs}", title_justify="left")
    for name in ("command", "CPU s", "of Python alone"):
        table.add_column(name, justify="left" if name == "command" else "right")
    for name, value in medians.items():
        table.add_row(name, f"{value:.3f}", f"{value / floor:.1f} x")
    at_rest = [quiet(number, SECONDS, data) for number in files]
    memory = Table(title="An agent at rest, after a restart", title_justify="left")
    for name in ("files", "RSS MB", "CPU % of a core"):
        memory.add_column(name, justify="right")
    for row in at_rest:
        memory.add_row(f"{row['files']:,}", f"{row['rss_mb']}", f"{row['cpu_percent_of_a_core']}")
    Console().print(table, memory)
    starts = {name: {"cpu_s": round(value, 3), "of_python": round(value / floor, 1)} for name, value in medians.items()}
    written(out, {"runs": runs, "starts": starts, "at_rest": at_rest})


if __name__ == "__main__":
    main()
