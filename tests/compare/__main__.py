"""`python -m tests.compare OLD NEW`: run two checkouts on one corpus and list every difference between their results."""

import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

import click

from tests.compare.checkout import CheckoutFailed, Place, require_runnable, run_over
from tests.compare.corpus import logs
from tests.compare.differences import CATEGORIES, Deliberate, Difference, deliberate, differences, judged
from tests.compare.results import Results
from tests.compare.scenarios import CHAINS, SCENARIOS
from tests.compare.timing import PAIRS, timings

EXPECTED = Path(__file__).parent / "deliberate.toml"
SHOWN = 20
CHECKOUT = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EPILOG = "\b\nCategories of differences:\n" + "\n".join(f"  {name:<12} {text}" for name, text in CATEGORIES.items())


class Compared(NamedTuple):
    """Two results with their names, and each difference with the reason for it where it is deliberate."""

    title: str
    differences: list[tuple[Difference, str | None]]

    @property
    def unexpected(self) -> int:
        """Number of differences that no entry declares deliberate."""
        return sum(reason is None for _, reason in self.differences)


@click.command(epilog=EPILOG)
@click.argument("old", type=CHECKOUT)
@click.argument("new", type=CHECKOUT)
@click.option(
    "--chain",
    "chains",
    multiple=True,
    type=click.Choice(list(CHAINS)),
    help="Run this implementation of the chain alone.",
)
@click.option(
    "--scenario", "scenarios", multiple=True, type=click.Choice(list(SCENARIOS)), help="Run this configuration alone."
)
@click.option(
    "--expected",
    type=FILE,
    default=EXPECTED,
    show_default="deliberate.toml beside the script",
    help="TOML file of deliberate differences.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every difference to this file; the terminal shows the first ones of each category.",
)
@click.option(
    "--timing", is_flag=True, help=f"Measure CPU time per line instead: {PAIRS} pairs of runs, old and new in turn."
)
@click.option(
    "--instructions", is_flag=True, help="With --timing: count instructions by valgrind instead, in one pair of runs."
)
@click.option(
    "--lines",
    type=click.IntRange(min=1000),
    default=300_000,
    show_default=True,
    help="With --timing: ordinary lines to measure.",
)
@click.option("--mix", type=FILE, help="With --timing: a json-file log, measured beside the ordinary lines.")
def main(
    old: Path, new: Path, chains: tuple[str, ...], scenarios: tuple[str, ...], expected: Path, out: Path | None,
    *, timing: bool, instructions: bool, lines: int, mix: Path | None,
) -> None:  # fmt: skip
    """Run the checkouts OLD and NEW on one corpus of hostile and ordinary logs and list every difference.

    Each folder holds a checkout with its own .venv (.ci/setup makes it). Both are run by their command line alone, one
    after the other over the same files: two runs with --once, before and after half-written files were completed and
    rotated, and one that follows them further and is ended by SIGTERM. Documents are read from an HTTP sink that answers
    as Elasticsearch does, counters and checkpoints from the state, metrics from /metrics. Every configuration runs
    through the Python chain and through the native one, and the two chains of NEW are compared with each other too.

    A difference is deliberate where an entry of --expected names its category and a pattern that matches its line:

    \b
        [[deliberate]]
        category = "id"
        pattern = '.'
        reason = "ids are defined over the canonical first record"

    Exit code 0 where nothing differs but what is deliberate, 1 otherwise, 2 where a checkout cannot be run.
    """  # noqa: D301 -- the backspace is click's mark
    chosen = chains or tuple(CHAINS)
    try:
        require_runnable(old, chosen)
        require_runnable(new, chosen)
        with tempfile.TemporaryDirectory(prefix="compare-") as work:
            if timing:
                for timed in timings(old, new, chosen, lines, mix, Path(work), instructions=instructions):
                    click.echo(str(timed))
                return
            wanted = deliberate(expected)
            compared = list(_compared(old, new, chosen, scenarios or tuple(SCENARIOS), wanted, Path(work)))
    except (CheckoutFailed, LookupError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    _unmatched(compared, wanted)
    with _written(out) as full:
        if full is not None:
            for one in compared:
                _list(one, full, most=None)
    total = sum(one.unexpected for one in compared)
    click.echo(f"{total:,} unexpected differences in {len(compared)} comparisons")
    sys.exit(total > 0)


def _compared(
    old: Path, new: Path, chains: tuple[str, ...], scenarios: tuple[str, ...], wanted: list[Deliberate], work: Path
) -> Iterator[Compared]:
    """Each comparison, printed as soon as it is made."""
    corpus = logs()
    for scenario in scenarios:
        results: dict[tuple[str, str], Results] = {}
        for chain in chains:
            for name, checkout in (("old", old), ("new", new)):
                began = time.monotonic()
                place = Place(work / "corpus", work / "own")
                made = results[name, chain] = run_over(checkout, scenario, chain, corpus, place)
                click.echo(
                    f"{scenario}, {name}, {chain}: {len(made.documents):,} documents, {len(made.series):,} series, "
                    f"{len(made.checkpoints):,} checkpoints, {len(made.metrics):,} samples in {time.monotonic() - began:.0f} s",
                    err=True,
                )
        pairs = [((("old", chain), ("new", chain))) for chain in chains]
        pairs += [(("new", "python"), ("new", "native"))] if len(chains) == len(CHAINS) else []
        for one, other in pairs:
            title = f"{scenario}: {' '.join(one)} against {' '.join(other)}"
            compared = Compared(title, judged(differences(results[one], results[other]), wanted))
            _list(compared, sys.stdout, most=SHOWN)
            yield compared


def _list(compared: Compared, file: TextIO, most: int | None) -> None:
    """Write the counts of a comparison, then its differences, `most` of each category and reason."""
    kinds: defaultdict[tuple[str, str | None], list[Difference]] = defaultdict(list)
    for difference, reason in compared.differences:
        kinds[difference.category, reason].append(difference)
    print(f"== {compared.title}: {compared.unexpected:,} unexpected, {len(compared.differences):,} in all", file=file)
    for (category, reason), listed in sorted(kinds.items(), key=lambda kind: (kind[0][1] is not None, kind[0][0])):
        print(f"  {category}: {len(listed):,}" + (f", deliberate: {reason}" if reason else ""), file=file)
        limit = most if reason is None or most is None else 3
        for difference in listed[:limit]:
            print(f"    {_printable(str(difference))}", file=file)
        if limit is not None and len(listed) > limit:
            print(f"    … and {len(listed) - limit:,} more", file=file)


def _printable(text: str) -> str:
    """Text without signs that a terminal obeys."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _unmatched(compared: list[Compared], wanted: list[Deliberate]) -> None:
    """Name the deliberate entries that matched nothing: they may be out of date."""
    used = Counter(reason for one in compared for _, reason in one.differences)
    for entry in wanted:
        if entry.reason not in used:
            click.echo(f"note: no difference matched {entry.category} {entry.pattern.pattern!r} ({entry.reason})")


@contextmanager
def _written(out: Path | None) -> Iterator[TextIO | None]:
    if out is None:
        yield None
        return
    with out.open("w", encoding="utf-8") as file:
        yield file


if __name__ == "__main__":
    main()
