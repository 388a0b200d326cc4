"""`make bench`: CPU and memory of `shipper run --once` over generated logs, compared with the floor, in one run.

python -m benchmarks [--lines N] [--files N] [--runs N] [--data DIR] [--json FILE]
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.lines import ensure

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Measured:
    """One finished process: CPU seconds (user and system), wall seconds, largest resident memory in MB."""

    cpu_s: float
    wall_s: float
    rss_mb: float


def measured(command: list[str]) -> Measured:
    """Run a command to its end, without its output. Raises ClickException if it fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise click.ClickException(f"{' '.join(command)} failed:\n{errors.decode()}")
    return Measured(usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss / 1024)


def shipper_once(root: Path) -> Measured:
    """Run `shipper run --once` with a fresh state and store."""
    folder = Path(tempfile.mkdtemp(prefix="shipper-bench-", dir=root.parent))
    try:
        return measured(
            [
                *(sys.executable, "-m", "shipper", "run", "--once", "--input", f"docker:{root}/*/*-json.log"),
                *("--output", f"local:{folder}/store", "--state-dir", f"{folder}/state", "--listen", "off"),
            ]
        )
    finally:
        shutil.rmtree(folder)


def median(runs: list[Measured]) -> Measured:
    """The median of each figure."""
    return Measured(*(statistics.median(getattr(run, name) for run in runs) for name in Measured.__slots__))


def written(out: Path, figures: object) -> None:
    """Write the figures as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@click.command()
@click.option("--lines", default=1_000_000, show_default=True, help="Total number of lines.")
@click.option("--files", default=(1, 200), multiple=True, show_default=True, help="Number of files; repeatable.")
@click.option("--runs", default=3, show_default=True, help="Runs of each; shows medians.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option(
    "--json", "out", default=HERE / "results" / "latest.json", type=click.Path(path_type=Path), help="Result file."
)
def main(lines: int, files: tuple[int, ...], runs: int, data: Path, out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    results = []
    for number in files:
        root = ensure(data, lines, number)
        floors, agents = [], []
        for _ in range(runs):
            floors.append(measured([sys.executable, str(HERE / "floor.py"), str(root)]))
            agents.append(shipper_once(root))
        floor, agent = median(floors), median(agents)
        results.append(
            {
                "lines": lines,
                "files": number,
                "runs": runs,
                "floor": asdict(floor),
                "shipper": asdict(agent),
                "cpu_ratio_to_floor": round(agent.cpu_s / floor.cpu_s, 2),
                "events_per_cpu_second": round(lines / agent.cpu_s),
                "events_per_second": round(lines / agent.wall_s),
            }
        )
    show(results)
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    written(out, {"machine": machine, "results": results})


def show(results: list[dict[str, object]]) -> None:
    """Print the table."""
    table = Table(title="shipper run --once into the embedded store", title_justify="left")
    for name in ("lines", "files", "CPU s per M", "of the floor", "events per CPU s", "events/s", "RSS MB"):
        table.add_column(name, justify="right")
    for result in results:
        agent, lines, ratio = result["shipper"], result["lines"], result["cpu_ratio_to_floor"]
        assert isinstance(agent, dict)
        assert isinstance(lines, int)
        table.add_row(
            f"{lines:,}", f"{result['files']}", f"{agent['cpu_s'] / lines * 1e6:.1f}", f"{ratio} x",
            f"{result['events_per_cpu_second']:,}", f"{result['events_per_second']:,}", f"{agent['rss_mb']:.0f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
