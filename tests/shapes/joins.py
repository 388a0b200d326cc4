"""`python -m tests.shapes.joins FOLDER`: run the text logs of a folder through the agent and list what was joined.

For logs of other people's systems, kept outside the checkout: in most, each line is an event of its own, so that a reader
sees at once what does not belong together.
"""

import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple, get_args

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.shapes.agent_run import GLOBS, WIDE, Chain, chains, log_path, running
from tests.shapes.envelopes import NOON_MS, WRITERS, Envelope, rfc3339

SHOWN_LINES, SHOWN_COLUMNS = 6, 140


class Outcome(NamedTuple):
    """A log's lines, events and quarantined events, and the texts of more than one line."""

    name: str
    lines: int
    events: int
    quarantined: int
    joined: list[str]


def outcomes(paths: list[Path], envelope: Envelope = "docker", chain: Chain = "python") -> list[Outcome]:
    """Run each file as the log of a container of its own, its lines a millisecond apart."""
    with tempfile.TemporaryDirectory(prefix="joins-") as name:
        root = Path(name)
        logs = {log_path(root / "logs", number, envelope): path for number, path in enumerate(paths)}
        texts = {
            str(log): path.read_text(encoding="utf-8", errors="replace").splitlines() for log, path in logs.items()
        }
        for log in logs:
            log.parent.mkdir(parents=True)
            lines = texts[str(log)]
            log.write_bytes(b"".join(WRITERS[envelope](line, rfc3339(NOON_MS + at)) for at, line in enumerate(lines)))
        events: Counter[str] = Counter()
        quarantined: Counter[str] = Counter()
        joined: dict[str, list[str]] = defaultdict(list)
        with running(root, [f"{envelope}:{root}/logs/{GLOBS[envelope]}"], chain, **WIDE) as run:
            run.read()
            for stored in run.output.stored():
                log = stored.body["log"]["file"]["path"]
                events[log] += 1
                quarantined[log] += stored.quarantined
                text = stored.body.get("exception") or stored.body.get("message") or ""
                if "\n" in text:
                    joined[log].append(text)
        return [
            Outcome(path.name, len(texts[log]), events[log], quarantined[log], joined[log])
            for log, path in ((str(log), path) for log, path in logs.items())
        ]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--envelope", type=click.Choice(get_args(Envelope)), default="docker", help="Runtime that wrote the logs."
)
@click.option("--chain", type=click.Choice(chains()), default="python", help="Implementation to run.")
def main(folder: Path, envelope: Envelope, chain: Chain) -> None:
    """List what is joined in the text logs (*.log) of FOLDER. Exit status 1 if anything is quarantined."""
    paths = sorted(folder.rglob("*.log"))
    if not paths:
        raise click.UsageError(f"no *.log in {folder}")
    results = outcomes(paths, envelope, chain)
    table = Table(title=f"{len(paths)} logs, {sum(result.lines for result in results):,} lines", title_justify="left")
    for column in ("log", "lines", "events", "joined", "quarantined"):
        table.add_column(column, justify="left" if column == "log" else "right")
    for result in results:
        counts = (result.lines, result.events, len(result.joined), result.quarantined)
        table.add_row(result.name, *map(str, counts))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for result in results:
        for text in result.joined:
            console.print(f"\n[bold]{escape(result.name)}[/bold]")
            for line in text.splitlines()[:SHOWN_LINES]:
                console.print(f"  {escape(line[:SHOWN_COLUMNS])}")
    sys.exit(any(result.quarantined for result in results))


if __name__ == "__main__":
    main()
