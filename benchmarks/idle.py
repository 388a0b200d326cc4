"""shipper with files that are not written to: memory, CPU and wake-ups.

python -m benchmarks.idle [--files N]... [--seconds S] [--json FILE]

The files are read first and the agent restarted, as on a node that has been quiet for long.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.lines import ensure
from benchmarks.peers import NATIVE, environment
from benchmarks.running import use_of

LINES_EACH = 20
SETTLED_S = 10.0


def quiet(files: int, seconds: float, data: Path) -> dict[str, float]:
    """Figures of an agent with `files` quiet logs."""
    root = ensure(data, files * LINES_EACH, files)
    with TemporaryDirectory(prefix="shipper-bench-") as folder:
        options = [
            f"--input=docker:{root}/*/*-json.log",
            f"--output=local:{folder}/store",
            f"--state-dir={folder}/state",
        ]
        command = [sys.executable, "-m", "shipper", "run", "--listen=127.0.0.1:0", *options]
        null = subprocess.DEVNULL
        subprocess.run([*command, "--once"], stdout=null, stderr=null, check=True)
        process = subprocess.Popen(command, stdout=null, stderr=null, env=environment(NATIVE))
        try:
            time.sleep(SETTLED_S)
            before = use_of(process.pid)
            time.sleep(seconds)
            after = use_of(process.pid)
        finally:
            process.terminate()
            process.wait()
    return {
        "files": files,
        "rss_mb": round(after.now_mb, 1),
        "peak_mb": round(after.rss_mb, 1),
        "cpu_percent_of_a_core": round((after.cpu_s - before.cpu_s) / seconds * 100, 2),
        "wake_ups_per_second": round((after.switches - before.switches) / seconds, 1),
    }


@click.command()
@click.option("--files", default=(1, 1000), multiple=True, show_default=True, help="Quiet files; repeatable.")
@click.option("--seconds", default=20.0, show_default=True, help="Seconds to measure.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option("--json", "out", default=HERE / "results" / "idle.json", type=click.Path(path_type=Path))
def main(files: tuple[int, ...], seconds: float, data: Path, out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    results = [quiet(number, seconds, data) for number in files]
    table = Table(title="shipper over quiet files, polled four times a second", title_justify="left")
    for name in ("files", "RSS MB", "peak MB", "CPU % of a core", "wake-ups/s"):
        table.add_column(name, justify="right")
    for result in results:
        table.add_row(*(f"{value:,}" for value in result.values()))
    Console().print(table)
    written(out, results)


if __name__ == "__main__":
    main()
