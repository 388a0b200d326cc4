"""Unusual load: many files, a large one, a loud container with quiet ones, rotations, short-lived containers.

python -m benchmarks.load [files|large|loud|rotations|containers]... [--json FILE]

Without a name, all of them, each with reconciled counts: the sink records each line. Memory and state are checked.
"""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.books import StateSize, arrived, closed, counter_error, settled, state_size
from benchmarks.latency import line
from benchmarks.peers import NATIVE
from benchmarks.running import running, sink, stats, use_of
from benchmarks.serials import BLOCK, Log

Figures = dict[str, float]
LINES_A_FILE = 5
TICK_S = 0.01
QUIET_S = 4.0
SCENARIOS = ("files", "large", "loud", "rotations", "containers")
WRONG = ("lost", "resent", "duplicated", "counter_error")


@dataclass(slots=True)
class Run:
    """An agent with a folder of logs, and a sink that records lines."""

    folder: Path
    logs: list[Log] = field(default_factory=list)
    port: int = 0
    pid: int = 0
    began: float = 0.0
    figures: Figures = field(default_factory=dict)

    def log(self, file_bytes: int = 1 << 62, kept: int = 1) -> Log:
        """Add a log."""
        self.logs.append(Log(self.folder / "logs", len(self.logs), file_bytes, kept))
        return self.logs[-1]

    @property
    def written(self) -> int:
        """Lines in all logs."""
        return sum(log.written for log in self.logs)

    @property
    def seconds(self) -> float:
        """Seconds since the start of the agent."""
        return round(time.monotonic() - self.began, 1)

    @contextmanager
    def agent(self, *options: str, flush: float = 0.2) -> Iterator[None]:
        """Start a sink and the agent; at the end, wait for all lines, stop the agent and reconcile the counts."""
        own, glob = self.folder / "agent", f"{self.folder}/logs/*/*-json.log"
        own.mkdir()
        with sink("--serials", *options) as self.port:
            with running(NATIVE, glob, self.port, flush, own) as self.pid:
                self.began = time.monotonic()
                yield
                self.wait()
                seconds, use = self.seconds, use_of(self.pid)
                self.figures["state_mb"] = round(self.state().bytes / 1e6, 2)
            books = closed(self.port, self.written, counter_error(own / "state", self.logs))
        self.figures = {
            **{name: value for name, value in books.as_json().items() if value is not None},
            "seconds": seconds, "cpu_s": round(use.cpu_s, 1), "peak_mb": round(use.rss_mb), **self.figures,
        }  # fmt: skip

    def state(self) -> StateSize:
        """Return the size of the state."""
        return state_size(self.folder / "agent" / "state")

    def settled(self, files: int) -> StateSize:
        """Return the size of the state once it has at most `files` files and logs."""
        return settled(self.folder / "agent" / "state", files)

    def wait(self) -> None:
        """Wait until all written lines arrive, or no more arrive."""
        arrived(self.port, self.written)


def files(folder: Path, number: int) -> Figures:
    """`number` existing files, then one more line in each, three times."""
    run = Run(folder)
    for _ in range(number):
        run.log().write(LINES_A_FILE)
        run.logs[-1].close()
    with run.agent():
        run.wait()
        run.figures["until_first_read_s"] = run.seconds
        for _ in range(3):
            for log in run.logs:
                log.reopen()
                log.write(1)
                log.close()
            run.wait()
        run.figures["descriptors"] = use_of(run.pid).descriptors
        before, seconds = use_of(run.pid).cpu_s, run.seconds
        time.sleep(QUIET_S)
        run.figures["quiet_cores"] = round((use_of(run.pid).cpu_s - before) / (run.seconds - seconds), 3)
    return run.figures


def large(folder: Path, gigabytes: float) -> Figures:
    """One file of `gigabytes`, written before the agent starts."""
    run, left = Run(folder), gigabytes * 1e9
    log = run.log()
    while left > 0:
        left -= log.write(BLOCK)
    log.close()
    with run.agent():
        run.wait()
    return {"gigabytes": gigabytes, **run.figures}


def loud(folder: Path, quiet: int, mb_a_second: float, seconds: float) -> Figures:
    """A container that writes `mb_a_second`, with `quiet` ones that write a line a second each."""
    run = Run(folder)
    loud_one, quiet_ones, stop = run.log(), [run.log() for _ in range(quiet)], threading.Event()
    with run.agent("--latency"):
        loud_one.write(1)
        run.wait()  # it is up
        writers = (
            threading.Thread(target=_shout, args=(loud_one, mb_a_second * 1e6, stop)),
            threading.Thread(target=_whisper, args=(quiet_ones, stop)),
        )
        began = time.monotonic()
        for writer in writers:
            writer.start()
        stop.wait(seconds)
        stop.set()
        for writer in writers:
            writer.join()
        ages, passed = stats(run.port), time.monotonic() - began
        run.figures |= {
            "quiet_lines": sum(log.written for log in quiet_ones),
            "loud_mb_a_second": round(loud_one.path.stat().st_size / passed / 1e6, 1),
            "backlog_lines": run.written - ages["documents"],
            **{f"quiet_{name}_ms": round(ages[name]) for name in ("p50", "p99", "most")},
        }
    return run.figures


