"""`shipper config`: the schema of the file and the effective configuration."""

from typing import Any

import click
import orjson
import yaml

from shipper.cli.options import configured
from shipper.settings import Settings


@click.group()
def config() -> None:
    """Show the configuration and its schema."""


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration file."""
    click.echo(orjson.dumps(Settings.model_json_schema(by_alias=True), option=orjson.OPT_INDENT_2))


@config.command()
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@configured("inputs", "output", "state_dir", "listen", "log_format")
def show(settings: Settings, *, form: str) -> None:
    """Print the effective configuration, secrets masked.

    The result can be saved and used as a configuration file once the secrets are put back.
    """
    found = effective(settings)
    if form == "json":
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        click.echo(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100), nl=False)


def effective(settings: Settings) -> dict[str, Any]:
    """All settings as the file would hold them; a secret is `**********`."""
    return settings.model_dump(mode="json", by_alias=True)
