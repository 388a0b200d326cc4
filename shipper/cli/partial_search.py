"""Shows the entries of a search that did not cover the whole store, and what is missing."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from shipper.system.errors import StoreIncomplete
from shipper_processors.sanitize import printable

Body = dict[str, Any]


class Entries:
    """Entries as a reader yields them; `incomplete` says at their end what the search did not cover."""

    def __init__(self, entries: Iterable[Body]) -> None:
        """Read nothing yet."""
        self._entries = entries
        self.incomplete: StoreIncomplete | None = None

    def __iter__(self) -> Iterator[Body]:
        """Yield the entries; end where the search ended."""
        try:
            yield from self._entries
        except StoreIncomplete as error:
            self.incomplete = error

    def report(self, number: int) -> None:
        """Warn of what is missing. Raises StoreIncomplete if `number`, of the entries shown, is 0 or a part failed."""
        if self.incomplete is None:
            return
        if self.incomplete.failed or number == 0:
            raise self.incomplete
        click.echo(printable(f"Warning: {self.incomplete}", newlines=True), err=True)
