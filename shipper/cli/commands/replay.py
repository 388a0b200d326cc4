"""`shipper replay`: backfill the index from files, independent of a running agent."""

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
from shipper.inputs.files.container_metadata import path_names_container
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
    from shipper.replay.discover import DiscoveredLog, Discovery

KINDS: tuple[Literal["docker", "cri", "plain"], ...] = ("docker", "cri", "plain")
STDIN = Path("-")
FOLDER = "replay"


class EpochMs(int):
    """Milliseconds since the epoch; `text` is the value on the command line, which stays the same for `2d`."""

    text: str = ""


class ReplayTime(When):
    """A time that keeps its text on the command line."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Parse the value, or fail with a usage error."""
        time_ms = EpochMs(super().convert(value, param, ctx))
        time_ms.text = str(value)
        return time_ms


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--since", type=ReplayTime(), help="Events from this time on: RFC 3339, a date, or how long ago (2h, 3d)."
)
@click.option("--until", type=ReplayTime(), help="Events before this time.")
@click.option("--dry-run", is_flag=True, help="Show what would be indexed, quarantined and counted; write nothing.")
@click.option(
    "--type", "kind", type=click.Choice(KINDS), help="Format of the files. [default: detected from their first line]"
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
    help="Original path of files below BACKUP, so that plain logs keep their ids; repeatable.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1, 64), default=lambda: len(os.sched_getaffinity(0)), metavar="N",
    help="Number of threads or processes; the result is the same with any number. [default: one per core]",
)  # fmt: skip
@click.option(
    "--metrics-out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the counters' history as OpenMetrics, for promtool tsdb create-blocks-from openmetrics.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("output", "state_dir")
def replay(settings: Settings, **options: Any) -> None:  # noqa: ANN401
    """Index logs from files and folders, also rotated and compressed ones, or from the standard input (-).

    Events get the same ids and daily indices as from the agent, so that stored events are not duplicated. Ids of plain
    files depend on host and path: for a copy, set --host and --map-path. Checkpoints and counters of a running agent do
    not change. An interrupted replay resumes with the same command.
    """
    refuse_backwards(options["since"], options["until"])
    require_writable(options["metrics_out"])
    quiet = "warning" if settings.log_level == "info" else settings.log_level
    settings = adjusted(settings, service=options["service"], host=options["host"]).model_copy(
        update={"log_level": quiet}
    )
    configure_own_log(settings.log_format, settings.log_level)
    console = Console(stderr=True, highlight=False)
    with discovered_logs(settings, options) as discovery:
        total = run_and_report(settings, discovery, console, options)
    if options["dry_run"]:
        warn(console, expired_days(settings, total.indices))
    problems = list(dict.fromkeys([*discovery.problems, *total.problems]))
    warn(console, (f"{problem.what}; {problem.hint}" for problem in problems))
    if not total.finished:
        resume = " to resume" if state_of(settings, options) else "; stored events are not duplicated"
        console.print(f"interrupted: run the same command again{resume}")
    elif total.history is not None:
        write_history(total.history, options["metrics_out"])
    if problems or not total.finished:
        sys.exit(1)


def run_and_report(
    settings: Settings, discovery: "Discovery", console: Console, options: dict[str, Any]
) -> "job.Outcome":
    """Replay the logs and print the outcome. Raises ShipperError."""
    folder = state_of(settings, options)
    if folder is not None and folder.is_dir():
        console.print(f"resuming an interrupted replay; remove {folder} to start from the beginning")
    if options["container"] is None:
        warn(console, logs_without_container(discovery.logs))
    if not options["dry_run"]:
        warn(console, expired_logs(settings, discovery.logs))
    started = time.monotonic()
    total = run(settings, discovery.logs, folder, console, options)
    report_outcome(settings, discovery, total, time.monotonic() - started, options)
    return total


def report_outcome(
    settings: Settings, discovery: "Discovery", total: "job.Outcome", seconds: float, options: dict[str, Any]
) -> None:
    """Print the outcome in the requested format."""
    dry_run, logs = options["dry_run"], len(discovery.logs)
    places = [report.PlainRoot(settings.host, root) for root in path_map.plain_roots(discovery.logs)]
    if options["form"] == "json":
        total = replace(total, problems=[*discovery.problems, *total.problems])
        summary = report.as_json(total, logs, seconds, build_pipeline.saved_metrics(settings), places, dry_run=dry_run)
        click.echo(as_json(summary))
        return
    for line in report.summary_lines(total, logs, seconds, places, dry_run=dry_run):
        click.echo(printable(line))


def state_of(settings: Settings, options: dict[str, Any]) -> Path | None:
    """Return the folder of the replay's checkpoints; None if each run starts from the beginning."""
    if options["dry_run"] or options["metrics_out"] is not None or STDIN in options["paths"]:
        return None
    return settings.state_dir / FOLDER / task_of(settings, options)


def task_of(settings: Settings, options: dict[str, Any]) -> str:
    """Return a name for the replay, the same for the same command, so that it can resume.

    The number of processes and the output format do not matter.
    """
    paths = sorted(os.path.abspath(path) for path in options["paths"])
    other = options.items() - {(name, options[name]) for name in ("paths", "workers", "form")}
    rest = sorted((name, getattr(value, "text", str(value))) for name, value in other)
    return blake2b(repr((settings.output, paths, rest)).encode(), digest_size=8).hexdigest()


@contextmanager
def discovered_logs(settings: Settings, options: dict[str, Any]) -> "Iterator[Discovery]":
    """Yield the logs of the command line; the standard input is saved in a file for that time. Raises ShipperError."""
    named = [path for path in options["paths"] if path != STDIN]
    if STDIN not in options["paths"]:
        discovery = discover.find(options["paths"], options["kind"])
        yield discovery._replace(logs=PathMap.of(options["map_path"], named).applied(discovery.logs))
        return
    with discover.spooled(sys.stdin.buffer, settings.state_dir / FOLDER) as spool:
        discovery = discover.find([*named, spool], options["kind"])
        logs = [replace(log, complete=log.complete or log.path == os.path.realpath(spool)) for log in discovery.logs]
        kind = next(log.kind for log in logs if log.path == os.path.realpath(spool))
        if kind != "plain" and options["container"] is None:
            raise ShipperError(
                f"the standard input contains lines of a container runtime ({kind}), but no container id",
                "set --container ID, the name of its folder: event ids depend on it",
            )
        yield discover.Discovery(PathMap.of(options["map_path"], named, spool).applied(logs), discovery.problems)


def warn(console: Console, warnings: Iterator[str]) -> None:
    """Print warnings."""
    for warning in warnings:
        console.print(f"[yellow]warning[/]: {escape(printable(warning))}", soft_wrap=True)


def adjusted(settings: Settings, *, service: str | None, host: str | None) -> Settings:
    """Return the settings with the command line's service and host."""
    update: dict[str, Any] = {} if host is None else {"host": host}
    if service is not None:
        inputs = {source.type: source for source in settings.inputs}
        update["inputs"] = [
            (inputs.get(kind) or InputSettings(type=kind, glob="given")).model_copy(update={"service": service})
            for kind in KINDS
        ]
    return settings.model_copy(update=update)


def run(
    settings: Settings, logs: "Sequence[DiscoveredLog]", folder: Path | None, console: Console, options: dict[str, Any]
) -> "job.Outcome":
    """Run the replay and show its progress. Raises ShipperError."""
    from shipper.replay import job, time_filter  # noqa: PLC0415 -- slow to load, and --help needs none of it
    from shipper.replay.run import run as run_job  # noqa: PLC0415

    span = time_filter.Span(
        -time_filter.FOREVER_MS if options["since"] is None else int(options["since"]),
        time_filter.FOREVER_MS if options["until"] is None else int(options["until"]),
    )
    history = options["metrics_out"] is not None
    replay_job = job.Job(settings, span, dry_run=options["dry_run"], history=history, now_ms=Clock().wall_ms())
    if not options["dry_run"]:
        registry.check_output(settings)
        build_pipeline.redactor_of(settings)  # creates the redaction key before it is read
    replay_logs = job.with_origins(settings, logs, options["container"])
    job.tune_garbage_collection()
    with interruptible() as stopped, progress(console, sum(log.bytes for log in logs)) as on_progress:
        return run_job(
            replay_job, replay_logs, folder, workers=options["workers"], on_progress=on_progress, stopped=stopped
        )


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Stop gracefully on SIGINT or SIGTERM, and immediately on a second signal."""
    signals: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress(console: Console, total: int) -> "Iterator[Callable[[job.Progress], None]]":
    """Show progress with rate and time left: a bar on a terminal, periodic lines elsewhere."""
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

    def print_line(done: "job.Progress") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < TELL_S:
            return
        last = now
        share = min(done.bytes / total, 1.0) if total else 1.0
        left = f"{(now - started) * (1 - share) / share:,.0f} s left" if share else "starting"
        rate = done.lines / (now - started)
        click.echo(f"{share:4.0%}  {done.lines:,} lines  {rate:,.0f} lines/s  {left}", err=True)

    yield print_line


def logs_without_container(logs: "Sequence[DiscoveredLog]") -> Iterator[str]:
    """Yield a warning for logs whose path has no container id: their events may be stored again under other ids."""
    paths = [log.path for log in logs if not path_names_container(log.kind, log.path)]
    if paths:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield (
            f"{paths[0]}{more}: the path contains no container id, on which event ids depend;"
            " if an agent has read the log, set --container ID, or its events are duplicated"
        )


def expired_logs(settings: Settings, logs: "Sequence[DiscoveredLog]") -> Iterator[str]:
    """Yield a warning for logs that the retention deletes, by the time in their first line."""
    times = [ms for log in logs if log.first_time is not None and (ms := parse_ms(log.first_time)) is not None]
    yield from expired_days(settings, Counter(index_name(settings.index.prefix, ms) for ms in times))


def expired_days(settings: Settings, indices: Counter[str]) -> Iterator[str]:
    """Yield a warning for daily indices that the retention deletes immediately."""
    try:
        retention = registry.retention(settings)
    except ShipperError:
        return
    if retention is None:
        return
    seconds, setting = retention
    oldest = format_ms(Clock().wall_ms() - int(seconds * 1000))[:10]
    lost = sorted(index for index in indices if index[-10:].replace(".", "-") < oldest)
    if lost:
        span = lost[0] if len(lost) == 1 else f"{lost[0]} to {lost[-1]}"
        yield (
            f"{setting} deletes indices older than {seconds / 86_400:,.0f} days: {span} would be deleted as soon as"
            " it is written; extend the retention first"
        )


def require_writable(path: Path | None) -> None:
    """Raise OutputUnavailable if the file of the history cannot be written, before the logs are read."""
    if path is None:
        return
    place = path if os.path.exists(path) else os.path.join(path.parent, "")
    if not os.access(place, os.W_OK, effective_ids=True):
        raise not_written(path, os.strerror(EACCES if os.path.exists(place) else ENOENT))


def not_written(path: Path, why: str | None) -> OutputUnavailable:
    """Return the error for an unwritable file of the history."""
    return OutputUnavailable(f"cannot write {path}: {why}", "set another --metrics-out")


def write_history(history: Any, path: Path) -> None:  # noqa: ANN401
    """Write the counters' history to a file. Raises OutputUnavailable if that fails."""
    try:
        with (
            working(f"writing {path}", "lines") as count,
            open(path, "w", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o600)) as file,
        ):
            history.write(file, count)
    except OSError as error:
        raise not_written(path, error.strerror) from error
