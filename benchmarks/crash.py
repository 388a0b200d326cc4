"""Agents killed during work: lines lost, documents resent, and duplicates in the index.

python -m benchmarks.crash [--lines N] [--runs N] [--agent NAME]... [--json FILE]

The agent reads a log with a fixed number of lines. It is killed with SIGKILL once the sink has a certain number of
documents, a different one in each run, and started again with its state. The sink records each line, and rejects a
document whose id it has, as an index does; only shipper sets ids.
"""

import os
import signal
import statistics
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.books import Books, closed, counter_error
from benchmarks.peers import CAREFUL, NATIVE, PYTHON, Peer, installed_peers
from benchmarks.running import sink, started, stats
from benchmarks.serials import Log

DOWNTIME_S = 0.5
START_S = 20.0
KINDS = ("lost", "resent", "duplicated")


def crashed(peer: Peer, log: Log, at: int, settled: float, folder: Path) -> tuple[Books, int]:
    """The counts of one run, and the number of documents in the sink after the kill."""
    glob = f"{log.path.parents[1]}/*/*-json.log"
    with sink("--serials", "--ids") as port:
        process = started(peer, glob, port, 0.2, folder)
        try:
            _until(port, at, process)
            os.killpg(process.pid, signal.SIGKILL)
        finally:
            _end(process, signal.SIGKILL)
        time.sleep(DOWNTIME_S)
        had = int(stats(port)["documents"])
        process = started(peer, glob, port, 0.2, folder)
        try:
            _settle(port, had, settled)
        finally:
            _end(process, signal.SIGTERM)
        books = closed(port, log.written)
    if peer.name in {NATIVE.name, PYTHON.name}:
        books = closed_with(books, counter_error(folder / "state", [log]))
    return books, had


def closed_with(books: Books, error: float) -> Books:
    """The same counts, with the error of the counters."""
    return Books(books.written, books.lost, books.resent, books.duplicated, error)


def _until(port: int, documents: int, process: subprocess.Popen[bytes]) -> None:
    while stats(port)["documents"] < documents:
        if process.poll() is not None:
            raise click.ClickException(f"{process.args!r} ended unexpectedly")
        time.sleep(0.002)


def _settle(port: int, had: float, seconds: float) -> None:
    """Wait until no document arrives for `seconds`; for the first one, at least `START_S`."""
    had_at, timeout = time.monotonic(), max(seconds, START_S)
    while time.monotonic() - had_at < timeout:
        if (have := stats(port)["documents"]) != had:
            had, had_at, timeout = have, time.monotonic(), seconds
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@click.command()
@click.option("--lines", default=200_000, show_default=True, help="Lines of the log.")
@click.option("--runs", default=10, show_default=True, help="Runs of each agent, alternating.")
@click.option("--settled", default=8.0, show_default=True, help="Seconds without a document after which a run ends.")
@click.option("--agent", "names", multiple=True, help="Only agents whose name starts with this; repeatable.")
@click.option("--json", "out", default=HERE / "results" / "crash.json", type=click.Path(path_type=Path))
def main(lines: int, runs: int, settled: float, names: tuple[str, ...], out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    known = [*installed_peers(), *([CAREFUL] if CAREFUL.executable() else [])]
    peers = [peer for peer in known if not names or peer.name.startswith(names)]
    results: dict[str, list[dict[str, float | None]]] = {peer.name: [] for peer in peers}
    with TemporaryDirectory(prefix="shipper-crash-") as folder:
        log = Log(Path(folder) / "logs", 0)
        log.write(lines)
        log.close()
        for run in range(runs):
            at = round(lines * (0.3 + 0.45 * run / max(1, runs - 1)))
            for peer in peers:
                with TemporaryDirectory(prefix="state-", dir=folder) as own:
                    books, had = crashed(peer, log, at, settled, Path(own))
                result = {"kill_at": at, "documents_then": had, **books.as_json()}
                results[peer.name].append(result)
                click.echo(f"{peer.name}: {result}", err=True)
                written(out, {"lines": lines, "runs": run + 1, "results": results})
    show(results, lines)


def show(results: dict[str, list[dict[str, float | None]]], lines: int) -> None:
    """Print the table."""
    table = Table(title=f"{lines:,} lines, kill -9 in the middle: least, median, most", title_justify="left")
    for name in ("agent", "runs", *(kind.replace("_", " ") for kind in KINDS)):
        table.add_column(name, justify="left" if name == "agent" else "right")
    for name, peer_runs in results.items():
        spans = []
        for kind in KINDS:
            numbers = [run[kind] or 0 for run in peer_runs]
            spans.append(f"{min(numbers):,.0f} / {statistics.median(numbers):,.0f} / {max(numbers):,.0f}")
        table.add_row(name, str(len(peer_runs)), *spans)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
