"""Render: templates in which everything from a log, a form or a name is escaped text.

Each printed value goes through `printable`, which makes control characters and characters that reorder or hide text
visible, and then through HTML escaping. `form.link` builds percent-encoded links.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shipper_processors.sanitize import printable

TEMPLATES = Path(__file__).parent / "templates"


def visible(value: object) -> object:
    """Return a value as a template prints it."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def lines(text: str) -> Markup:
    """Escape text, keeping its line breaks."""
    return escape(printable(text, newlines=True))


def count(number: float) -> str:
    """Format a whole number with thousands separators."""
    return f"{number:,.0f}"


def environment() -> Environment:
    """Return the template environment; an unknown name in a template is an error."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters |= {"lines": lines, "count": count}
    return templates


class Render:
    """Renders the templates, which are loaded once."""

    def __init__(self, **common: Any) -> None:  # noqa: ANN401 -- whatever templates print
        """Make `common` available in every template."""
        self._environment = environment()
        self._environment.globals |= common

    def __call__(self, name: str, **values: Any) -> bytes:  # noqa: ANN401
        """Render the template of that name as UTF-8."""
        return self._environment.get_template(f"{name}.html").render(**values).encode("utf-8", "replace")
