"""Progress of work that may take long: a spinner with counts on a terminal, a line now and then elsewhere.

Nothing is shown of what is done at once. All of it goes to the standard error, so that results can be piped.
"""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

SOON_S, TELL_S = 1.0, 5.0
"""After how long something is shown on a terminal, and how often elsewhere."""
Item = TypeVar("Item")


class Count:
    """How far the work has come."""

    def __init__(self, noun: str) -> None:
        """`noun` is what is counted, in the plural."""
        self.noun, self.number = noun, 0

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, counted as they pass."""
        for item in items:
            self.number += 1
            yield item

    def __str__(self) -> str:
        """As it is shown; nothing before the first."""
        return f"{self.number:,} {self.noun}" if self.number else ""


@contextmanager
def working(what: str, noun: str = "entries", *, soon: float = SOON_S, every: float = TELL_S) -> Iterator[Count]:
    """While it lasts, show that `what` is done, and how far it is."""
    count, done = Count(noun), threading.Event()
    terminal = sys.stderr.isatty()
    watch = _spin if terminal else _tell
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
    from rich.console import Console  # noqa: PLC0415 -- most work is done before anything is shown
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task(what)
        ended = False
        while not ended:
            ended = done.wait(0.1)
            bar.update(task, description=f"{what} {count}".rstrip(), refresh=True)


def _tell(what: str, count: Count, done: threading.Event, every: float) -> None:
    began = time.monotonic()
    while not done.wait(every):
        click.echo(f"{what}: {str(count) or 'nothing yet'}, {time.monotonic() - began:,.0f} s", err=True)
