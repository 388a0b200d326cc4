"""The Kafka output by client library and events a message: CPU of the sending process, with a real broker.

python -m benchmarks.kafka [--documents N] [--runs N] [--servers HOST:PORT]

Without --servers a broker is started from its published jars, which needs a JDK and Maven.
"""

import json
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import written
from benchmarks.documents import made
from shipper.config.settings import Settings
from shipper.outputs import registry

HERE = Path(__file__).parent
BATCH = 5000
WAYS = [(client, each) for client in ("kafka-python", "confluent") for each in (1, 10, 50)]


@contextmanager
def broker(servers: str | None) -> Iterator[str]:
    """Yield the address of a broker, started if `servers` is None."""
    if servers is not None:
        yield servers
        return
    from tests.services.kafka_broker import KafkaBroker  # noqa: PLC0415 -- needed only without --servers

    with TemporaryDirectory() as folder:
        started = KafkaBroker(Path(folder)).start()
        try:
            yield started.address
        finally:
            started.kill()


def one(client: str, each: int, address: str, number: int) -> None:
    """Send in this process, and print the CPU and wall seconds."""
    documents = made(number)
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(name, 6, 1) for name in (topic, f"{topic}-quarantine")])
    admin.close()
    with TemporaryDirectory() as folder:
        kafka = {"client": client, "events_per_record": each, "compression": "none"}
        output = registry.output_of(Settings(output=f"kafka://{address}/{topic}", state_dir=folder, kafka=kafka))
        output.submit(documents[:100]).result()
        cpu, wall = time.process_time(), time.monotonic()
        answers = [output.submit(documents[start : start + BATCH]) for start in range(0, len(documents), BATCH)]
        stored = sum(answer.result().stored for answer in answers)
        figures = {"cpu_s": time.process_time() - cpu, "wall_s": time.monotonic() - wall, "documents": stored}
        output.close()
    if stored != len(documents):
        raise click.ClickException(f"{client}: {stored} of {len(documents)} acknowledged")
    print(json.dumps(figures))


@click.command()
@click.option("--documents", "number", default=200_000, show_default=True, help="Documents.")
@click.option("--runs", default=3, show_default=True, help="Runs of each; shows medians.")
@click.option("--servers", help="HOST:PORT of a broker. [default: start one]")
@click.option("--json", "out", default=HERE / "results" / "kafka.json", type=click.Path(path_type=Path))
@click.option("--one", "way", hidden=True)
def main(number: int, runs: int, servers: str | None, out: Path, way: str | None) -> None:
    """Measure all variants in turn, and print a comparison."""
    if way is not None and servers is not None:
        name, _, framed = way.rpartition("/")
        one(name, int(framed), servers, number)
        return
    figures_by_way: dict[tuple[str, int], list[tuple[float, float]]] = {way: [] for way in WAYS}
    with broker(servers) as address:
        for _ in range(runs):
            for (client, each), figures in figures_by_way.items():
                command = [sys.executable, "-m", "benchmarks.kafka", "--one", f"{client}/{each}", "--servers", address]
                done = subprocess.run(
                    [*command, "--documents", str(number)], stdout=subprocess.PIPE, text=True, check=True
                )
                run = json.loads(done.stdout)
                figures.append(
                    (
                        run["cpu_s"] / run["documents"] * 1e6,
                        run["documents"] / run["wall_s"],
                    )
                )
    medians = {
        way: (statistics.median(cpu for cpu, _ in figures), statistics.median(rate for _, rate in figures))
        for way, figures in figures_by_way.items()
    }
    report(medians, number, runs, out)


def report(medians: dict[tuple[str, int], tuple[float, float]], number: int, runs: int, out: Path) -> None:
    """Print the table and write the figures."""
    least = medians["confluent", 1][0]
    table = Table(title=f"{number:,} documents to a real broker, medians of {runs}", title_justify="left")
    for name in ("client", "events a message", "CPU us an event", "events/s", "of confluent, 1"):
        table.add_column(name, justify="left" if name == "client" else "right")
    for (client, each), (micros, rate) in medians.items():
        table.add_row(client, f"{each}", f"{micros:.1f}", f"{rate:,.0f}", f"{micros / least:.1f} x")
    Console().print(table)
    figures = [
        {"client": client, "events_per_record": each, "cpu_us": round(micros, 2), "ratio": round(micros / least, 2)}
        for (client, each), (micros, _) in medians.items()
    ]
    written(out, {"documents": number, "runs": runs, "results": figures})


if __name__ == "__main__":
    main()
