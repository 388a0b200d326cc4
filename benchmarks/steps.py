"""Cost of each step of the chain, measured separately over the same lines.

python -m benchmarks.steps [--kind KIND] [--lines N] [--runs N] [--json FILE]
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import HERE, written
from benchmarks.mix import KINDS, MIX, ensure
from shipper.bootstrap import build_pipeline
from shipper.config.settings import Settings
from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.outputs.elasticsearch.bulk import requests
from shipper.pipeline.pipeline import NOT_SHIPPED, Handled
from shipper_processors.assemble import Bounds, JsonFileAssembler
from shipper_processors.fast_path import FastBatch
from shipper_processors.payload import decode_payload
from shipper_schemas.entry import Entry, Origin

BATCH_BYTES = 1 << 20
WHOLE = 1 << 62


def steps(lines: bytes) -> dict[str, Callable[[], object]]:
    """The steps by name, each over all lines; their inputs are prepared in advance."""
    settings = Settings()
    pipeline = build_pipeline.pipeline_of(
        settings, build_pipeline.counting_of(settings, ()), build_pipeline.redactor_of(settings, b"k" * 32)
    )
    source = Source.of(Origin("/x.log", "c" * 64, service="backend", container_id="c" * 64, container_name="backend-1"))
    compiled = build_pipeline.compiled_of(settings, pipeline)
    log = None if compiled is None else compiled.of_log("docker", source.origin, source.renderer)

    def assembled(*, fast: bool) -> list[Entry | FastBatch]:
        assembler = JsonFileAssembler(source.origin.source, Bounds(), log if fast else None)
        return list(assembler.feed(lines, 0))

    def batch_of(step_by_name: list[Entry | FastBatch]) -> Batch:
        batch = Batch()
        pipeline.process(step_by_name, source, batch, 0, count=True, ship=True)
        return batch

    def counted() -> None:
        batch = Batch()
        for event, entry in zip(assessed, entries, strict=True):
            increments = pipeline.increments(event, entry, source.origin)
            pipeline.add_counts(Handled(event, NOT_SHIPPED, None, increments, None), batch)

    entries = [entry for entry in assembled(fast=False) if isinstance(entry, Entry)]
    assessed = [pipeline.assess(entry, 0) for entry in entries]
    plain = batch_of(list(entries)).documents
    raws = lines.split(b"\n")[:-1]
    step_by_name: dict[str, Callable[[], object]] = {
        "floor: two decodes": lambda: [
            orjson.loads(text) for raw in raws if (text := orjson.loads(raw)["log"])[:1] == "{"
        ],
        "envelope, digest, assemble": lambda: assembled(fast=False),
        "decode the payload": lambda: [decode_payload(entry.text) for entry in entries],
        "decode, enforce, time, verdict": lambda: [pipeline.assess(entry, 0) for entry in entries],
        "count": counted,
        "redact, route, render": lambda: [
            pipeline.document(event, entry, source) for event, entry in zip(assessed, entries, strict=True)
        ],
        "the Python path": lambda: batch_of(assembled(fast=False)),
        "bulk bodies of single documents": lambda: list(requests(plain, BATCH_BYTES, str)),
    }
    if log is not None:
        fast = batch_of(assembled(fast=True)).documents
        step_by_name["the native path"] = lambda: batch_of(assembled(fast=True))
        step_by_name["bulk bodies of rendered runs"] = lambda: list(requests(fast, WHOLE, str))
    return step_by_name


def micros(step: Callable[[], object], lines: int) -> float:
    """CPU microseconds a line."""
    began = time.process_time()
    step()
    return (time.process_time() - began) / lines * 1e6


@click.command()
@click.option("--lines", default=20_000, show_default=True, help="Lines.")
@click.option("--runs", default=5, show_default=True, help="Runs of each, alternating; shows medians.")
@click.option("--kind", default=MIX, show_default=True, type=click.Choice([MIX, *KINDS]), help="Kind of line.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
@click.option("--json", "out", default=HERE / "results" / "steps.json", type=click.Path(path_type=Path))
def main(lines: int, runs: int, kind: str, data: Path, out: Path) -> None:
    """Measure, print a table, and write the figures to a JSON file."""
    (path,) = ensure(data, kind, lines, 1).glob("*/*-json.log")
    step_by_name = steps(path.read_bytes())
    figures: dict[str, list[float]] = {name: [] for name in step_by_name}
    for _ in range(runs):
        for name, step in step_by_name.items():
            figures[name].append(micros(step, lines))
    medians = {name: statistics.median(each) for name, each in figures.items()}
    floor = medians["floor: two decodes"]
    table = Table(title=f"Steps over {lines:,} lines ({kind}), medians of {runs}", title_justify="left")
    for name in ("step", "CPU us a line", "of the floor"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for name, value in medians.items():
        table.add_row(name, f"{value:.2f}", f"{value / floor:.1f} x")
    Console().print(table)
    rows = {
        name: {"cpu_us": round(value, 3), "of_the_floor": round(value / floor, 2)} for name, value in medians.items()
    }
    written(out, {"kind": kind, "lines": lines, "runs": runs, "results": rows})


if __name__ == "__main__":
    main()
