"""Runs agents: starts them with a sink, measures them through /proc, stops them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.__main__ import Measured
from benchmarks.peers import Peer, environment

TICKS = os.sysconf("SC_CLK_TCK")
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Use:
    """Resources of a process so far: CPU seconds, largest and current resident memory in MB, voluntary switches."""

    cpu_s: float
    rss_mb: float
    now_mb: float
    switches: int
    own_mb: float
    """Current resident memory that no other process shares."""
    threads: int
    descriptors: int


def use_of(pid: int) -> Use:
    """Resources of one process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if ":" in line
    )
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return Use(
        (int(fields[11]) + int(fields[12])) / TICKS,
        int(status["VmHWM"].split()[0]) / 1024,
        int(status["VmRSS"].split()[0]) / 1024,
        int(status["voluntary_ctxt_switches"]),
        sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) / 1024,
        int(status["Threads"]),
        len(os.listdir(f"/proc/{pid}/fd")),
    )


@contextmanager
def sink(*options: str) -> Iterator[int]:
    """Run a sink in a separate process, and yield its port."""
    command = [sys.executable, "-m", "benchmarks.sink", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.kill()
        process.wait()


def stats(port: int) -> dict[str, float]:
    """Return the counts of the sink."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=10) as answer:
        figures: dict[str, float] = json.load(answer)
        return figures


@contextmanager
def running(peer: Peer, glob: str, port: int, flush: float = 0.2, state: Path | None = None) -> Iterator[int]:
    """Run a peer that ships `glob` to the sink, with a fresh state if `state` is None; yields its process id."""
    folder = state or Path(tempfile.mkdtemp(prefix="shipper-bench-"))
    process = started(peer, glob, port, flush, folder)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if state is None:
            shutil.rmtree(folder, ignore_errors=True)


def started(peer: Peer, glob: str, port: int, flush: float, folder: Path) -> subprocess.Popen[bytes]:
    """Start a peer that ships `glob` to the sink, with its files in `folder`, in a separate process group."""
    values = dict(peer.values)
    values |= {"GLOB": glob, "ROOT": glob.partition("/*")[0], "PORT": str(port), "STATE": str(folder)}
    values |= {"FLUSH": str(flush), "POLL": str(min(flush, 0.25))}
    for name, text in peer.files.items():
        (folder / name).write_text(filled(text, values), encoding="utf-8")
    command = [peer.executable() or peer.program, *(filled(argument, values) for argument in peer.arguments)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment(peer), start_new_session=True)


def filled(text: str, values: dict[str, str]) -> str:
    """Replace the placeholders in `text` by values."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def delivered(peer: Peer, root: Path, documents: int) -> Measured:
    """Return the resources of a peer from its start to the last document of the logs under `root`.

    Raises TimeoutError if no more documents arrive.
    """
    for path in root.glob("*/*-json.log"):
        path.read_bytes()  # into the page cache, for each peer alike
    with sink() as port:
        began = time.monotonic()
        with running(peer, f"{root}/*/*-json.log", port) as pid:
            had, had_at = -1.0, began
            while (have := stats(port)["documents"]) < documents:
                now = time.monotonic()
                if have != had:
                    had, had_at = have, now
                elif now - had_at > TIMEOUT_S:
                    raise TimeoutError(f"{peer.name} stopped at {have:,.0f} of {documents:,} documents")
                time.sleep(0.05)
            wall, used = time.monotonic() - began, use_of(pid)
            os.kill(pid, signal.SIGKILL)  # an orderly end would take seconds, and its state is not needed
    return Measured(used.cpu_s, wall, used.rss_mb)
