"""Render: templates filled so that whatever comes from a log, a form or a name is text and nothing else.

Each value that a template prints goes through `printable`, which shows controls and what reorders or hides text, and
then through the escaping of HTML. Addresses are made by `asked.link`, percent-encoded.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shipper_processors.sanitize import printable

TEMPLATES = Path(__file__).parent / "templates"


def visible(value: object) -> object:
    """What a template prints of a value."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def lines(text: str) -> Markup:
    """Text whose line breaks stay."""
    return escape(printable(text, newlines=True))


def count(number: float) -> str:
    """A whole number with its thousands told apart."""
    return f"{number:,.0f}"


def environment() -> Environment:
    """The templates of the pages; an unknown name in one is an error."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters |= {"lines": lines, "count": count}
    return found


class Render:
    """The templates, loaded once."""

    def __init__(self, **common: Any) -> None:  # noqa: ANN401 -- whatever templates print
        """`common` is known to each of them."""
        self._environment = environment()
        self._environment.globals |= common

    def __call__(self, name: str, **values: Any) -> bytes:  # noqa: ANN401
        """The template of that name as UTF-8."""
        return self._environment.get_template(f"{name}.html").render(**values).encode("utf-8", "replace")
