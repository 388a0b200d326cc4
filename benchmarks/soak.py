"""Sustained load: checks that memory, descriptors, threads and state do not grow, and that all counts match.

python -m benchmarks.soak [--minutes M] [--logs N] [--json FILE]

Containers write as fast as the agent keeps up, and their logs are rotated as by Docker. Writers pause while so much is
unread that a rotation would delete it, so every line can be read. The sink records each line.
"""

import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.books import arrived, closed, counter_error, settled, state_size
from benchmarks.peers import NATIVE, PYTHON
from benchmarks.running import running, sink, stats, use_of
from benchmarks.serials import BLOCK, Log

LINE_BYTES = 440
KEPT = 40
"""Maximum number of samples in the result file; medians and slopes use all."""
WARM = 0.1
"""Share of the run that slopes ignore, while buffers grow."""
NAMES = ("rss_mb", "own_mb", "threads", "descriptors", "state_kb", "state_files", "unread", "cores", "lines_per_second")


@dataclass(slots=True)
class Writers:
    """Writes to all logs in turn, in a thread, while at most `most_unread` lines are unread."""

    logs: list[Log]
    port: int
    most_unread: int
    written: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Write until `stopping` is set."""
        for log in cycle(self.logs):
            while self.written - stats(self.port)["documents"] > self.most_unread:
                if self.stopping.wait(0.005):
                    return
            if self.stopping.is_set():
                return
            for _ in range(4):
                log.write(BLOCK)
            self.written += 4 * BLOCK


@dataclass(frozen=True, slots=True)
class Slope:
    """Slope of a least-squares line, with two standard errors."""

    each: float
    give_or_take: float

    @classmethod
    def of(cls, x: Sequence[float], y: Sequence[float]) -> "Slope":
        """The slope of the line through at least three points."""
        middle_x, middle_y = statistics.fmean(x), statistics.fmean(y)
        spread = sum((value - middle_x) ** 2 for value in x)
        slope = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / spread
        off = sum((b - middle_y - slope * (a - middle_x)) ** 2 for a, b in zip(x, y, strict=True))
        return cls(slope, 2 * (off / max(1, len(x) - 2) / spread) ** 0.5)


def sampled(pid: int, state: Path, writers: Writers, port: int, began: float) -> dict[str, float]:
    """Take one sample of all figures."""
    use, size = use_of(pid), state_size(state)
    documents = stats(port)["documents"]
    return {
        "seconds": round(time.monotonic() - began, 2), "documents": documents, "unread": writers.written - documents,
        "rss_mb": round(use.now_mb, 2), "own_mb": round(use.own_mb, 2), "threads": use.threads,
        "descriptors": use.descriptors, "cpu_s": use.cpu_s, "state_kb": size.bytes / 1024, "state_files": size.files,
    }  # fmt: skip


def with_rates(samples: list[dict[str, float]]) -> list[dict[str, float]]:
    """Each sample but the first, with the rates since the previous one."""
    rated = []
    for before, sample in pairwise(samples):
        seconds = sample["seconds"] - before["seconds"]
        rate = (sample["documents"] - before["documents"]) / seconds
        cores = (sample["cpu_s"] - before["cpu_s"]) / seconds
        rated.append({**sample, "lines_per_second": round(rate), "cores": round(cores, 3)})
    return rated


def slopes(samples: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Slopes of resident memory by hour and by million lines, through the medians of thirty segments of the run."""
    warm = [sample for sample in samples if sample["seconds"] >= samples[-1]["seconds"] * WARM]
    size = max(1, len(warm) // 30)
    segments = [warm[first : first + size] for first in range(0, len(warm) - size + 1, size)]
    hours, millions, memory = (
        [statistics.median(sample[name] for sample in segment) / unit for segment in segments]
        for name, unit in (("seconds", 3600), ("documents", 1e6), ("rss_mb", 1))
    )
    return {
        "mb_an_hour": asdict(Slope.of(hours, memory)),
        "mb_a_million_lines": asdict(Slope.of(millions, memory)),
    }


@click.command()
@click.option("--minutes", default=30.0, show_default=True, help="Minutes for which lines are written.")
@click.option("--logs", "number", default=4, show_default=True, help="Number of containers.")
@click.option("--file-mb", default=10.0, show_default=True, help="Size that triggers a rotation, in MB.")
@click.option("--kept", default=5, show_default=True, help="Files of a log, including the live one.")
@click.option("--every", default=5.0, show_default=True, help="Seconds between samples.")
@click.option("--plain", is_flag=True, help="Use the Python path instead of the native extension.")
@click.option("--json", "out", default=HERE / "results" / "soak.json", type=click.Path(path_type=Path))
def main(  # noqa: PLR0913, PLR0917 -- one for each option
    minutes: float,
    number: int,
    file_mb: float,
    kept: int,
    every: float,
    plain: bool,
    out: Path,
) -> None:
    """Measure, print tables, and write a JSON file. Exit code 1 if lines or counts do not match."""
    readable = int(file_mb * 1e6 / LINE_BYTES * (kept - 1) * 0.8)
    with TemporaryDirectory(prefix="shipper-soak-") as folder, sink("--serials") as port:
        root, state = Path(folder) / "logs", Path(folder) / "agent"
        state.mkdir()
        logs = [Log(root, log, int(file_mb * 1e6), kept) for log in range(number)]
        writers = Writers(logs, port, readable)
        samples = []
        with running(PYTHON if plain else NATIVE, f"{root}/*/*-json.log", port, state=state) as pid:
            thread = threading.Thread(target=writers.run, daemon=True)
            thread.start()
            arrived(port, BLOCK)
            began = time.monotonic()
            while (passed := time.monotonic() - began) < minutes * 60:
                samples.append(sampled(pid, state / "state", writers, port, began))
                time.sleep(max(0.0, min(every, minutes * 60 - passed)))
            samples.append(sampled(pid, state / "state", writers, port, began))
            writers.stopping.set()
            thread.join()
            arrived(port, writers.written)
            left = settled(state / "state", number * kept)
        books = closed(port, writers.written, counter_error(state / "state", logs))
    rated = with_rates(samples)
    figures: dict[str, object] = {
        "minutes": minutes, "cores": os.cpu_count(), "rotations": sum(log.rotations for log in logs),
        "books": books.as_json(), "slopes": slopes(rated),
        "medians": {name: statistics.median(sample[name] for sample in rated) for name in NAMES},
        "most": {name: max(sample[name] for sample in rated) for name in NAMES},
        "state_files_left": left.files, "load": os.getloadavg()[2], "samples": rated[:: len(rated) // KEPT + 1],
    }  # fmt: skip
    show(figures)
    written(out, figures)
    if books.lost or books.resent or books.duplicated or books.counter_error:
        raise click.ClickException(f"lines or counts do not match: {books}")


def show(figures: dict[str, object]) -> None:
    """Print the tables."""
    medians, most, slope = figures["medians"], figures["most"], figures["slopes"]
    assert isinstance(medians, dict)
    assert isinstance(most, dict)
    assert isinstance(slope, dict)
    table = Table(title=f"{figures['minutes']} minutes of sustained load", title_justify="left")
    for name in ("", "median", "most"):
        table.add_column(name, justify="right" if name else "left")
    for name in NAMES:
        table.add_row(name.replace("_", " "), f"{medians[name]:,.5g}", f"{most[name]:,.5g}")
    console = Console(width=110)
    console.print(table)
    for name, fit in slope.items():
        console.print(f"resident memory: {fit['each']:+.3f} ± {fit['give_or_take']:.3f} {name.replace('_', ' ')}")
    console.print(f"{figures['rotations']:,} rotations; {figures['books']}")


if __name__ == "__main__":
    main()
