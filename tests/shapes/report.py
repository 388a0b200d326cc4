"""Totals by property beside the demands, and the list of misses, for a terminal."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.shapes.agent_run import Chain, stored_by_shape
from tests.shapes.envelopes import Envelope
from tests.shapes.judge import DEMANDS, Aspect, Verdict, judge
from tests.shapes.truth import Shape

SHOWN = 110
"""Characters of a line or value in the list of misses."""


class Total(NamedTuple):
    """A property over all events that ask for it."""

    aspect: Aspect
    right: int
    asked: int

    @property
    def percent(self) -> float:
        """Share of right events; 100 where none asks."""
        return 100 * self.right / self.asked if self.asked else 100.0

    @property
    def met(self) -> bool:
        """True if the share reaches the demand, or there is none."""
        return self.percent >= DEMANDS.get(self.aspect, 0)


def verdicts(shapes: Sequence[Shape], envelope: Envelope, chain: Chain) -> list[Verdict]:
    """Return the verdicts over all entries, run through an agent of their own."""
    results = stored_by_shape(shapes, envelope, chain)
    return [
        verdict
        for shape, entries in zip(shapes, results, strict=True)
        for entry, stored in zip(shape.entries, entries, strict=True)
        for verdict in judge(shape, entry, stored)
    ]


def totals(verdicts: Iterable[Verdict]) -> list[Total]:
    """Return the totals in the order of the properties."""
    all_verdicts = list(verdicts)
    by_property = ((name, [one.right for one in all_verdicts if one.aspect == name]) for name in get_args(Aspect))
    return [Total(name, sum(rights), len(rights)) for name, rights in by_property]


def print_totals(console: Console, title: str, sums: Sequence[Total]) -> None:
    """Print one table."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("property")
    for name in ("right", "asked", "percent", "demand"):
        table.add_column(name, justify="right")
    for total in sums:
        demand = DEMANDS.get(total.aspect)
        style = "" if demand is None else "green" if total.met else "bold red"
        percent = f"{total.percent:.1f} %" if total.asked else "-"
        wanted = "" if demand is None else f"{demand} %"
        table.add_row(total.aspect, str(total.right), str(total.asked), percent, wanted, style=style)
    console.print(table)


def print_misses(console: Console, misses: Sequence[Verdict]) -> None:
    """Print each event that was not right, with its line and the properties that differ, grouped by shape."""
    shape = line = None
    for miss in misses:
        if miss.shape != shape:
            console.print(f"\n[bold]{escape(miss.shape)}[/bold]")
        if (miss.shape, miss.line) != (shape, line):
            console.print(f"  [dim]{_short(miss.line)}[/dim]", no_wrap=True, overflow="ellipsis")
        shape, line = miss.shape, miss.line
        console.print(f"    {miss.aspect:10} [red]{_short(miss.got) or '(none)'}[/red]  expected {_short(miss.asked)}")


def _short(text: str) -> str:
    shown = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return escape(shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…")
