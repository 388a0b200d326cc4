"""The terms of a search, as options: commands that show entries ask for them alike."""

from typing import Any

import click

from shipper.cli.completion_values import complete_events
from shipper.model.text_search import Wanted
from shipper_schemas.event import LEVEL_ALIASES, LEVELS


class Said(click.ParamType[str]):
    """A text; an empty one is a variable that was not set, and bytes that are none can be written into no document."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """As it was typed, or fail as a mistake of usage."""
        if not value:
            self.fail("it is empty: give one, or leave it out", param, ctx)
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is no text in UTF-8", param, ctx)
        return str(value)


class Words(Said):
    """A text with a word in it: one without would be found in every entry."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """As it was typed, or fail as a mistake of usage."""
        if not Wanted.of(value).phrases:
            self.fail(f"{value!r} holds no word to look for: give letters or digits", param, ctx)
        return super().convert(value, param, ctx)


of_event = click.option("--event", type=Said(), help="Name of the event.", shell_complete=complete_events)
of_level = click.option(
    "--level", type=click.Choice(sorted(LEVEL_ALIASES), case_sensitive=False), metavar="LEVEL",
    help=f"This level and the more severe ones: {', '.join(LEVELS)}.",
)  # fmt: skip
of_container = click.option(
    "--container", type=Said(), help="Name of the container or service, or the beginning of the container's id."
)
of_text = click.option(
    "--text", type=Words(), help='Words that all appear in message, error, stack trace or path; "a phrase" in quotes.'
)
