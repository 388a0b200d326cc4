"""The terms of a search, as options: commands that show entries ask for them alike."""

import click

from schemas.event import LEVEL_ALIASES, LEVELS
from shipper.cli.known import complete_events

of_event = click.option("--event", help="Name of the event.", shell_complete=complete_events)
of_level = click.option(
    "--level", type=click.Choice(sorted(LEVEL_ALIASES), case_sensitive=False), metavar="LEVEL",
    help=f"This level and the more severe ones: {', '.join(LEVELS)}.",
)  # fmt: skip
of_container = click.option(
    "--container", help="Name of the container or service, or the beginning of the container's id."
)
of_text = click.option(
    "--text", help='Words that all appear in message, error, stack trace or path; "a phrase" in quotes.'
)
