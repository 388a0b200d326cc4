"""`python -m tests.shapes [FILE…]`: compare stored documents with the truth of a file of shapes."""

import sys
from pathlib import Path
from typing import get_args

import click
from rich.console import Console

from tests.shapes.agent_run import Chain, chains
from tests.shapes.envelopes import Envelope
from tests.shapes.judge import Verdict
from tests.shapes.report import print_misses, print_totals, totals, verdicts
from tests.shapes.truth import own_shapes, read_shapes


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FILE]...")
@click.option("--envelope", type=click.Choice(get_args(Envelope)), help="Runtime that wrote the logs. [default: both]")
@click.option("--chain", type=click.Choice(get_args(Chain)), help="Implementation to run. [default: each installed]")
@click.option("--shape", "name", help="Only shapes with this text in their name.")
@click.option("--list-misses", is_flag=True, help="List each event that is not as expected.")
def main(
    files: tuple[Path, ...], envelope: Envelope | None, chain: Chain | None, name: str | None, *, list_misses: bool
) -> None:
    """Run shapes of logs through the agent and compare what is stored with their truth.

    Without FILE: the project's own corpus. Exit status 1 if a demand is missed.
    """
    shapes = read_shapes(files) if files else own_shapes()
    shapes = [shape for shape in shapes if (name or "").lower() in shape.name.lower()]
    if not shapes:
        raise click.UsageError(f"no shape has {name!r} in its name")
    console, met = Console(highlight=False, soft_wrap=True), True
    listed: set[Verdict] = set()
    events = sum(len(shape.entries) for shape in shapes)
    for each_envelope in [envelope] if envelope else get_args(Envelope):
        for each_chain in [chain] if chain else chains():
            every = verdicts(shapes, each_envelope, each_chain)
            sums = totals(every)
            met = met and all(total.met for total in sums)
            title = f"{each_envelope}, {each_chain} chain: {len(shapes)} shapes, {events} events"
            print_totals(console, title, sums)
            misses = [one for one in every if not one.right and one not in listed]
            if list_misses and misses:
                console.print("misses:" if not listed else "further misses:")
                print_misses(console, misses)
                listed.update(misses)
            console.print()
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
