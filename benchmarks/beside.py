"""shipper compared with other agents on the PATH, over the mix and over each kind of line alone, in one run.

python -m benchmarks.beside [--lines N] [--kind-lines N] [--files N]... [--runs N] [--kind KIND]... [--short]

All get the same logs and send them to the same sink; runs alternate, and medians are shown. From the results,
`python -m benchmarks.tables` writes the tables of the documentation.
"""

import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, Measured, measured, median, written
from benchmarks.mix import KINDS, MIX, WEIGHTS, ensure
from benchmarks.peers import NATIVE, Peer, installed_peers
from benchmarks.running import delivered

YARDSTICK = "Fluent Bit"
SHORT = (NATIVE.name, YARDSTICK)
"""The agents that `--short` measures on each kind of line; the mix is for all."""
Row = dict[str, Any]


class Task(NamedTuple):
    """One comparison: a kind of line, over a number of files, by some agents."""

    kind: str
    lines: int
    files: int
    peers: Sequence[Peer]


@click.command()
@click.option("--lines", default=200_000, show_default=True, help="Lines of the mix.")
@click.option("--kind-lines", default=100_000, show_default=True, help="Lines of each kind alone.")
@click.option("--files", default=(1, 200), multiple=True, show_default=True, help="Number of files; repeatable.")
@click.option("--runs", default=3, show_default=True, help="Runs of each, alternating; shows medians.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([MIX, *KINDS]), help="Only this kind; repeatable.")
@click.option("--agent", "names", multiple=True, help="Only agents whose name starts with this; repeatable.")
@click.option("--short", is_flag=True, help=f"Each kind alone by {' and '.join(SHORT)} only.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option("--json", "out", default=HERE / "results" / "beside.json", type=click.Path(path_type=Path))
def main(  # noqa: PLR0913, PLR0917 -- one for each option
    lines: int,
    kind_lines: int,
    files: tuple[int, ...],
    runs: int,
    kinds: tuple[str, ...],
    names: tuple[str, ...],
    short: bool,
    data: Path,
    out: Path,
) -> None:
    """Measure, print tables, and write the figures to a JSON file."""
    peers = [peer for peer in installed_peers() if not names or peer.name.startswith(names)]
    few = [peer for peer in peers if peer.name in SHORT] if short else peers
    tasks = [
        Task(kind, lines if kind == MIX else kind_lines, number, peers if kind == MIX else few)
        for kind in kinds or (MIX, *KINDS)
        for number in files
    ]
    for task in tasks:
        ensure(data, task.kind, task.lines, task.files)
    load = os.getloadavg()[0]
    results = [row for task in tasks for row in compared(task, runs, data)]
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    weights = {kind.__name__: weight for kind, weight in WEIGHTS.items()}
    written(out, {
        "lines": lines, "kind_lines": kind_lines, "runs": runs, "machine": machine,
        "load_before": round(load, 2), "weights": weights, "results": results,
    })  # fmt: skip
    show(results, runs)


def compared(task: Task, runs: int, data: Path) -> Iterator[Row]:
    """Yield a row for each agent: medians of alternating runs, with their ratios to the floor and to the yardstick."""
    root = ensure(data, task.kind, task.lines, task.files)
    lines = task.lines // task.files * task.files
    size = sum(path.stat().st_size for path in root.glob("*/*-json.log"))
    floors: list[float] = []
    measurements: dict[str, list[Measured]] = {peer.name: [] for peer in task.peers}
    failed: set[str] = set()
    for _ in range(runs):
        floors.append(measured([sys.executable, str(HERE / "floor.py"), str(root)]).cpu_s)
        for peer in task.peers:
            if peer.name in failed:
                continue
            try:
                measurements[peer.name].append(delivered(peer, root, lines))
            except TimeoutError as error:
                failed.add(peer.name)
                print(f"{task.kind}, {task.files} files: {error}", file=sys.stderr)
    medians = {name: median(each) for name, each in measurements.items() if name not in failed}
    floor, yardstick = statistics.median(floors), medians.get(YARDSTICK)
    for name, figures in medians.items():
        yield {
            "kind": task.kind, "files": task.files, "agent": name, **asdict(figures),
            "bytes_per_line": round(size / lines), "cpu_s_per_million": round(figures.cpu_s / lines * 1e6, 2),
            "of_the_floor": round(figures.cpu_s / floor, 2),
            "of_fluent_bit": None if yardstick is None else round(figures.cpu_s / yardstick.cpu_s, 2),
            "events_per_second": round(lines / figures.wall_s), "cores_used": round(figures.cpu_s / figures.wall_s, 2),
        }  # fmt: skip
    print(f"{task.kind}, {task.files} files: done", file=sys.stderr, flush=True)


def show(results: list[Row], runs: int) -> None:
    """Print the table."""
    table = Table(title=f"The same lines into one sink, medians of {runs} alternating runs", title_justify="left")
    for name in (
        "lines",
        "files",
        "agent",
        "CPU s per M",
        "of Fluent Bit",
        "of the floor",
        "events/s",
        "RSS MB",
        "cores",
    ):
        table.add_column(name, justify="left" if name in {"lines", "agent"} else "right")
    for row in results:
        of = row["of_fluent_bit"]
        table.add_row(
            row["kind"], f"{row['files']}", row["agent"], f"{row['cpu_s_per_million']:.2f}",
            "" if of is None else f"{of:.2f} x", f"{row['of_the_floor']:.2f} x", f"{row['events_per_second']:,}",
            f"{row['rss_mb']:.0f}", f"{row['cores_used']:.2f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
