"""`shipper run`: the agent."""

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import FrameType
from typing import TYPE_CHECKING, Literal, Union

import click
from pydantic import SecretStr

from shipper.agent.agent import Agent
from shipper.agent.agent_status import AgentPublisher
from shipper.bootstrap import build_agent
from shipper.bootstrap.reload import Reloader
from shipper.cli.options import from_configuration
from shipper.cli.terminal.progress import TELL_S
from shipper.config import Configuration
from shipper.config.output_kinds import scheme
from shipper.config.settings import Settings
from shipper.inputs.registry import process_of
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError, hint_unreadable
from shipper.system.logging_setup import configure_own_log
from shipper.system.loopback import is_loopback
from shipper.system.own_log import own_log
from shipper.web.request_guard import host_of

if TYPE_CHECKING:
    from shipper.agent.indexer import Indexer
    from shipper.agent.indexer_status import IndexerPublisher

Process = Union[Agent, "Indexer"]
Publisher = Union[AgentPublisher, "IndexerPublisher"]
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Options of glibc's `mallopt`, from its malloc.h."""
KEPT_BYTES = 16 * 1024 * 1024
GIVE_BACK_S = 30.0
"""Seconds between returns of unused memory to the kernel under load."""
TOKEN = "set token_file to a file with a token, and send it as `Authorization: Bearer …`"  # noqa: S105


@click.command()
@click.option("--once", is_flag=True, help="Ship existing entries, commit, and exit 0.")
@click.option(
    "--from",
    "start",
    type=click.Choice(["beginning", "end"]),
    help="Start offset of files never seen before. [default: beginning]",
)
@from_configuration("inputs", "output", "state_dir", "listen", "log_format")
def run(configuration: Configuration, *, once: bool, start: Literal["beginning", "end"] | None) -> None:
    """Follow container logs; count and store every event.

    Stops on SIGTERM and SIGINT after shipping and committing everything it has read. A kill at any moment neither
    loses nor duplicates events: restart it with the same state directory. A changed configuration file is reloaded
    automatically, and on SIGHUP; an invalid one is rejected, and the previous configuration stays in effect.
    """
    settings = configuration.settings
    configure_own_log(settings.log_format, settings.log_level)
    log = own_log("shipper")
    _raise_descriptor_limit()
    _keep_buffers()
    agent, publisher = parts(settings, from_end=start == "end")
    _stop_on_signals(agent)
    agent.after_turn = in_turn(publisher.publish, each(GIVE_BACK_S, _give_back))
    in_effect = lambda: settings  # noqa: E731 -- constant without reload
    if isinstance(agent, Agent) and isinstance(publisher, AgentPublisher) and not once:
        reloader = Reloader(configuration, agent, publisher, Clock(), from_end=start == "end", apply=apply_log_settings)
        _reload_on_change(reloader)
        in_effect = lambda: reloader.configuration.settings  # noqa: E731
    else:
        signal.signal(
            signal.SIGHUP,
            lambda _number, _frame: log.warning("reload_not_supported", hint="restart it instead"),
        )
    if isinstance(agent, Agent):
        agent.when_quiet = _give_back
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # batches hold many small objects and no cycles; searching for cycles costs 3 %
    inputs = [item.url for item in settings.inputs]
    try:
        with _serve(settings, publisher, in_effect) as address:
            log.info("started", inputs=inputs, output=settings.output, state=str(settings.state_dir), listen=address)
            if address and settings.token is None and not is_loopback(host_of(settings.listen)):
                log.warning("no_token", open="/metrics, /health, /live and /ready only", hint=TOKEN)
            if once:
                agent.after_turn = log_progress(agent, publisher.publish, Clock())
                agent.run_once()
            else:
                agent.run()
    finally:
        agent.close()
    _log_stop(agent, once=once)
    if once and isinstance(agent, Agent):
        _require_read(agent)


def _serve(
    settings: Settings, publisher: Publisher, in_effect: Callable[[], Settings]
) -> AbstractContextManager[str | None]:
    """Serve metrics, health and pages where an address is configured; loaded only there."""
    if settings.listen == "off":
        return nullcontext()
    from shipper.bootstrap import build_web  # noqa: PLC0415 -- see above
    from shipper.web.server import serve  # noqa: PLC0415

    pages = build_web.pages(publisher, in_effect, Clock())
    return serve(settings.listen, publisher, secret(settings.token), pages=pages)


