"""`shipper replay` of one large log by one process and by two, in one run; into the embedded store, and as a dry run.

python -m benchmarks.replay [--lines N] [--workers N] [--runs N] [--data DIR] [--json FILE]

For comparison, the speed-up that the machine allows: the same number of independent single-process replays at once.
Hyper-threads and shared cores give less than their number.
"""

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, Measured, measured, median, written
from benchmarks.lines import ensure

WAYS: dict[str, tuple[str, ...]] = {"embedded store": (), "dry run": ("--dry-run",)}


def replay_once(root: Path, workers: int, options: Sequence[str]) -> Measured:
    """Run `shipper replay` with a fresh state and store; CPU time is of all its processes."""
    folder = Path(tempfile.mkdtemp(prefix="shipper-bench-", dir=root.parent))
    try:
        return measured(
            [
                *(sys.executable, "-m", "shipper", "replay", str(root), "--workers", str(workers), *options),
                *("--output", f"local:{folder}/store", "--state-dir", f"{folder}/state"),
            ]
        )
    finally:
        shutil.rmtree(folder)


def at_once(root: Path, number: int, options: Sequence[str]) -> float:
    """Wall seconds of `number` single-process replays started together."""
    with ThreadPoolExecutor(number) as threads:
        return max(threads.map(lambda _: replay_once(root, 1, options).wall_s, range(number)))


@click.command()
@click.option("--lines", default=500_000, show_default=True, help="Lines, all in one file.")
@click.option("--workers", default=2, show_default=True, help="Processes to compare with one.")
@click.option("--runs", default=3, show_default=True, help="Runs of each; shows medians.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option(
    "--json", "out", default=HERE / "results" / "replay.json", type=click.Path(path_type=Path), help="Result file."
)
def main(lines: int, workers: int, runs: int, data: Path, out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    root = ensure(data, lines, 1)
    results = []
    for way, options in WAYS.items():
        singles, several, together = [], [], []
        for _ in range(runs):
            singles.append(replay_once(root, 1, options))
            several.append(replay_once(root, workers, options))
            together.append(at_once(root, workers, options))
        one, many = median(singles), median(several)
        results.append(
            {
                "way": way,
                "lines": lines,
                "runs": runs,
                "workers": workers,
                "one": asdict(one),
                "several": asdict(many),
                "gain": round(one.wall_s / many.wall_s, 2),
                "machine_allows": round(workers * one.wall_s / statistics.median(together), 2),
                "cpu_ratio": round(many.cpu_s / one.cpu_s, 2),
                "events_per_second": round(lines / many.wall_s),
            }
        )
    show(results, workers)
    written(out, {"cores": os.cpu_count(), "results": results})


def show(results: list[dict[str, object]], workers: int) -> None:
    """Print the table."""
    table = Table(title=f"shipper replay of one file by one process and by {workers}", title_justify="left")
    for name in ("into", "wall s, one", f"wall s, {workers}", "faster", "the machine allows", "CPU", "events/s"):
        table.add_column(name, justify="left" if name == "into" else "right")
    for result in results:
        one, several, rate = result["one"], result["several"], result["events_per_second"]
        assert isinstance(one, dict)
        assert isinstance(several, dict)
        table.add_row(
            f"{result['way']}", f"{one['wall_s']:.1f}", f"{several['wall_s']:.1f}", f"{result['gain']} x",
            f"{result['machine_allows']} x", f"{result['cpu_ratio']} x", f"{rate:,}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
