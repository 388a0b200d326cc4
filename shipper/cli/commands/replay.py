"""`shipper replay`: a backfill of the index from files, beside whatever agent is running."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from errno import EACCES, ENOENT
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from shipper.bootstrap import build_pipeline
from shipper.cli.commands.search import When, refuse_backwards
from shipper.cli.options import configured
from shipper.cli.replay_options import MappedPath
from shipper.cli.search_options import NonEmptyText
from shipper.cli.terminal import replay_report as report
from shipper.cli.terminal.json_output import as_json
from shipper.cli.terminal.progress import TELL_S, working
from shipper.config.settings import InputSettings, Settings
from shipper.inputs.files.container_metadata import tells_container
from shipper.outputs import registry
from shipper.replay import discover, path_map
from shipper.replay.path_map import PathMap
from shipper.system.clock import Clock
from shipper.system.errors import OutputUnavailable, ShipperError
from shipper.system.logging_setup import configure_own_log
from shipper_processors.route import index_name
from shipper_processors.sanitize import printable
from shipper_processors.times import format_ms, parse_ms

if TYPE_CHECKING:
    from shipper.replay import job
    from shipper.replay.discover import Given, GivenLog

KINDS: tuple[Literal["docker", "cri", "plain"], ...] = ("docker", "cri", "plain")
STDIN = Path("-")
FOLDER = "replay"


class Moment(int):
    """Milliseconds since the epoch; `said` is how they were asked for, the same when `2d` is asked again."""

    said: str = ""


class Asked(When):
    """A time that remembers how it was asked for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Read it, or fail as a mistake of usage."""
        found = Moment(super().convert(value, param, ctx))
        found.said = str(value)
        return found


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--since", type=Asked(), help="Events from this time on: RFC 3339, a date, or how long ago (2h, 3d).")
@click.option("--until", type=Asked(), help="Events before this time.")
@click.option("--dry-run", is_flag=True, help="Say what would be indexed, quarantined and counted; write nothing.")
@click.option(
    "--type", "kind", type=click.Choice(KINDS), help="What wrote the files. [default: told by their first line]"
)
@click.option("--service", type=NonEmptyText(), help="Service name of all lines, instead of the container's labels.")
@click.option(
    "--container",
    metavar="ID",
    type=NonEmptyText(),
    help="Container id of all lines, if file names do not contain it.",
)
@click.option("--host", metavar="NAME", type=NonEmptyText(), help="Node that wrote the files. [default: this one]")
@click.option(
    "--map-path", metavar="BACKUP=ORIGINAL", type=MappedPath(), multiple=True,
    help="Read files below BACKUP as those that were at ORIGINAL, so that plain logs get the same ids; repeatable.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 64), default=lambda: len(os.sched_getaffinity(0)), metavar="N",
    help="Processes; what comes of it is the same with any number. [default: one a core]",
)  # fmt: skip
@click.option(
    "--metrics-out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the counters' history as OpenMetrics, for promtool tsdb create-blocks-from openmetrics.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("output", "state_dir")
def replay(settings: Settings, **asked: Any) -> None:  # noqa: ANN401
    """Index the logs in files and folders, rotated and compressed ones, or the standard input (-).

    Events get the ids and days that the agent gives them: what is stored already is found and not stored again. Ids of
    plain files follow from host and path: for a copy, give --host and --map-path. The running agent's positions and
    counters are left alone. Can be interrupted: the same command goes on where it stopped.
    """
    refuse_backwards(asked["since"], asked["until"])
    refuse_place(asked["metrics_out"])
    quiet = "warning" if settings.log_level == "info" else settings.log_level
    settings = adjusted(settings, service=asked["service"], host=asked["host"]).model_copy(update={"log_level": quiet})
    configure_own_log(settings.log_format, settings.log_level)
    console = Console(stderr=True, highlight=False)
    with given_logs(settings, asked) as found:
        total = replayed(settings, found, console, asked)
    if asked["dry_run"]:
        warn(console, too_old(settings, total.indices))
    problems = list(dict.fromkeys([*found.problems, *total.problems]))
    warn(console, (f"{problem.what}; {problem.hint}" for problem in problems))
    if not total.finished:
        again = "it goes on where it stopped" if state_of(settings, asked) else "what is stored already is found"
        console.print(f"interrupted: run the same command again, and {again}")
    elif total.history is not None:
        write_history(total.history, asked["metrics_out"])
    if problems or not total.finished:
        sys.exit(1)


def replayed(settings: Settings, found: "Given", console: Console, asked: dict[str, Any]) -> "job.Outcome":
    """Replay the logs and tell what came of it. Raises ShipperError."""
    folder = state_of(settings, asked)
    if folder is not None and folder.is_dir():
        console.print(f"going on with a replay that was interrupted; remove {folder} to start anew")
    if asked["container"] is None:
        warn(console, nameless(found.logs))
    if not asked["dry_run"]:
        warn(console, too_old_already(settings, found.logs))
    started = time.monotonic()
    total = run(settings, found.logs, folder, console, asked)
    tell(settings, found, total, time.monotonic() - started, asked)
    return total


def tell(settings: Settings, found: "Given", total: "job.Outcome", seconds: float, asked: dict[str, Any]) -> None:
    """Print what came of it, in the format that was asked for."""
    dry_run, logs = asked["dry_run"], len(found.logs)
    places = [report.Place(settings.host, root) for root in path_map.plain_roots(found.logs)]
    if asked["form"] == "json":
        total = replace(total, problems=[*found.problems, *total.problems])
        told = report.as_json(total, logs, seconds, build_pipeline.saved_metrics(settings), places, dry_run=dry_run)
        click.echo(as_json(told))
        return
    for line in report.told(total, logs, seconds, places, dry_run=dry_run):
        click.echo(printable(line))


def state_of(settings: Settings, asked: dict[str, Any]) -> Path | None:
    """The folder that says how far a replay is; None for one that begins from the start each time."""
    if asked["dry_run"] or asked["metrics_out"] is not None or STDIN in asked["paths"]:
        return None
    return settings.state_dir / FOLDER / task_of(settings, asked)


def task_of(settings: Settings, asked: dict[str, Any]) -> str:
    """A name for what was asked for: the same command, interrupted, finds what it did before.

    How many processes do it does not matter, nor how it is told.
    """
    places = sorted(os.path.abspath(path) for path in asked["paths"])
    what = asked.items() - {(name, asked[name]) for name in ("paths", "workers", "form")}
    rest = sorted((name, getattr(value, "said", str(value))) for name, value in what)
    return blake2b(repr((settings.output, places, rest)).encode(), digest_size=8).hexdigest()


@contextmanager
def given_logs(settings: Settings, asked: dict[str, Any]) -> "Iterator[Given]":
    """The logs that the command names; the standard input is kept in a file meanwhile. Raises ShipperError."""
    named = [path for path in asked["paths"] if path != STDIN]
    if STDIN not in asked["paths"]:
        found = discover.find(asked["paths"], asked["kind"])
        yield found._replace(logs=PathMap.of(asked["map_path"], named).applied(found.logs))
        return
    with discover.spooled(sys.stdin.buffer, settings.state_dir / FOLDER) as spool:
        found = discover.find([*named, spool], asked["kind"])
        logs = [replace(log, whole=log.whole or log.path == os.path.realpath(spool)) for log in found.logs]
        kind = next(log.kind for log in logs if log.path == os.path.realpath(spool))
        if kind != "plain" and asked["container"] is None:
            raise ShipperError(
                f"the standard input holds lines that a container runtime wrote ({kind}), and nothing tells whose they"
                " are",
                "give --container ID, as its folder is named: the ids of events follow from it",
            )
        yield discover.Given(PathMap.of(asked["map_path"], named, spool).applied(logs), found.problems)


def warn(console: Console, found: Iterator[str]) -> None:
    """Say what speaks against it, and go on."""
    for warning in found:
        console.print(f"[yellow]warning[/]: {escape(printable(warning))}", soft_wrap=True)


def adjusted(settings: Settings, *, service: str | None, host: str | None) -> Settings:
    """The settings with what the command line says of the files."""
    update: dict[str, Any] = {} if host is None else {"host": host}
    if service is not None:
        inputs = {found.type: found for found in settings.inputs}
        update["inputs"] = [
            (inputs.get(kind) or InputSettings(type=kind, glob="given")).model_copy(update={"service": service})
            for kind in KINDS
        ]
    return settings.model_copy(update=update)


def run(
    settings: Settings, logs: "Sequence[GivenLog]", folder: Path | None, console: Console, asked: dict[str, Any]
) -> "job.Outcome":
    """All of it, with its progress shown. Raises ShipperError."""
    from shipper.replay import job, time_filter  # noqa: PLC0415 -- slow to load, and --help needs none of it
    from shipper.replay.run import run as run_job  # noqa: PLC0415

    span = time_filter.Span(
        -time_filter.FOREVER_MS if asked["since"] is None else int(asked["since"]),
        time_filter.FOREVER_MS if asked["until"] is None else int(asked["until"]),
    )
    wanted = asked["metrics_out"] is not None
    what = job.Job(settings, span, dry_run=asked["dry_run"], history=wanted, now_ms=Clock().wall_ms())
    if not asked["dry_run"]:
        registry.check_output(settings)
        build_pipeline.redactor_of(settings)  # makes the key of redaction, so that all that follows finds it
    located = job.located(settings, logs, asked["container"])
    job.collect_seldom()
    with interruptible() as stopped, shown(console, sum(log.bytes for log in logs)) as tell:
        return run_job(what, located, folder, workers=asked["workers"], tell=tell, stopped=stopped)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """While it lasts, SIGINT and SIGTERM ask for an orderly end; a second SIGINT ends at once."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shown(console: Console, total: int) -> "Iterator[Callable[[job.Progress], None]]":
    """Progress with rate and time left: a bar on a terminal, a line now and then elsewhere."""
    started = time.monotonic()
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("replay", total=total, rate="")

            def draw(done: "job.Progress") -> None:
                rate = done.lines / max(time.monotonic() - started, 0.001)
                bar.update(task, completed=min(done.bytes, total), rate=f"{rate:,.0f} lines/s")

            yield draw
        return
    last = started

    def say(done: "job.Progress") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < TELL_S:
            return
        last = now
        share = min(done.bytes / total, 1.0) if total else 1.0
        left = f"{(now - started) * (1 - share) / share:,.0f} s left" if share else "nothing done yet"
        rate = done.lines / (now - started)
        click.echo(f"{share:4.0%}  {done.lines:,} lines  {rate:,.0f} lines/s  {left}", err=True)

    yield say


