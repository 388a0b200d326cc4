"""Cost of an event with more events, and over many files.

python -m benchmarks.growth [--lines N]... [--files N]... [--json FILE]

Into a sink that acknowledges. The cost of the start is measured separately, with a hundred lines, and subtracted.
"""

import math
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.lines import ensure
from benchmarks.peers import NATIVE
from benchmarks.running import delivered

FEW = 100


@click.command()
@click.option("--lines", default=(100_000, 1_000_000), multiple=True, show_default=True, help="Lines; repeatable.")
@click.option("--files", default=(1, 100, 1000), multiple=True, show_default=True, help="Files; repeatable.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option("--json", "out", default=HERE / "results" / "growth.json", type=click.Path(path_type=Path))
def main(lines: tuple[int, ...], files: tuple[int, ...], data: Path, out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    start = delivered(NATIVE, ensure(data, FEW, 1), FEW)
    results: list[dict[str, float]] = []
    for number in lines:
        for count in files:
            delivery = delivered(NATIVE, ensure(data, number, count), number // count * count)
            micros = (delivery.cpu_s - start.cpu_s) / number * 1e6
            results.append(
                {"lines": number, "files": count, "cpu_us": round(micros, 2), "rss_mb": round(delivery.rss_mb)}
            )
    first = results[0]["cpu_us"]
    table = Table(title=f"CPU an event, without the start ({start.cpu_s:.2f} s)", title_justify="left")
    for name in ("lines", "files", "CPU us an event", "of the first", "RSS MB"):
        table.add_column(name, justify="right")
    for row in results:
        row["of_the_first"] = round(row["cpu_us"] / first, 2) if first > 0 else math.nan  # too few lines to measure
        table.add_row(
            f"{row['lines']:,}", f"{row['files']:,}", f"{row['cpu_us']}", f"{row['of_the_first']} x", f"{row['rss_mb']}"
        )
    Console().print(table)
    written(out, {"start_cpu_s": start.cpu_s, "results": results})


if __name__ == "__main__":
    main()
