"""Time from writing a line to its acknowledgement by the sink, at a steady rate; with Fluent Bit if installed.

python -m benchmarks.latency [--rate N]... [--seconds S] [--flush S] [--json FILE]

Both use the same flush interval. The correlation id of each line is its time of writing; see `benchmarks.sink`.
"""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.peers import NATIVE, OTHERS, Peer
from benchmarks.running import running, sink, stats

TICK_S = 0.01
WARM_S = 2.0
TIMEOUT_S = 20.0


def line(written_ns: int, path: str = "/api/v1/patients/17") -> str:
    """A record of a request to `path`, with the current time."""
    now = time.time()
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    stamp = f"{second}.{int(now % 1 * 1000):03d}Z"
    fields = {
        "timestamp": stamp, "level": "info", "correlation_id": f"t-{written_ns}", "event": "request_complete",
        "method": "GET", "path": path, "status_code": 200, "duration_ms": 12.5,
        "message": "Request completed",
    }  # fmt: skip
    log = json.dumps(fields, separators=(",", ":")) + "\n"
    return json.dumps({"log": log, "stream": "stdout", "time": stamp}, separators=(",", ":")) + "\n"


def measured(peer: Peer, rate: int, seconds: float, flush: float) -> dict[str, float]:
    """Latency of one peer at one rate, in milliseconds."""
    with TemporaryDirectory(prefix="shipper-bench-") as folder, sink("--latency") as port:
        container = Path(folder) / ("c" * 64)
        container.mkdir()
        path = container / f"{container.name}-json.log"
        path.touch()
        with running(peer, f"{folder}/*/*-json.log", port, flush), path.open("a", encoding="utf-8") as log:
            time.sleep(WARM_S)
            began, written = time.monotonic(), 0
            while (passed := time.monotonic() - began) < seconds:
                due = int(passed * rate)
                log.writelines(line(time.monotonic_ns()) for _ in range(due - written))
                log.flush()
                written = due
                time.sleep(TICK_S)
            until = time.monotonic() + TIMEOUT_S
            while (latencies := stats(port))["documents"] < written and time.monotonic() < until:
                time.sleep(0.05)
    if latencies["documents"] < written:
        raise click.ClickException(f"{peer.name}: {latencies['documents']:.0f} of {written} lines arrived")
    return {name: round(latencies[name], 1) for name in ("p50", "p99", "most")}


@click.command()
@click.option("--rate", "rates", default=(1000, 20_000), multiple=True, show_default=True, help="Lines a second.")
@click.option("--seconds", default=15.0, show_default=True, help="Seconds for which lines are written.")
@click.option("--flush", default=0.2, show_default=True, help="Seconds after which a batch is sent.")
@click.option("--json", "out", default=HERE / "results" / "latency.json", type=click.Path(path_type=Path))
def main(rates: tuple[int, ...], seconds: float, flush: float, out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    peers = (NATIVE, *(other for other in OTHERS if other.program == "fluent-bit" and other.executable()))
    results = [
        {"rate": rate, "agent": peer.name, **measured(peer, rate, seconds, flush)} for rate in rates for peer in peers
    ]
    table = Table(title=f"Milliseconds from written to acknowledged, flushed each {flush:g} s", title_justify="left")
    for name in ("lines/s", "agent", "p50", "p99", "most"):
        table.add_column(name, justify="left" if name == "agent" else "right")
    for result in results:
        table.add_row(*(f"{value:,}" if isinstance(value, int | float) else str(value) for value in result.values()))
    Console().print(table)
    written(out, {"flush_s": flush, "seconds": seconds, "results": results})


if __name__ == "__main__":
    main()
