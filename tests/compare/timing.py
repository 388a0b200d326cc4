"""CPU time or instructions per event of two checkouts, run in turn over the same logs into a sink that acknowledges all.

Instructions, counted by valgrind, are the same however busy the machine is; they say nothing about caches.
"""

import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.lines import ensure
from tests.compare.checkout import CheckoutFailed, command, configured, environment
from tests.compare.scenarios import CHAINS

ROOT = Path(__file__).parents[2]
PAIRS = 5
COUNTED = re.compile(r"Collected : (\d+)")
PLAIN_SETTINGS = {"state_key": "compare-state-key", "log_format": "json", "host": "compare-node", "listen": "off"}


class Timed(NamedTuple):
    """The cost per line of the two checkouts, a pair a round."""

    corpus: str
    chain: str
    pairs: list[tuple[float, float]]
    unit: str = "us"

    @property
    def ratio(self) -> float:
        """New over old, of the medians."""
        return self.medians[1] / self.medians[0]

    @property
    def medians(self) -> tuple[float, float]:
        """Of the old checkout and of the new one."""
        return statistics.median(old for old, _ in self.pairs), statistics.median(new for _, new in self.pairs)

    @property
    def lowest(self) -> float:
        """New over old, of the lowest of each: other work on the machine only ever adds to a run."""
        return min(new for _, new in self.pairs) / min(old for old, _ in self.pairs)

    def __str__(self) -> str:
        old, new = self.medians
        rounds = " ".join(f"{new / old:.3f}" for old, new in self.pairs)
        return (
            f"{self.corpus:<9} {self.chain:<7} old {old:7.2f} {self.unit}/line  new {new:7.2f} {self.unit}/line  "
            f"ratio {self.ratio:.3f}  of the lowest {self.lowest:.3f}  (pairs {rounds})"
        )


def timings(
    old: Path, new: Path, chains: Sequence[str], lines: int, mix: Path | None, work: Path, *, instructions: bool = False
) -> Iterator[Timed]:
    """Cost per line of both checkouts: `lines` ordinary ones, and those of `mix`, a json-file log.

    CPU time in microseconds, or with `instructions` their number in thousands, which needs only one pair of runs.
    Raises CheckoutFailed.
    """
    if instructions and shutil.which("valgrind") is None:
        raise CheckoutFailed("valgrind not found, which counts instructions; install it (Debian: apt install valgrind)")
    cost, unit, rounds = (_instructions, "k", 1) if instructions else (_cpu_s, "us", PAIRS)
    factor = 1e-3 if instructions else 1e6
    corpora = {"ordinary": ensure(work / "ordinary", lines, 1)}
    if mix is not None:
        corpora["mix"] = _container(mix, work / "mix")
    with _acknowledging() as sink:
        for name, root in corpora.items():
            logs = list(root.glob("*/*-json.log"))
            number_of_lines = sum(log.read_bytes().count(b"\n") for log in logs)  # into the page cache too
            for chain in chains:
                pairs = []
                for round_ in range(rounds):
                    order = (old, new) if round_ % 2 == 0 else (new, old)
                    first, second = (
                        cost(path, chain, root, sink, work / "run") / number_of_lines * factor for path in order
                    )
                    pairs.append((first, second) if round_ % 2 == 0 else (second, first))
                yield Timed(name, chain, pairs, unit)


def _container(log: Path, root: Path) -> Path:
    """A folder as Docker keeps it with a link to `log`, as the only container's."""
    folder = root / f"{7:064x}"
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / f"{folder.name}-json.log").symlink_to(log.resolve())
    return root


def _cpu_s(checkout: Path, chain: str, root: Path, sink: str, own: Path) -> float:
    """User and system seconds of one run from an empty state to the end of the logs. Raises CheckoutFailed."""
    usage, _ = _run(checkout, chain, root, sink, own, ())
    return usage.ru_utime + usage.ru_stime


def _instructions(checkout: Path, chain: str, root: Path, sink: str, own: Path) -> float:
    """Instructions of one run from an empty state to the end of the logs. Raises CheckoutFailed."""
    tool = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    _, log = _run(checkout, chain, root, sink, own, tool)
    counted = COUNTED.search(log)
    if counted is None:
        raise CheckoutFailed(f"valgrind gave no number of instructions:\n{log[-4000:]}")
    return float(counted[1])


def _run(
    checkout: Path, chain: str, root: Path, sink: str, own: Path, tool: Sequence[str]
) -> tuple[resource.struct_rusage, str]:
    """Run a checkout under `tool` from an empty state to the end of the logs; return its usage and its log.

    Raises CheckoutFailed.
    """
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    content = {
        **PLAIN_SETTINGS,
        "inputs": [{"type": "docker", "glob": f"{root}/*/*-json.log"}],
        "output": sink,
        "state_dir": str(own / "state"),
        "compiled": CHAINS[chain],
        "elasticsearch": {"require_template": False, "compress": False},
    }
    arguments = [*tool, *command(checkout, "--once", "--config", configured(own, content))]
    with (own / "log").open("wb") as log:
        process = subprocess.Popen(arguments, cwd=checkout, env=environment(), stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    said = (own / "log").read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise CheckoutFailed(f"{' '.join(arguments)} ended with {process.returncode}:\n{said[-4000:]}")
    return usage, said


@contextmanager
def _acknowledging() -> Iterator[str]:
    """Yield the URL of a sink in a separate process."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
