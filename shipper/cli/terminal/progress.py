"""Progress of long work: a spinner with counts on a terminal, a line every few seconds elsewhere.

Quick work shows nothing. Progress goes to the standard error, so that results can be piped.
"""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

SOON_S, TELL_S = 1.0, 5.0
"""Seconds until a terminal shows progress, and between lines elsewhere."""
Item = TypeVar("Item")


class Count:
    """A counter of the work done."""

    def __init__(self, noun: str) -> None:
        """Count `noun`s, given in the plural."""
        self.noun, self.number = noun, 0

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items and count them."""
        for item in items:
            self.number += 1
            yield item

    def __str__(self) -> str:
        """Format the count; empty before the first item."""
        return f"{self.number:,} {self.noun}" if self.number else ""


@contextmanager
def working(what: str, noun: str = "entries", *, soon: float = SOON_S, every: float = TELL_S) -> Iterator[Count]:
    """Show progress of `what` while the block runs."""
    count, done = Count(noun), threading.Event()
    terminal = sys.stderr.isatty()
    watch = _spin if terminal else _report
    thread = threading.Thread(
        target=watch, args=(what, count, done, soon if terminal else every), name="progress", daemon=True
    )
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


def _spin(what: str, count: Count, done: threading.Event, soon: float) -> None:
    if done.wait(soon):
        return
    from rich.console import Console  # noqa: PLC0415 -- quick work never needs it
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task(what)
        ended = False
        while not ended:
            ended = done.wait(0.1)
            bar.update(task, description=f"{what} {count}".rstrip(), refresh=True)


def _report(what: str, count: Count, done: threading.Event, every: float) -> None:
    began = time.monotonic()
    while not done.wait(every):
        click.echo(f"{what}: {str(count) or 'nothing yet'}, {time.monotonic() - began:,.0f} s", err=True)
