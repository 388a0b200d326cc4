"""One checkout over the corpus: two runs to the end with half-written files between them, and one that follows."""

import json
import math
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.compare.corpus import STAGES, Log, write
from tests.compare.results import Results, Saved, dead_letters, document, exposition, saved
from tests.compare.scenarios import settings
from tests.compare.sink import Sent, Sink, serving

PATIENCE_S = 300.0
QUIET_S, LONG_QUIET_S = 3.0, 30.0
"""Time without a change after which nothing more comes: longer than unfinished entries wait for their rest; the second
one where the lag says that something is left to read."""
LAG = "shipper_lag_bytes{"
NATIVE = "native"


class CheckoutFailed(Exception):
    """A checkout that cannot be run, or whose run failed."""


class Place(NamedTuple):
    """Folders of one run: the corpus, which every checkout sees at the same path, and the checkout's own files."""

    corpus: Path
    own: Path

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.own / "state"


def environment() -> dict[str, str]:
    """The environment of a run: no setting comes from it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("SHIPPER_", "PYTHON"))}


def require_runnable(checkout: Path, chains: Sequence[str]) -> None:
    """Raise CheckoutFailed where the checkout has no virtual environment, or lacks the extension of a chain."""
    python = checkout / ".venv" / "bin" / "python"
    if not python.exists():
        raise CheckoutFailed(f"{checkout} has no .venv: run .ci/setup in it")
    probe = "import importlib.util as u; print(u.find_spec('shipper_native') is not None)"
    answer = subprocess.run(
        [python, "-c", probe], cwd=checkout, env=environment(), capture_output=True, text=True, check=False
    )
    if NATIVE in chains and answer.stdout.strip() != "True":
        raise CheckoutFailed(f"{checkout} has no native extension: run .ci/setup in it with cargo on the PATH")


def command(checkout: Path, *arguments: str) -> list[str]:
    """The command line of a checkout's own program."""
    return [str(checkout / ".venv" / "bin" / "python"), "-m", "shipper", "run", *arguments]


def configured(own: Path, content: dict[str, Any]) -> str:
    """The path of a configuration file with this content."""
    file = own / "shipper.yaml"
    file.write_text(json.dumps(content), encoding="utf-8")
    return str(file)


def run_over(checkout: Path, scenario: str, chain: str, logs: Sequence[Log], place: Place) -> Results:
    """All stages of the corpus through one chain of a checkout, from an empty state. Raises CheckoutFailed."""
    shutil.rmtree(place.own, ignore_errors=True)
    place.own.mkdir(parents=True)
    began, states, samples = time.time(), list[Saved](), ""
    with serving() as sink:
        for stage in range(STAGES):
            sink.stage = stage + 1
            write(logs, place.corpus, stage)
            following = stage + 1 == STAGES
            listen = f"127.0.0.1:{_free_port()}" if following else "off"
            file = configured(place.own, settings(scenario, chain, place.corpus, place.state, sink.url, listen))
            if following:
                samples = _followed(checkout, file, listen, sink, sum(log.unfinished for log in logs))
            else:
                _finished(checkout, file)
            states.append(saved(place.state, place.corpus, stage + 1))
        sent = [*sink.sent, *dead_letters(place.state, STAGES)]
    return _results(sent, states, samples, place.corpus, began)


def _results(sent: list[Sent], states: list[Saved], samples: str, corpus: Path, began: float) -> Results:
    metrics, described = exposition(samples)
    ended = time.time()
    return Results(
        [document(one, corpus, began, ended) for one in sent],
        {name: value for state in states for name, value in state.series.items()},
        {name: value for state in states for name, value in state.checkpoints.items()},
        metrics,
        described,
    )


def _finished(checkout: Path, file: str) -> None:
    """Run to the end of what is there. Raises CheckoutFailed."""
    arguments = command(checkout, "--once", "--config", file)
    done = subprocess.run(
        arguments,
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise CheckoutFailed(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-4000:]}")


def _followed(checkout: Path, file: str, listen: str, sink: Sink, unfinished: int) -> str:
    """Run until nothing changes any more, then end it as an operator does; /metrics of that moment."""
    arguments = command(checkout, "--config", file)
    log = Path(file).with_name("log")
    with log.open("wb") as opened:
        process = subprocess.Popen(arguments, cwd=checkout, env=environment(), stdout=opened, stderr=opened)
    try:
        samples = _settled(process, f"http://{listen}/metrics", sink, unfinished)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if samples is None or process.returncode:
        said = log.read_text(encoding="utf-8", errors="replace")[-4000:]
        raise CheckoutFailed(f"{' '.join(arguments)} ended with {process.returncode}:\n{said}")
    return samples


def _settled(process: subprocess.Popen[bytes], url: str, sink: Sink, unfinished: int) -> str | None:
    """/metrics once all but the `unfinished` bytes is shipped and nothing changes; None where that never comes."""
    end, before, since = time.monotonic() + PATIENCE_S, None, time.monotonic()
    while process.poll() is None and time.monotonic() < end:
        samples = _scraped(url)
        seen = None if samples is None else (exposition(samples)[0], len(sink.sent))
        if seen is None or seen != before:
            before, since = seen, time.monotonic()
        quiet = time.monotonic() - since
        if samples is not None and quiet > (QUIET_S if _lag(samples) <= unfinished and sink.shipped else LONG_QUIET_S):
            return samples
        time.sleep(0.1)
    return None


def _lag(samples: str) -> float:
    """Bytes that are not shipped yet."""
    lags = [float(line.rpartition(" ")[2]) for line in samples.splitlines() if line.startswith(LAG)]
    return sum(lags) if lags else math.inf


def _scraped(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
    except OSError:
        return None
    return text


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
