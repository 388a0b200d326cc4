"""`shipper run`: the agent."""

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Literal

import click
import structlog
from pydantic import SecretStr

from shipper.agent.agent import Agent
from shipper.agent.agent_status import Vitals
from shipper.agent.indexer import Indexer
from shipper.agent.indexer_status import IndexerVitals
from shipper.bootstrap import build_agent, build_indexer, build_web
from shipper.bootstrap.reload import Reloader
from shipper.cli.options import from_configuration
from shipper.cli.terminal.progress import TELL_S
from shipper.config import Configuration
from shipper.config.output_kinds import scheme
from shipper.config.settings import Settings
from shipper.inputs.registry import process_of
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError, to_read
from shipper.system.logging_setup import configure_own_log
from shipper.system.loopback import is_loopback
from shipper.web.request_guard import host_of
from shipper.web.server import serve

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Options of glibc's `mallopt`, from its malloc.h."""
KEPT_BYTES = 16 * 1024 * 1024
GIVE_BACK_S = 30.0
"""How often memory that lies idle between pieces in use goes back to the kernel under load."""
TOKEN = "name a file that holds one with token_file, and give it as `Authorization: Bearer …`"  # noqa: S105


@click.command()
@click.option("--once", is_flag=True, help="Ship what is there, commit, and exit 0.")
@click.option(
    "--from",
    "start",
    type=click.Choice(["beginning", "end"]),
    help="Where files begin that were never seen before. [default: beginning]",
)
@from_configuration("inputs", "output", "state_dir", "listen", "log_format")
def run(configuration: Configuration, *, once: bool, start: Literal["beginning", "end"] | None) -> None:
    """Follow container logs, count and store every event.

    Stops on SIGTERM and SIGINT after shipping and committing what it has read. A kill at any moment loses nothing
    and doubles nothing: start it again with the same state directory. A changed configuration file is taken over as
    it changes, and on SIGHUP; one with a mistake is refused, and the configuration before it stays in effect.
    """
    settings = configuration.settings
    configure_own_log(settings.log_format, settings.log_level)
    log = structlog.get_logger("shipper")
    _raise_descriptor_limit()
    _keep_buffers()
    agent, vitals = parts(settings, from_end=start == "end")
    _stop_on_signals(agent)
    agent.after_turn = in_turn(vitals.take, each(GIVE_BACK_S, _give_back))
    in_effect = lambda: settings  # noqa: E731 -- the same for as long as it runs, where nothing is reloaded
    if isinstance(agent, Agent) and isinstance(vitals, Vitals) and not once:
        reloader = Reloader(configuration, agent, vitals, Clock(), from_end=start == "end", apply=own_log)
        _reload_on_change(reloader)
        in_effect = lambda: reloader.configuration.settings  # noqa: E731
    else:
        signal.signal(signal.SIGHUP, lambda _number, _frame: log.warning("not_reloaded", hint="restart it instead"))
    if isinstance(agent, Agent):
        agent.when_quiet = _give_back
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # batches hold many small objects and no cycles: looking for some costs 3 %
    inputs = [found.url for found in settings.inputs]
    try:
        pages = build_web.pages(vitals, in_effect, Clock())
        with serve(settings.listen, vitals, secret(settings.token), pages=pages) as address:
            log.info("started", inputs=inputs, output=settings.output, state=str(settings.state_dir), listen=address)
            if address and settings.token is None and not is_loopback(host_of(settings.listen)):
                log.warning("no_token", open="/metrics, /health, /live and /ready alone", hint=TOKEN)
            if once:
                agent.after_turn = telling(agent, vitals.take, Clock())
                agent.run_once()
            else:
                agent.run()
    finally:
        agent.close()
    _say_goodbye(agent, once=once)
    if once and isinstance(agent, Agent):
        _require_read(agent)