def _shout(log: Log, bytes_a_second: float, stop: threading.Event) -> None:
    began, done = time.monotonic(), 0
    while not stop.wait(TICK_S):
        while done < (time.monotonic() - began) * bytes_a_second and not stop.is_set():
            done += log.write(BLOCK)


def _whisper(logs: Sequence[Log], stop: threading.Event) -> None:
    began, done = time.monotonic(), 0
    while not stop.wait(TICK_S):
        while done < (time.monotonic() - began) * len(logs):
            log = logs[done % len(logs)]
            log.append(line(time.monotonic_ns(), log.next_serial).encode(), 1)
            done += 1


def rotations(folder: Path, number: int, logs: int = 50, kept: int = 5) -> Figures:
    """`number` rotated files of a few lines each; unread files are not rotated away."""
    run = Run(folder)
    for _ in range(logs):
        run.log(kept=kept)
    sizes: list[StateSize] = []
    with run.agent(flush=0.05):
        while sum(log.rotations for log in run.logs) < number:
            for log in run.logs:
                for _ in range(kept - 2):
                    log.write(LINES_A_FILE)
                    log.rotate()
            run.wait()
            sizes.append(run.state())
        run.figures = {
            "rotations": sum(log.rotations for log in run.logs), "logs": logs, "kept": kept,
            "most_state_mb": round(max(size.bytes for size in sizes) / 1e6, 2),
            "most_state_files": max(size.files for size in sizes), "state_files_left": run.settled(logs * kept).files,
            "descriptors": use_of(run.pid).descriptors,
        }  # fmt: skip
    return run.figures


def containers(folder: Path, number: int, at_once: int = 100) -> Figures:
    """`number` containers that log a few lines and are removed once these are read."""
    run = Run(folder)
    memory: list[float] = []
    with run.agent(flush=0.05):
        while len(run.logs) < number:
            batch = [run.log() for _ in range(min(at_once, number - len(run.logs)))]
            for log in batch:
                log.write(LINES_A_FILE)
                log.close()
            run.wait()
            memory.append(use_of(run.pid).now_mb)
            for log in batch:
                shutil.rmtree(log.path.parent)
        left = run.settled(0)
        tenth = len(memory) // 10
        run.figures = {
            "containers": number, "state_logs": left.logs, "state_files": left.files,
            "mb_after_a_tenth": round(memory[tenth], 1), "mb_in_the_end": round(memory[-1], 1),
            "descriptors": use_of(run.pid).descriptors,
        }  # fmt: skip
    return run.figures


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(SCENARIOS))
@click.option("--files", "number", default=10_000, show_default=True, help="Number of files.")
@click.option("--gigabytes", default=5.0, show_default=True, help="Size of the large file.")
@click.option("--quiet", default=200, show_default=True, help="Number of quiet containers.")
@click.option("--mb-a-second", default=50.0, show_default=True, help="MB a second of the loud one.")
@click.option("--seconds", default=60.0, show_default=True, help="Duration of that.")
@click.option("--rotations", "rotated", default=100_000, show_default=True, help="Number of rotated files.")
@click.option("--containers", "gone", default=10_000, show_default=True, help="Number of short-lived containers.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder for logs. [default: a temporary one]")
@click.option("--json", "out", default=HERE / "results" / "load.json", type=click.Path(path_type=Path))
def main(  # noqa: PLR0913, PLR0917 -- one for each option
    names: tuple[str, ...], number: int, gigabytes: float, quiet: int, mb_a_second: float, seconds: float,
    rotated: int, gone: int, folder: Path | None, out: Path,
) -> None:  # fmt: skip
    """Measure, print a table, and write a JSON file. Exit code 1 if lines or counts do not match."""
    scenarios = {
        "files": lambda at: files(at, number),
        "large": lambda at: large(at, gigabytes),
        "loud": lambda at: loud(at, quiet, mb_a_second, seconds),
        "rotations": lambda at: rotations(at, rotated),
        "containers": lambda at: containers(at, gone),
    }
    results: dict[str, Figures] = {}
    with suppress(FileNotFoundError):
        results = json.loads(out.read_text(encoding="utf-8"))
    for name in names or SCENARIOS:
        with TemporaryDirectory(prefix="shipper-load-", dir=folder) as own:
            results[name] = scenarios[name](Path(own))
            show(name, results[name])
            written(out, results)
    wrong = [name for name in names or SCENARIOS if any(results[name][kind] for kind in WRONG)]
    if wrong:
        raise click.ClickException(f"lines or counts do not match: {', '.join(wrong)}")


def show(name: str, figures: Figures) -> None:
    """Print the table."""
    table = Table(title=name, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for label, value in figures.items():
        table.add_row(label.replace("_", " "), f"{value:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