def nameless(logs: "Sequence[GivenLog]") -> Iterator[str]:
    """Logs whose path does not tell the container: what an agent read of them has other ids, and comes twice."""
    found = [log.path for log in logs if not tells_container(log.kind, log.path)]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield (
            f"{found[0]}{more}: the path does not tell which container wrote it, and ids of events follow from that;"
            " if an agent has read it before, give --container ID, or its events are stored twice"
        )


def too_old_already(settings: Settings, logs: "Sequence[GivenLog]") -> Iterator[str]:
    """What would undo the backfill, as far as the first line of each log tells."""
    times = [ms for log in logs if log.first_time is not None and (ms := parse_ms(log.first_time)) is not None]
    yield from too_old(settings, Counter(index_name(settings.index.prefix, ms) for ms in times))


def too_old(settings: Settings, indices: Counter[str]) -> Iterator[str]:
    """Days that what deletes old indices would delete at once."""
    try:
        found = registry.retention(settings)
    except ShipperError:
        return
    if found is None:
        return
    seconds, by_whom = found
    oldest = format_ms(Clock().wall_ms() - int(seconds * 1000))[:10]
    lost = sorted(index for index in indices if index[-10:].replace(".", "-") < oldest)
    if lost:
        span = lost[0] if len(lost) == 1 else f"{lost[0]} to {lost[-1]}"
        yield (
            f"{by_whom} deletes what is older than {seconds / 86_400:,.0f} days: {span} would be deleted as soon as"
            " it is written; lengthen the retention first"
        )


def refuse_place(path: Path | None) -> None:
    """Raise OutputUnavailable where the history could not be written in the end, before all is read for it."""
    if path is None:
        return
    place = path if os.path.exists(path) else os.path.join(path.parent, "")
    if not os.access(place, os.W_OK, effective_ids=True):
        raise not_written(path, os.strerror(EACCES if os.path.exists(place) else ENOENT))


def not_written(path: Path, why: str | None) -> OutputUnavailable:
    """That the file of the history cannot be written."""
    return OutputUnavailable(f"{path} cannot be written: {why}", "give another --metrics-out")


def write_history(history: Any, path: Path) -> None:  # noqa: ANN401
    """The counters' history as a file. Raises OutputUnavailable where it cannot be written."""
    try:
        with (
            working(f"writing {path}", "lines") as count,
            open(path, "w", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o600)) as file,
        ):
            history.write(file, count)
    except OSError as error:
        raise not_written(path, error.strerror) from error
