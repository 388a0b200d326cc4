"""Values that shell completion offers, taken from the configuration in use."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.config.input_kinds import INPUT_KINDS
from shipper.config.option_tree import all_keys
from shipper.config.output_kinds import OUTPUT_KINDS
from shipper.system.errors import ShipperError

if TYPE_CHECKING:
    from shipper_schemas.rules import Condition, Rule

ALWAYS = ("http_access", "request_complete", "unstructured")
BEGINNINGS: dict[str, Callable[[], Iterable[str]]] = {
    "inputs": lambda: (prefix for kind in INPUT_KINDS for prefix in kind.prefixes),
    "output": lambda: (prefix for kind in OUTPUT_KINDS for prefix in kind.prefixes),
    "listen": lambda: ("127.0.0.1:9108", "off"),
}
"""Prefixes of the values of a flag."""


def complete_events(ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return event names used by the rules, including those of the configuration."""
    return sorted(name for name in known_events(_rules(ctx)) if name.startswith(incomplete))


def complete_metrics(ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the counters and histograms of the rules."""
    return sorted(rule.name for rule in _rules(ctx) if rule.name.startswith(incomplete))


def complete_keys(_ctx: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """Return the keys of the configuration."""
    return [key for key in all_keys() if key.startswith(incomplete)]


def complete_schemes(_ctx: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """Return the prefixes of input and output addresses."""
    return [scheme for scheme in BEGINNINGS[str(option.name)]() if scheme.startswith(incomplete)]


def known_events(rules: "Iterable[Rule]") -> set[str]:
    """Return the event names in the conditions of the rules."""
    conditions = (case.when for rule in rules for case in rule.all_cases())
    return {*ALWAYS, *(name for condition in conditions for name in _events(condition))}


def _events(condition: "Condition") -> Iterator[str]:
    matcher = condition.fields.get("event")
    if matcher is not None:
        yield from (name for name in (matcher.equals, *(matcher.one_of or ())) if isinstance(name, str))
    for part in (*condition.all, *condition.any):
        yield from _events(part)


def _rules(ctx: click.Context) -> "list[Rule]":
    """Return the rules of the configuration on the command line or in SHIPPER_CONFIG; else the built-in ones."""
    from shipper.config import load  # noqa: PLC0415 -- only a shell that completes needs it
    from shipper.config.settings import Settings  # noqa: PLC0415 -- as above

    file = ctx.params.get("config") or os.environ.get("SHIPPER_CONFIG")
    try:
        settings = load(Path(file) if file else None, os.environ, {})
    except ShipperError:
        settings = Settings()
    return settings.counters.all_rules()
