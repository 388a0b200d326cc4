"""`python -m deploy.traffic --url http://127.0.0.1:8000 --seconds 60 --truth truth.json --fault errors`."""

import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click

from deploy.traffic import faults
from deploy.traffic.visits import Traffic

DURING = ("connections", "backlog", "memory")


@click.command()
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, help="URL of the application.")
@click.option("--seed", default=7, show_default=True, help="Seed; the same seed sends the same visits.")
@click.option("--seconds", default=60.0, show_default=True, help="Duration in seconds.")
@click.option("--visits", default=None, type=int, help="Number of visits after which to stop.")
@click.option("--pause", default=0.01, show_default=True, help="Seconds between visits.")
@click.option(
    "--truth", type=click.Path(dir_okay=False, path_type=Path), help="File for the requests sent and confirmed."
)
@click.option(
    "--fault", "fault_names", multiple=True, type=click.Choice([*faults.EACH_VISIT, *DURING]),
    help="Trigger an alert; repeatable. slow and connections need an application with SAMPLE_APP_FAULTS=1.",
)  # fmt: skip
@click.option("--redis", default="", help="URL of the queue's Redis, for backlog.")
@click.option("--tasks", default=150, show_default=True, help="Number of tasks that backlog pushes.")
@click.option(
    "--held", default=5, show_default=True, help="Number of connections that connections keeps busy: the pool's size."
)
@click.option("--mebibytes", default=0, help="MiB of memory that memory allocates on this node.")
def main(  # noqa: PLR0913 -- one argument an option
    *, url: str, seed: int, seconds: float, visits: int | None, pause: float, truth: Path | None,
    fault_names: tuple[str, ...], redis: str, tasks: int, held: int, mebibytes: int,
) -> None:  # fmt: skip
    """Send visits to the sample application, and record the results."""
    if "backlog" in fault_names and not redis:
        raise click.UsageError("--fault backlog needs --redis")
    if "memory" in fault_names and not mebibytes:
        raise click.UsageError("--fault memory needs --mebibytes, less than the node has left")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the truth file is written in any case
    traffic = Traffic(url, seed)
    try:
        with ExitStack() as during:
            if "connections" in fault_names:
                during.enter_context(faults.connections_held(traffic, held, seconds))
            if "memory" in fault_names:
                during.enter_context(faults.memory_held(mebibytes))
            if "backlog" in fault_names:
                faults.backlog(traffic, redis, tasks)
            each = [faults.EACH_VISIT[name] for name in fault_names if name in faults.EACH_VISIT]
            send(traffic, time.monotonic() + seconds, visits, pause, each)
    finally:
        if truth is not None:
            traffic.truth.write(truth)
    click.echo(f"{traffic.sent:,} requests: {dict(sorted(traffic.truth.requests.items()))}", err=True)


def send(traffic: Traffic, until: float, visits: int | None, pause: float, each: list[faults.OfAVisit]) -> None:
    """Send visits until the time or their number is reached."""
    made = 0
    while time.monotonic() < until and (visits is None or made < visits):
        traffic.step()
        for fault in each:
            fault(traffic)
        made += 1
        time.sleep(pause)


if __name__ == "__main__":
    main()
