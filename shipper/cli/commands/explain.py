"""`shipper explain`: what each step makes of each line, and why."""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import click
import orjson
from rich.console import Console
from rich.text import Text

from shipper.bootstrap import build_pipeline
from shipper.cli.completion_values import complete_metrics
from shipper.cli.options import configured
from shipper.cli.search_options import Said
from shipper.cli.terminal.cells import Look, emit
from shipper.cli.terminal.json_output import as_json
from shipper.config.settings import Settings
from shipper.diagnose.explain import (
    Redaction,
    RuleReason,
    correlation_reason,
    redactions,
    rule_reasons,
    text_redactions,
    time_reason,
)
from shipper.diagnose.read_lines import KINDS, entries
from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Assessed, Pipeline, runtime_ms_of
from shipper.system.clock import Clock
from shipper_processors.sanitize import printable
from shipper_processors.times import format_ms
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.rules import Rule
from shipper_schemas.violation import Policy

SHOWN = 200


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--type", "kind", type=click.Choice(KINDS), default="auto", help="Envelope of the lines.", show_default=True
)
@click.option(
    "--service", type=Said(), default="explained", help="Service the lines are taken to come from.", show_default=True
)
@click.option(
    "--why", metavar="METRIC", multiple=True, shell_complete=complete_metrics,
    help="Say of this counter why it counts or not. Repeatable.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured()
def explain(settings: Settings, *, file: BinaryIO, kind: str, service: str, **shown: Any) -> None:  # noqa: ANN401
    """Show for each line of FILE (or standard input) every step, and why.

    Envelope, payload, where time and correlation id are from, violations and their policy, the rules that count it
    and those that came near, redaction, index and id. Nothing is stored and no counter moves.
    """
    why, form = shown["why"], shown["form"]
    rules = build_pipeline.rules_of(settings)
    unknown = set(why) - {rule.name for rule in rules}
    if unknown:
        message = f"no rule is called {', '.join(sorted(map(printable, unknown)))}"
        raise click.UsageError(message)
    explainer = Explainer(
        build_pipeline.pipeline_of(
            settings, build_pipeline.counting_of(settings, ()), build_pipeline.redactor_to_look_with(settings)
        ),
        rules,
        settings,
        Source.of(Origin(file.name, file.name, service=service, host=settings.host)),
    )
    found = entries(file, kind, build_pipeline.bounds_of(settings))
    steps = (explainer.explained(entry, Clock().wall_ms()) for entry in found)
    if form == "json":
        for step in steps:
            click.echo(as_json(step, indent=False))
        return
    console = Console(highlight=False, soft_wrap=True)
    look, number = Look.of(console).uncut(), 0
    for number, step in enumerate(steps, 1):
        for line in described(number, step, why):
            emit(console, line, look)
    if number == 0:
        click.echo("no lines to explain", err=True)


@dataclass(frozen=True, slots=True)
class Explainer:
    """Runs entries through the chain, and says why it decided so."""

    pipeline: Pipeline
    rules: Sequence[Rule]
    settings: Settings
    source: Source

    def explained(self, entry: Entry, now_ms: int) -> dict[str, Any]:
        """All that the chain does with one entry, as one JSON object."""
        pipeline, origin, batch = self.pipeline, self.source.origin, Batch()
        assessed = pipeline.assess(entry, now_ms)
        pipeline.count(assessed, entry, origin, batch)
        rules, masked = self._rules(assessed, entry), self._masked(assessed, entry)
        correlation = correlation_reason(entry, assessed, self.settings.schema_.correlation_sources)
        outcome, document = pipeline.document(assessed, entry, self.source)
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
            "time": {
                "used": format_ms(assessed.time_ms),
                "why": pipeline.redactor.redact_text(time_reason(entry, assessed, runtime_ms_of(entry))),
            },
            "correlation_id": pipeline.redactor.redact_text(correlation),
            "violations": [
                {
                    **found.as_note(),
                    "detail": pipeline.redactor.redact_text(found.detail),
                    "policy": pipeline.policies[found.kind],
                    "policy_from": "schema.policies" if found.kind in self.settings.schema_.policies else "default",
                }
                for found in assessed.violations
                if pipeline.policies[found.kind] is not Policy.ALLOW
            ],
            "counters": added,
            "rules": [
                {**rule._asdict(), "why": pipeline.redactor.redact_text(rule.why)} for rule in rules
            ],
            "redacted": [found._asdict() for found in masked],
            "outcome": outcome,
            "index": document.index if document else None,
            "id": document.id.hex() if document else None,
            "document": orjson.loads(document.body) if document else None,
        }  # fmt: skip

    def _rules(self, assessed: Assessed, entry: Entry) -> list[RuleReason]:
        origin = self.source.origin
        place = (entry.stream, origin.service or "unknown", origin.container_name or "")
        added = self.pipeline.counting.increments(assessed.event, place[0], place[1], origin.http_source, place[2])
        mask = self.pipeline.redactor.redact_text
        return rule_reasons(self.rules, assessed.event, place, origin.http_source, added, mask)

    def _masked(self, assessed: Assessed, entry: Entry) -> list[Redaction]:
        if assessed.policy is Policy.DROP:
            return []
        if assessed.policy is Policy.QUARANTINE:
            return text_redactions(self.pipeline.redactor, entry.text)
        return redactions(self.pipeline.redactor, assessed.event)


STYLES = {"indexed": "bold green", "quarantined": "bold yellow", "dropped": "bold"}


def described(number: int, step: dict[str, Any], why: Collection[str] = ()) -> Iterator[Text]:
    """The steps of one entry, a line each, for people; of each rule in `why` what came of it."""
    envelope = step["envelope"]
    lines = f", {envelope['lines']} lines" if envelope["lines"] > 1 else ""
    outcome = (step["outcome"], STYLES[step["outcome"]])
    yield Text.assemble((f"entry {number}", "bold"), f" at byte {envelope['offset']}{lines}  ", outcome)
    said = envelope["problem"] or f"{envelope['stream']}, {envelope['time'] or 'no time'}"
    yield _row("envelope", said)
    yield _row("payload", step["payload"])
    yield _row("time", f"{step['time']['used']}, {step['time']['why']}")
    yield _row("correlation", step["correlation_id"])
    for found in step["violations"]:
        where = f" in {found['field']}" if "field" in found else ""
        policy = f"{found['policy']} ({found['policy_from']})"
        yield _row("violation", f"{found['kind']}{where} -> {policy}: {found['detail']}", "yellow")
    for name, amount in step["counters"].items():
        yield _row("counter", f"{name} +{amount:g}", "cyan")
    for rule in step["rules"]:
        if rule["counted"]:
            yield _row("  because", f"{rule['metric']}: {rule['why']}", "green")
        elif rule["near"] or rule["metric"] in why:
            yield _row("not counted", f"{rule['metric']}: {rule['why']}", "magenta")
    for found in step["redacted"]:
        times = f", {found['times']} times" if found["times"] > 1 else ""
        yield _row("redacted", f"{found['field']} by {found['by']}{times}", "red")
    if step["index"]:
        yield _row("index", step["index"])
        yield _row("id", step["id"])
        yield _row("document", orjson.dumps(step["document"]).decode())
    yield Text("")


def _row(name: str, value: str, style: str = "") -> Text:
    shown = printable(value)
    if sys.stdout.isatty() and len(shown) > 4 * SHOWN:
        shown = f"{shown[: 4 * SHOWN]}… ({len(shown)} characters, --format json shows all)"
    return Text.assemble((f"  {name:<11} ", "dim"), (shown, style))
