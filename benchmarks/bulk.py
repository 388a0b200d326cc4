"""The Elasticsearch output compared with `elasticsearch.helpers.streaming_bulk`: same documents, sink and client.

python -m benchmarks.bulk [--documents N] [--runs N]

Each variant runs in a separate process, into a sink that only acknowledges. The figure is the CPU time of that process
while it sends, without its start and without creating the documents.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import orjson
from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import written
from benchmarks.documents import made
from benchmarks.running import sink
from shipper.config.settings import Settings
from shipper.model.documents import Document
from shipper.outputs import registry

HERE = Path(__file__).parent
BATCH = 5000
Way = Callable[[str, list[Document], Path], int]


def shipper_output(url: str, documents: list[Document], folder: Path) -> int:
    """Send as the agent does: batches, several in flight."""
    settings = Settings(
        output=url, state_dir=folder, elasticsearch={"compress": False, "require_template": False, "in_flight": 2}
    )
    output = registry.output_of(settings)
    batches = [documents[start : start + BATCH] for start in range(0, len(documents), BATCH)]
    stored, in_flight = 0, []
    for batch in batches:
        in_flight.append(output.submit(batch))
        if len(in_flight) >= output.window:
            stored += in_flight.pop(0).result().stored
    stored += sum(answer.result().stored for answer in in_flight)
    output.close()
    return stored


def helpers_with_objects(url: str, documents: list[Document], _folder: Path) -> int:
    """Use `streaming_bulk` as documented: a dict for each document."""
    sources = [(document, orjson.loads(document.body)) for document in documents]
    return helpers(url, sources)


def helpers_with_bytes(url: str, documents: list[Document], _folder: Path) -> int:
    """Use `streaming_bulk` with bodies as bytes."""
    return helpers(url, [(document, document.body) for document in documents])


def helpers(url: str, sources: list[tuple[Document, Any]]) -> int:
    """Send with the options common to both; `create` with an id, as the output does."""
    client = Elasticsearch(url)
    actions = (
        {"_op_type": "create", "_index": document.index, "_id": document.id.hex(), "_source": source}
        for document, source in sources
    )
    begin()
    return sum(stored for stored, _ in streaming_bulk(client, actions, chunk_size=BATCH, max_chunk_bytes=5 << 20))


WAYS: dict[str, Way] = {
    "shipper": shipper_output,
    "streaming_bulk, bytes": helpers_with_bytes,
    "streaming_bulk, dicts": helpers_with_objects,
}
_begun: list[float] = []


def begin() -> None:
    """Start measuring CPU time."""
    _begun[:] = [time.process_time()]


def one(way: str, url: str, number: int) -> None:
    """Send in this process, and print the CPU seconds."""
    documents = made(number)
    with TemporaryDirectory() as folder:
        begin()
        stored = WAYS[way](url, documents, Path(folder))
        spent = time.process_time() - _begun[0]
    if stored != len(documents):
        raise click.ClickException(f"{way}: {stored} of {len(documents)} stored")
    print(json.dumps({"cpu_s": spent, "documents": stored}))


@click.command()
@click.option("--documents", "number", default=200_000, show_default=True, help="Documents.")
@click.option("--runs", default=3, show_default=True, help="Runs of each; shows medians.")
@click.option("--json", "out", default=HERE / "results" / "bulk.json", type=click.Path(path_type=Path))
@click.option("--one", "way", type=click.Choice(list(WAYS)), hidden=True)
@click.option("--url", hidden=True)
def main(number: int, runs: int, out: Path, way: str | None, url: str | None) -> None:
    """Measure all variants in turn, and print a comparison."""
    if way is not None and url is not None:
        one(way, url, number)
        return
    cpu_by_way: dict[str, list[float]] = {name: [] for name in WAYS}
    with sink() as port:
        for _ in range(runs):
            for name, figures in cpu_by_way.items():
                command = [sys.executable, "-m", "benchmarks.bulk", "--one", name, "--url", f"http://127.0.0.1:{port}"]
                done = subprocess.run(
                    [*command, "--documents", str(number)], capture_output=True, text=True, check=True
                )
                figures_of_run = json.loads(done.stdout)
                figures.append(figures_of_run["cpu_s"] / figures_of_run["documents"] * 1e6)
    report({name: statistics.median(figures) for name, figures in cpu_by_way.items()}, number, runs, out)


def report(medians: dict[str, float], number: int, runs: int, out: Path) -> None:
    """Print the table and write the figures."""
    ours = medians["shipper"]
    table = Table(title=f"{number:,} documents into a sink that acknowledges, medians of {runs}", title_justify="left")
    for name in ("way", "CPU us a document", "documents a CPU second", "of shipper"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for name, micros in medians.items():
        table.add_row(name, f"{micros:.1f}", f"{1e6 / micros:,.0f}", f"{micros / ours:.1f} x")
    Console().print(table)
    figures = {name: {"cpu_us": round(micros, 2), "ratio": round(micros / ours, 2)} for name, micros in medians.items()}
    written(out, {"documents": number, "runs": runs, "results": figures})


if __name__ == "__main__":
    main()
