"""CPU time per event of two checkouts, run in turn over the same larger logs into a sink that only acknowledges."""

import os
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
PLAIN_SETTINGS = {"state_key": "compare-state-key", "log_format": "json", "host": "compare-node", "listen": "off"}


class Timed(NamedTuple):
    """Microseconds of CPU per line of the two checkouts, a pair a round."""

    corpus: str
    chain: str
    pairs: list[tuple[float, float]]

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
            f"{self.corpus:<9} {self.chain:<7} old {old:7.2f} us/line  new {new:7.2f} us/line  "
            f"ratio {self.ratio:.3f}  of the lowest {self.lowest:.3f}  (pairs {rounds})"
        )


def timings(old: Path, new: Path, chains: Sequence[str], lines: int, mix: Path | None, work: Path) -> Iterator[Timed]:
    """CPU per line of both checkouts: `lines` ordinary ones, and those of `mix`, a json-file log. Raises CheckoutFailed."""
    corpora = {"ordinary": ensure(work / "ordinary", lines, 1)}
    if mix is not None:
        corpora["mix"] = _container(mix, work / "mix")
    with _acknowledging() as sink:
        for name, root in corpora.items():
            logs = list(root.glob("*/*-json.log"))
            number_of_lines = sum(log.read_bytes().count(b"\n") for log in logs)  # into the page cache too
            for chain in chains:
                pairs = []
                for round_ in range(PAIRS):
                    order = (old, new) if round_ % 2 == 0 else (new, old)
                    cpu = {number: _cpu_s(path, chain, root, sink, work / "run") for number, path in enumerate(order)}
                    first, second = cpu[0] / number_of_lines * 1e6, cpu[1] / number_of_lines * 1e6
                    pairs.append((first, second) if round_ % 2 == 0 else (second, first))
                yield Timed(name, chain, pairs)


def _container(log: Path, root: Path) -> Path:
    """A folder as Docker keeps it with a link to `log`, as the only container's."""
    folder = root / f"{7:064x}"
    shutil.rmtree(root, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / f"{folder.name}-json.log").symlink_to(log.resolve())
    return root


def _cpu_s(checkout: Path, chain: str, root: Path, sink: str, own: Path) -> float:
    """User and system seconds of one run from an empty state to the end of the logs. Raises CheckoutFailed."""
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
    arguments = command(checkout, "--once", "--config", configured(own, content))
    with (own / "log").open("wb") as log:
        process = subprocess.Popen(arguments, cwd=checkout, env=environment(), stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (own / "log").read_text(encoding="utf-8", errors="replace")
        raise CheckoutFailed(f"{' '.join(arguments)} ended with {process.returncode}:\n{said[-4000:]}")
    return usage.ru_utime + usage.ru_stime


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
