"""shipper compared with other agents on the PATH: the same logs into the same sink, alternating, in one run.

python -m benchmarks.beside [--lines N] [--files N]... [--runs N] [--json FILE]
"""

import os
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, Measured, measured, median, written
from benchmarks.lines import ensure
from benchmarks.peers import installed_peers
from benchmarks.running import delivered

YARDSTICK = "Fluent Bit"


@click.command()
@click.option("--lines", default=1_000_000, show_default=True, help="Total number of lines.")
@click.option("--files", default=(1, 200), multiple=True, show_default=True, help="Number of files; repeatable.")
@click.option("--runs", default=3, show_default=True, help="Runs of each, alternating; shows medians.")
@click.option("--agent", "names", multiple=True, help="Only agents whose name starts with this; repeatable.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option("--json", "out", default=HERE / "results" / "beside.json", type=click.Path(path_type=Path))
def main(  # noqa: PLR0913, PLR0917 -- one for each option
    lines: int, files: tuple[int, ...], runs: int, names: tuple[str, ...], data: Path, out: Path
) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    results = []
    for number in files:
        root = ensure(data, lines, number)
        peers = [peer for peer in installed_peers() if not names or peer.name.startswith(names)]
        floors: list[float] = []
        runs_by_peer: dict[str, list[Measured]] = {peer.name: [] for peer in peers}
        for _ in range(runs):
            floors.append(measured([sys.executable, str(HERE / "floor.py"), str(root)]).cpu_s)
            for peer in peers:
                runs_by_peer[peer.name].append(delivered(peer, root, lines // number * number))
        medians = {name: median(each) for name, each in runs_by_peer.items()}
        floor, yardstick = statistics.median(floors), medians.get(YARDSTICK)
        for name, figures in medians.items():
            ratio = None if yardstick is None else round(figures.cpu_s / yardstick.cpu_s, 2)
            results.append(
                {
                    "files": number, "agent": name, **asdict(figures), "cpu_s_per_million": figures.cpu_s / lines * 1e6,
                    "of_the_floor": round(figures.cpu_s / floor, 2), "of_fluent_bit": ratio,
                    "events_per_second": round(lines / figures.wall_s),
                }
            )  # fmt: skip
    show(results, lines, runs)
    written(out, {"lines": lines, "runs": runs, "cores": os.cpu_count(), "results": results})


def show(results: list[dict[str, object]], lines: int, runs: int) -> None:
    """Print the table."""
    table = Table(title=f"{lines:,} lines into one sink, medians of {runs} alternating runs", title_justify="left")
    for name in ("files", "agent", "CPU s per M", "of the floor", "of Fluent Bit", "events/s", "RSS MB"):
        table.add_column(name, justify="left" if name == "agent" else "right")
    for result in results:
        of = result["of_fluent_bit"]
        table.add_row(
            f"{result['files']}", f"{result['agent']}", f"{result['cpu_s_per_million']:.2f}",
            f"{result['of_the_floor']} x",
            "" if of is None else f"{of} x", f"{result['events_per_second']:,}", f"{result['rss_mb']:.0f}",
        )  # fmt: skip
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