def parts(settings: Settings, *, from_end: bool) -> tuple[Agent | Indexer, Vitals | IndexerVitals]:
    """The agent, or the indexer where the input is a topic, and what it shows of itself."""
    if process_of(settings) == "indexer":
        indexer = build_indexer.indexer(settings, Clock())
        return indexer, build_indexer.indexer_vitals(settings, indexer)
    agent = build_agent.agent(settings, Clock(), from_end=from_end)
    kind, health = scheme(settings.output), settings.health
    return agent, Vitals(agent, kind, health.stuck_after, health.max_lag)


def telling(agent: Agent | Indexer, take: Callable[[], None], clock: Clock) -> Callable[[], None]:
    """What a run with an end does after each turn: `take`, and tell now and then how far it is."""
    log, told_at = structlog.get_logger("shipper"), clock.monotonic()

    def after_turn() -> None:
        nonlocal told_at
        take()
        if clock.monotonic() - told_at >= TELL_S:
            told_at = clock.monotonic()
            log.info("shipping", **agent.outcomes())

    return after_turn


def own_log(settings: Settings) -> None:
    """Take over how much the process tells of itself."""
    configure_own_log(settings.log_format, settings.log_level)


def in_turn(*steps: Callable[[], None]) -> Callable[[], None]:
    """All `steps`, one after the other."""

    def all_steps() -> None:
        for step in steps:
            step()

    return all_steps


def each(seconds: float, step: Callable[[], None], clock: Clock | None = None) -> Callable[[], None]:
    """`step`, but not before `seconds` have passed since the last time."""
    monotonic = (clock or Clock()).monotonic
    due = monotonic() + seconds

    def now_and_then() -> None:
        nonlocal due
        if (now := monotonic()) >= due:
            due = now + seconds
            step()

    return now_and_then


def _reload_on_change(reloader: Reloader) -> None:
    """On SIGHUP, and where a file changes. A SIGHUP that comes because the terminal went away asks for the end."""
    agent, take = reloader.agent, reloader.agent.after_turn
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]

    def ask(_number: int, _frame: FrameType | None) -> None:
        gone = [descriptor for descriptor in terminals if not os.isatty(descriptor)]
        for descriptor in gone:  # what is said from here on would fail, and nobody is left to read it
            os.dup2(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), descriptor)
        if gone:
            agent.stopping.set()
        reloader.asked = True

    signal.signal(signal.SIGHUP, ask)
    agent.after_turn = reloader.turn if take is None else in_turn(take, reloader.turn)


def secret(value: SecretStr | None) -> str | None:
    """The value of a secret setting."""
    return None if value is None else value.get_secret_value()


def _require_read(agent: Agent) -> None:
    """Raise ShipperError where logs were found that could not be read: `--once` is done when all of it is shipped."""
    found = agent.tail.unreadable
    if found:
        path, error = next(iter(sorted(found.items())))
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise ShipperError(
            f"{path} cannot be read: {error.strerror or error}{more}", f"{to_read(error)}, and run it again"
        )


def _say_goodbye(agent: Agent | Indexer, *, once: bool) -> None:
    counts = agent.outcomes()
    structlog.get_logger("shipper").info("stopped", **counts)
    if once:
        words = ", ".join(f"{number:,} {outcome}" for outcome, number in counts.items())
        click.echo(f"{words}; store {agent.output.url}", file=sys.stdout)


def _stop_on_signals(agent: Agent | Indexer) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        agent.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _keep_buffers() -> None:
    """Large buffers come again with the next batch: to give them back and have them cleared again costs 15 %.

    One arena serves all threads, since the others would keep as much again. `_give_back` is for quiet times, and for
    what builds up between pieces in use: it takes some milliseconds, each `GIVE_BACK_S`.
    """
    with suppress(OSError, AttributeError):  # a C library that is not glibc has no such switch
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, KEPT_BYTES), (M_MMAP_THRESHOLD, KEPT_BYTES)):
            mallopt(option, value)


def _give_back() -> None:
    """Return to the kernel what the last batches needed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _raise_descriptor_limit() -> None:
    """Each followed log keeps its file open, so that nothing removed is lost."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
