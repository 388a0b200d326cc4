"""Search options shared by the commands that show entries."""

from typing import Any

import click

from shipper.cli.completion_values import complete_events
from shipper.model.text_search import TextQuery
from shipper_schemas.event import LEVEL_ALIASES, LEVELS


class NonEmptyText(click.ParamType[str]):
    """A non-empty text in UTF-8; an empty one usually is a shell variable that is not set."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Return the value unchanged, or fail with a usage error."""
        if not value:
            self.fail("empty value: give a text, or omit the option", param, ctx)
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is not valid UTF-8", param, ctx)
        return str(value)


class Words(NonEmptyText):
    """A text with at least one word: without a word it would match every entry."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        """Return the value unchanged, or fail with a usage error."""
        if not TextQuery.of(value).phrases:
            self.fail(f"{value!r} contains no word to search for: give letters or digits", param, ctx)
        return super().convert(value, param, ctx)


of_event = click.option("--event", type=NonEmptyText(), help="Event name.", shell_complete=complete_events)
of_level = click.option(
    "--level", type=click.Choice(sorted(LEVEL_ALIASES), case_sensitive=False), metavar="LEVEL",
    help=f"This level and more severe ones: {', '.join(LEVELS)}.",
)  # fmt: skip
of_container = click.option(
    "--container", type=NonEmptyText(), help="Container or service name, or a prefix of the container id."
)
of_text = click.option(
    "--text",
    type=Words(),
    help='Words that all appear in message, error, stack trace or path; "a phrase" in quotes.',
)
