"""`shipper explain`: what each step makes of each line."""

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import click
import orjson
from rich.console import Console
from rich.text import Text

from processors.escape import printable
from schemas.entry import Entry, Origin
from schemas.violation import Policy
from shipper import wiring
from shipper.batch import Batch
from shipper.cli.options import configured
from shipper.clock import Clock
from shipper.decode import KINDS, entries
from shipper.pipeline import Pipeline
from shipper.ports import Source
from shipper.settings import Settings

SHOWN = 200


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--type", "kind", type=click.Choice(KINDS), default="auto", help="Envelope of the lines.", show_default=True
)
@click.option("--service", default="explained", help="Service the lines are taken to come from.", show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured()
def explain(settings: Settings, *, file: BinaryIO, kind: str, service: str, form: str) -> None:
    """Show for each line of FILE (or standard input) every step.

    Envelope, payload, violations and their policy, the counters it would add to, redaction, index and id. Nothing
    is stored and no counter moves.
    """
    pipeline = wiring.pipeline_of(settings, wiring.counting_of(settings, ()), wiring.redactor_to_look_with(settings))
    source = Source.of(Origin(file.name, file.name, service=service, host=settings.host))
    steps = (
        explained(pipeline, entry, source, Clock().wall_ms())
        for entry in entries(file, kind, wiring.bounds_of(settings))
    )
    if form == "json":
        for step in steps:
            click.echo(orjson.dumps(step))
        return
    console = Console(highlight=False, soft_wrap=True)
    number = 0
    for number, step in enumerate(steps, 1):
        for line in described(number, step):
            console.print(line)
    if number == 0:
        click.echo("no lines to explain", err=True)


def explained(pipeline: Pipeline, entry: Entry, source: Source, now_ms: int) -> dict[str, Any]:
    """All that the chain does with one entry, as one JSON object."""
    batch = Batch()
    assessed = pipeline.assess(entry, now_ms)
    pipeline.count(assessed, entry, source.origin, batch)
    outcome, document = pipeline.document(assessed, entry, source)
    added = {f"{name}{list(labels)}": amount for (name, labels), amount in batch.counted.sums.items()}
    added |= {f"{seen.metric}{list(seen.labels)}": seen.amount for seen in batch.counted.observations}
    return {
        "envelope": {
            "stream": entry.stream,
            "time": entry.time,
            "offset": entry.offset,
            "lines": entry.lines,
            "problem": pipeline.redactor.redact_text(entry.broken) if entry.broken else None,
        },
        "payload": assessed.shape,
        "violations": [
            {
                **found.as_note(),
                "detail": pipeline.redactor.redact_text(found.detail),
                "policy": pipeline.policies[found.kind],
            }
            for found in assessed.violations
            if pipeline.policies[found.kind] is not Policy.ALLOW
        ],
        "counters": added,
        "outcome": outcome,
        "index": document.index if document else None,
        "id": document.id.hex() if document else None,
        "document": orjson.loads(document.body) if document else None,
    }


def described(number: int, step: dict[str, Any]) -> Iterator[Text]:
    """The steps of one entry, a line each, for people."""
    envelope = step["envelope"]
    lines = f", {envelope['lines']} lines" if envelope["lines"] > 1 else ""
    style = {"indexed": "bold green", "quarantined": "bold yellow", "dropped": "bold"}[step["outcome"]]
    yield Text.assemble(
        (f"entry {number}", "bold"), f" at byte {envelope['offset']}{lines}  ", (step["outcome"], style)
    )
    said = envelope["problem"] or f"{envelope['stream']}, {envelope['time'] or 'no time'}"
    yield _row("envelope", said)
    yield _row("payload", step["payload"])
    for found in step["violations"]:
        where = f" in {found['field']}" if "field" in found else ""
        yield _row("violation", f"{found['kind']}{where} -> {found['policy']}: {found['detail']}", "yellow")
    for name, amount in step["counters"].items():
        yield _row("counter", f"{name} +{amount:g}", "cyan")
    if step["index"]:
        yield _row("index", step["index"])
        yield _row("id", step["id"])
        yield _row("document", orjson.dumps(step["document"]).decode())
    yield Text("")


def _row(name: str, value: str, style: str = "") -> Text:
    shown = printable(value)
    if sys.stdout.isatty() and len(shown) > 4 * SHOWN:
        shown = f"{shown[: 4 * SHOWN]}… ({len(shown)} characters, --format json shows all)"
    return Text.assemble((f"  {name:<10}", "dim"), (shown, style))