def parts(settings: Settings, *, from_end: bool) -> tuple[Process, Publisher]:
    """Build the agent, or the indexer where the input is a topic, and its status."""
    if process_of(settings) == "indexer":
        from shipper.bootstrap import build_indexer  # noqa: PLC0415 -- loads Kafka, which an agent never needs

        indexer = build_indexer.indexer(settings, Clock())
        return indexer, build_indexer.indexer_publisher(settings, indexer)
    agent = build_agent.agent(settings, Clock(), from_end=from_end)
    kind, health = scheme(settings.output), settings.health
    return agent, AgentPublisher(agent, kind, health.stuck_after, health.max_lag)


def log_progress(agent: Process, take: Callable[[], None], clock: Clock) -> Callable[[], None]:
    """Return the step after each turn of a run with an end: `publish`, and log the progress every TELL_S seconds."""
    log, logged_at = own_log("shipper"), clock.monotonic()

    def after_turn() -> None:
        nonlocal logged_at
        take()
        if clock.monotonic() - logged_at >= TELL_S:
            logged_at = clock.monotonic()
            log.info("shipping", **agent.outcomes())

    return after_turn


def apply_log_settings(settings: Settings) -> None:
    """Apply the format and level of the shipper's own log."""
    configure_own_log(settings.log_format, settings.log_level)


def in_turn(*steps: Callable[[], None]) -> Callable[[], None]:
    """Return a function that runs all `steps` in order."""

    def all_steps() -> None:
        for step in steps:
            step()

    return all_steps


def each(seconds: float, step: Callable[[], None], clock: Clock | None = None) -> Callable[[], None]:
    """Return `step` limited to once every `seconds`."""
    monotonic = (clock or Clock()).monotonic
    due = monotonic() + seconds

    def limited() -> None:
        nonlocal due
        if (now := monotonic()) >= due:
            due = now + seconds
            step()

    return limited


def _reload_on_change(reloader: Reloader) -> None:
    """Reload on SIGHUP and on a changed file. A SIGHUP from a closed terminal stops the agent."""
    agent, take = reloader.agent, reloader.agent.after_turn
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]

    def handle(_number: int, _frame: FrameType | None) -> None:
        gone = [descriptor for descriptor in terminals if not os.isatty(descriptor)]
        for descriptor in gone:  # further output would fail, and nobody reads it
            os.dup2(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), descriptor)
        if gone:
            agent.stopping.set()
        reloader.requested = True

    signal.signal(signal.SIGHUP, handle)
    agent.after_turn = reloader.turn if take is None else in_turn(take, reloader.turn)


def secret(value: SecretStr | None) -> str | None:
    """Return the value of a secret setting."""
    return None if value is None else value.get_secret_value()


def _require_read(agent: Agent) -> None:
    """Raise ShipperError where logs could not be read: `--once` succeeds only if everything was shipped."""
    unreadable = agent.tail.unreadable
    if unreadable:
        path, error = next(iter(sorted(unreadable.items())))
        more = f", and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        raise ShipperError(
            f"cannot read {path}: {error.strerror or error}{more}", f"{hint_unreadable(error)}, and run it again"
        )


def _log_stop(agent: Process, *, once: bool) -> None:
    counts = agent.outcomes()
    own_log("shipper").info("stopped", **counts)
    if once:
        summary = ", ".join(f"{number:,} {outcome}" for outcome, number in counts.items())
        click.echo(f"{summary}; store {agent.delivery.output.url}", file=sys.stdout)


def _stop_on_signals(agent: Process) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        agent.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _keep_buffers() -> None:
    """Keep large buffers for the next batch: returning and clearing them again costs 15 % CPU.

    One arena serves all threads, since each further one would keep as much again. `_give_back` returns memory in quiet
    times and every `GIVE_BACK_S` seconds under load; it takes some milliseconds.
    """
    with suppress(OSError, AttributeError):  # only glibc has these options
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_MMAP_THRESHOLD, KEPT_BYTES)):
            mallopt(option, value)


def _give_back() -> None:
    """Return unused memory of past batches to the kernel."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _raise_descriptor_limit() -> None:
    """Raise the limit of open files: each followed log stays open, so that a removed file is read to its end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
