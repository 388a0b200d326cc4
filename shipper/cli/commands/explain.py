"""`shipper explain`: how each line is parsed, validated, counted and stored, and why."""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import click
import orjson
from rich.console import Console
from rich.text import Text

from shipper.bootstrap import build_pipeline
from shipper.cli.completion_values import complete_metrics
from shipper.cli.options import configured
from shipper.cli.search_options import NonEmptyText
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
from shipper.pipeline.pipeline import Assessed, Handled, Pipeline, counted_event, failure_of, runtime_ms_of
from shipper.system.clock import Clock
from shipper_processors.payload_split import documents_of
from shipper_processors.sanitize import printable
from shipper_processors.times import format_ms
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.rules import Rule
from shipper_schemas.violation import Policy, Violation

SHOWN = 200


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--type", "kind", type=click.Choice(KINDS), default="auto", help="Format of the lines.", show_default=True
)
@click.option(
    "--service",
    type=NonEmptyText(),
    default="explained",
    help="Service name to assume for the lines.",
    show_default=True,
)
@click.option(
    "--why", metavar="METRIC", multiple=True, shell_complete=complete_metrics,
    help="Explain why this counter counts a line or not. Repeatable.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured()
def explain(settings: Settings, *, file: BinaryIO, kind: str, service: str, **shown: Any) -> None:  # noqa: ANN401
    """Show how each line of FILE (or standard input) is parsed, validated, counted and stored.

    For each line: envelope, payload, source of its time and correlation id, violations and their policies, matching
    and nearly matching rules, redaction, index and id. Nothing is stored and no counter changes.
    """
    why, form = shown["why"], shown["form"]
    rules = build_pipeline.rules_of(settings)
    unknown = set(why) - {rule.name for rule in rules}
    if unknown:
        message = f"unknown rule: {', '.join(sorted(map(printable, unknown)))}"
        raise click.UsageError(message)
    explainer = Explainer(
        build_pipeline.pipeline_of(
            settings, build_pipeline.counting_of(settings, ()), build_pipeline.read_only_redactor(settings)
        ),
        rules,
        settings,
        Source.of(Origin(file.name, file.name, service=service, host=settings.host)),
    )
    pairs = explainer.pipeline.pair_rules.of_log(explainer.source.origin)
    lines = entries(file, kind, build_pipeline.bounds_of(settings), pairs)
    documents = documents_of(lines)
    steps = (explainer.explained(entry, Clock().wall_ms()) for entry in documents)
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
    """Runs entries through the chain and explains each decision."""

    pipeline: Pipeline
    rules: Sequence[Rule]
    settings: Settings
    source: Source

    def explained(self, entry: Entry, now_ms: int) -> dict[str, Any]:
        """Return every step of the chain for one entry, as one JSON object."""
        batch = Batch()
        handled = self.pipeline.handle(entry, self.source, now_ms)
        self.pipeline.add_counts(handled, batch)
        reasons = self._reasons(handled, entry)
        added = {f"{name}{list(labels)}": amount for (name, labels), amount in batch.counted.sums.items()}
        added |= {f"{seen.metric}{list(seen.labels)}": seen.amount for seen in batch.counted.observations}
        document = handled.document
        return {
            "envelope": {
                "stream": entry.stream,
                "time": entry.time,
                "offset": entry.offset,
                "lines": entry.lines,
                "problem": reasons.envelope,
            },
            "payload": handled.assessed.shape,
            "time": {"used": format_ms(handled.assessed.time_ms), "why": reasons.time},
            "correlation_id": reasons.correlation,
            "violations": reasons.violations,
            "counters": added,
            "rules": [rule._asdict() for rule in reasons.rules],
            "redacted": [redaction._asdict() for redaction in reasons.redacted],
            "outcome": handled.outcome,
            "index": document.index if document else None,
            "id": document.id.hex() if document else None,
            "document": orjson.loads(document.body) if document else None,
        }

    def _reasons(self, handled: Handled, entry: Entry) -> "Reasons":
        """Reasons for each decision; only the failure if a step of the chain, or of this explanation, fails."""
        failure = handled.failure
        if failure is None:
            try:
                return self._reasons_of_success(handled, entry)
            except Exception as error:  # noqa: BLE001 -- one entry that cannot be explained must not stop the rest
                failure = failure_of(error)
        return Reasons(None, UNKNOWN, UNKNOWN, [self._violation(failure, failure.detail)], [], [])

    def _reasons_of_success(self, handled: Handled, entry: Entry) -> "Reasons":
        redact_text, assessed = self.pipeline.redactor.redact_text, handled.assessed
        enforce, origin = self.pipeline.enforce, self.source.origin
        normaliser = enforce.normaliser_of(origin.fields) if origin.fields else enforce.normaliser
        correlation = correlation_reason(entry, assessed, normaliser)
        return Reasons(
            redact_text(entry.broken) if entry.broken else None,
            redact_text(time_reason(entry, assessed, runtime_ms_of(entry), normaliser)),
            redact_text(correlation),
            [
                self._violation(violation, redact_text(violation.detail))
                for violation in assessed.violations
                if self.pipeline.policies[violation.kind] is not Policy.ALLOW
            ],
            [rule._replace(why=redact_text(rule.why)) for rule in self._rules(handled, entry)],
            self._masked(assessed, entry),
        )

    def _violation(self, violation: Violation, detail: str) -> dict[str, Any]:
        kind = violation.kind
        return {
            **violation.as_note(),
            "detail": detail,
            "policy": self.pipeline.policies[kind],
            "policy_from": "schema.policies" if kind in self.settings.schema_.policies else "default",
        }

    def _rules(self, handled: Handled, entry: Entry) -> list[RuleReason]:
        origin = self.source.origin
        place = (entry.stream, origin.service or "unknown", origin.container_name or "")
        mask = self.pipeline.redactor.redact_text
        added, event = handled.increments or (), counted_event(handled.assessed, entry)
        if isinstance(name := event.get("event"), str) and (listed := self.pipeline.counting.listed_event(name)):
            event = {**event, "event": listed}
        return rule_reasons(self.rules, event, place, origin.http_source, added, mask, origin.paths)

    def _masked(self, assessed: Assessed, entry: Entry) -> list[Redaction]:
        if assessed.policy is Policy.DROP:
            return []
        if assessed.policy is Policy.QUARANTINE:
            return text_redactions(self.pipeline.redactor, entry.text)
        return redactions(self.pipeline.redactor, assessed.event)


class Reasons(NamedTuple):
    """Reasons for the decisions of the chain about one entry, redacted."""

    envelope: str | None
    time: str
    correlation: str
    violations: list[dict[str, Any]]
    rules: list[RuleReason]
    redacted: list[Redaction]


UNKNOWN = "unknown: the shipper failed on this entry"
STYLES = {"indexed": "bold green", "quarantined": "bold yellow", "dropped": "bold"}


def described(number: int, step: dict[str, Any], why: Collection[str] = ()) -> Iterator[Text]:
    """Yield the steps of one entry for people, one per line; rules in `why` are always explained."""
    envelope = step["envelope"]
    lines = f", {envelope['lines']} lines" if envelope["lines"] > 1 else ""
    outcome = (step["outcome"], STYLES[step["outcome"]])
    yield Text.assemble((f"entry {number}", "bold"), f" at byte {envelope['offset']}{lines}  ", outcome)
    text = envelope["problem"] or f"{envelope['stream']}, {envelope['time'] or 'no time'}"
    yield _row("envelope", text)
    yield _row("payload", step["payload"])
    yield _row("time", f"{step['time']['used']}, {step['time']['why']}")
    yield _row("correlation", step["correlation_id"])
    for violation in step["violations"]:
        where = f" in {violation['field']}" if "field" in violation else ""
        policy = f"{violation['policy']} ({violation['policy_from']})"
        yield _row("violation", f"{violation['kind']}{where} -> {policy}: {violation['detail']}", "yellow")
    for name, amount in step["counters"].items():
        yield _row("counter", f"{name} +{amount:g}", "cyan")
    for rule in step["rules"]:
        if rule["counted"]:
            yield _row("  because", f"{rule['metric']}: {rule['why']}", "green")
        elif rule["near"] or rule["metric"] in why:
            yield _row("not counted", f"{rule['metric']}: {rule['why']}", "magenta")
    for redaction in step["redacted"]:
        times = f", {redaction['times']} times" if redaction["times"] > 1 else ""
        yield _row("redacted", f"{redaction['field']} by {redaction['by']}{times}", "red")
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
