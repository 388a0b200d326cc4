"""`shipper setup`: index templates, lifecycle and Kibana objects, installed or printed."""

import click
import orjson

from shipper.cli.options import configured
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import working
from shipper.config.settings import Settings
from shipper.config.units import duration
from shipper.outputs import registry
from shipper.outputs.elasticsearch.templates import resources
from shipper_processors.sanitize import printable

DAY_S = 86_400


class Days(click.ParamType[float]):
    """A duration of a day or more, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the value, or fail with a usage error."""
        try:
            seconds = float(str(duration(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds < DAY_S:
            self.fail("each index covers a day: give one day or more", param, ctx)
        return seconds


@click.command()
@click.option(
    "--print", "only_print", is_flag=True,
    help="Print the requests instead of sending them, for Kibana's console, or as JSON lines with --format json.",
)  # fmt: skip
@click.option(
    "--retention", type=Days(), metavar="AGE",
    help="Let the server delete indices older than this (30d), counted from the day in their name.",
)  # fmt: skip
@click.option("--kibana", metavar="URL", help="Import the data views, searches and the dashboard into this Kibana.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("output")
def setup(settings: Settings, *, only_print: bool, retention: float | None, kibana: str | None, form: str) -> None:
    """Prepare Elasticsearch for the agent: index templates, lifecycle policy, Kibana objects.

    Idempotent: objects that already exist are not changed. Retention counts from the day in the index name, not from
    the creation of the index: a backfilled day older than the retention is deleted as soon as it is written.
    """
    if retention is not None:
        settings = settings.model_copy(
            update={"elasticsearch": settings.elasticsearch.model_copy(update={"retention": retention})}
        )
    if only_print:
        _print(settings, form)
        return
    output = registry.factory(settings)
    with working("setting up", "steps") as count:
        for step in count(output.installation(settings)):
            remark = f": {step.remark}" if step.remark else ""
            line = step._asdict() if form == "json" else f"{step.outcome:<10} {step.kind} {step.name}{remark}"
            click.echo(as_json(line, indent=False) if isinstance(line, dict) else printable(line))
        if kibana is not None:
            for outcome in count(output.dashboards(settings, kibana)):
                item = orjson.dumps({"outcome": outcome, "kind": "kibana"}) if form == "json" else printable(outcome)
                click.echo(item)


def _print(settings: Settings, form: str) -> None:
    """Print all requests as for a full server; a reduced server gets them without the lifecycle."""
    for resource in resources(settings.index, settings.elasticsearch, lifecycle=True):
        if form == "json":
            click.echo(as_json({"method": "PUT", "path": resource.path, "body": resource.body}, indent=False))
            continue
        click.echo(f"PUT {resource.path}")
        click.echo(as_json(resource.body))
        click.echo()
