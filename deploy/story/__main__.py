"""`python -m deploy.story`: a refused login on its way to Slack, an outage on its way to the pager, all eight alerts.

Nothing is pulled from a container registry. Exit code 0 where everything arrived; it ends by itself.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.story.stage import AVAILABLE, POOL, Stage, TooLate, waited
from deploy.traffic import faults
from tests.services.java import Unavailable

LIMIT = 10
"""Refused logins within five minutes that the alert lets pass."""
GENTLY_S = 0.3
"""Between failures: thousands of quick answers would hide the slow ones from the percentile."""
ALERTS = {
    "HighFailedLoginAttempts": "wrong passwords",
    "HighResponseTime": "slow reports",
    "HighErrorRate": "failing requests",
    "DatabaseConnectionPoolExhausted": "every connection of the pool held",
    "LowCacheHitRate": "patients that nobody has read before",
    "CeleryQueueBacklog": "150 tasks, and no worker",
    "HighMemoryUsage": "a stand-in for the node's exporter",
    "APIDown": "the application stopped",
}
"""The guide's eight, and what provokes each here."""


def main() -> int:
    """Tell the story; 1 where something did not arrive."""
    console = Console(highlight=False)
    console.print("[bold]From a refused login to the message that somebody gets[/], and seven more alerts.\n")
    try:
        with tempfile.TemporaryDirectory(prefix="shipper-story-") as folder, Stage(Path(folder)) as stage:
            introduce(stage, console)
            with traffic(stage):
                refused_login(stage, console)
                one_failure(stage, console)
                fired = each_alert(stage, console)
            outage(stage, console, fired)
            summary(fired, console)
    except Unavailable as error:
        console.print(f"[red]not here:[/] {escape(str(error))}")
        console.print("  run it as root on Debian, which installs what is missing, or install it")
        return 1
    except TooLate as error:
        console.print(f"[red]stopped:[/] {escape(str(error))}")
        return 1
    return 0


def introduce(stage: Stage, console: Console) -> None:
    """Who takes part."""
    why = f" [dim]({escape(stage.why_no_container)})[/]" if stage.why_no_container else ""
    console.print(f"[green]●[/] the application runs as {stage.application.where}{why}, with PostgreSQL and Redis")
    console.print(f"[green]●[/] shipper follows {escape(stage.application.logs)}")
    console.print(f"[green]●[/] Prometheus {stage.prometheus.url}, Alertmanager {stage.alertmanager.url}")
    console.print("  [dim]the shipped rules without those of the SLOs, `for: 1s`, evaluated every second[/]\n")


@contextmanager
def traffic(stage: Stage, pause: float = 0.1) -> Iterator[None]:
    """People at work in the background, until the block ends."""
    enough = threading.Event()

    def work() -> None:
        while not enough.wait(pause):
            stage.traffic.step()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(30)


def refused_login(stage: Stage, console: Console) -> None:
    """One refused login too many, step by step."""
    name, began = "HighFailedLoginAttempts", time.monotonic()
    faults.failed_logins(stage.traffic)
    faults.failed_logins(stage.traffic)
    faults.failed_logins(stage.traffic)
    steps: list[tuple[str, float]] = []

    def step(what: str, condition: Callable[[], object]) -> None:
        waited(condition, what)
        steps.append((what, time.monotonic() - began))

    sent = stage.traffic.truth.number("logins", "failure")
    step("15 wrong passwords refused, each logged by the application", lambda: True)
    step("counted by shipper", lambda: stage.counted("failed_login_attempts_total") >= sent)
    query = 'sum(failed_login_attempts_total{job="shipper"})'
    step("scraped by Prometheus", lambda: max(stage.prometheus.ask(query).values(), default=0) >= sent)
    step(f"{name} is firing", lambda: name in stage.prometheus.alerts())
    step("told to Slack by Alertmanager", lambda: stage.told(name))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for what, at in steps:
        table.add_row(f"[dim]+{at:6.2f} s[/]", what)
    console.print(table)
    message = stage.told(name) or {}
    console.print(f"\n  [bold]{escape(message.get('title', ''))}[/]")
    for line in message.get("text", "").strip().splitlines():
        console.print(f"  {escape(line.strip())}", soft_wrap=True)


def one_failure(stage: Stage, console: Console) -> None:
    """A failed request, looked up by its correlation id."""
    stage.traffic.fail()
    wanted = stage.traffic.truth.failures[-1]
    waited(lambda: stage.stored(wanted), f"{wanted} is found")
    console.print(f"\n[bold]$ shipper search {escape(wanted)}[/]\n")
    console.print(escape(stage.search(wanted).stdout), soft_wrap=True)


def each_alert(stage: Stage, console: Console) -> dict[str, float]:
    """Provoke what is left, slowness alone and first: failures of the same service would silence it."""
    fired = {"HighFailedLoginAttempts": 0.0}
    with console.status("slow reports"):
        fired["HighResponseTime"] = while_slow(stage, lambda: stage.told("HighResponseTime"))
    together = ["HighErrorRate", "DatabaseConnectionPoolExhausted", "LowCacheHitRate", "CeleryQueueBacklog"]
    stage.node[AVAILABLE] = 5.0
    with console.status("failures, a full pool, a cold cache, a queue without its worker"), ExitStack() as during:
        faults.backlog(stage.traffic, stage.redis_url, 150)
        during.enter_context(faults.connections_held(stage.traffic, POOL, 15))
        began = time.monotonic()
        waiting = [*together, "HighMemoryUsage"]
        while waiting and time.monotonic() - began < 60:  # noqa: PLR2004 -- what one of them may take
            faults.errors(stage.traffic)
            faults.cache_misses(stage.traffic)
            time.sleep(GENTLY_S)
            for name in [name for name in waiting if stage.told(name)]:
                fired[name] = time.monotonic() - began
                waiting.remove(name)
        if waiting:
            raise TooLate(f"not told to Slack within 60 s: {', '.join(waiting)}")
    return fired


def while_slow(stage: Stage, condition: Callable[[], object]) -> float:
    """How many seconds of slow answers it took until a condition of HighResponseTime came true."""
    enough = threading.Event()

    def go_on() -> None:
        while not enough.is_set():
            faults.slow(stage.traffic)

    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(POOL - 1)]
    for thread in threads:
        thread.start()
    try:
        return waited(condition, "HighResponseTime, while reports are slow")
    finally:
        enough.set()
        for thread in threads:
            thread.join(10)


def outage(stage: Stage, console: Console, fired: dict[str, float]) -> None:
    """The application ends: the pager is told, and what follows from it is not told again."""
    with console.status("slow reports"):
        while_slow(stage, lambda: "HighResponseTime" in stage.prometheus.alerts())
    began = time.monotonic()
    stage.stop_application()
    waited(lambda: any("APIDown" in str(event) or "unreachable" in str(event) for event in stage.pager.events), "paged")
    paged = time.monotonic() - began
    waited(lambda: "APIDown" in stage.inhibitors("HighResponseTime"), "APIDown silences HighResponseTime")
    waited(lambda: stage.told("APIDown"), "APIDown is told to Slack")
    fired["APIDown"] = time.monotonic() - began
    console.print(f"[dim]+{paged:6.2f} s[/]  the application ended, and PagerDuty was told of APIDown")
    silenced = time.monotonic() - began
    console.print(f"[dim]+{silenced:6.2f} s[/]  HighResponseTime still fires, and APIDown silences it\n")


def summary(fired: dict[str, float], console: Console) -> None:
    """All eight."""
    table = Table(title="the guide's eight alerts, each told to Slack", title_justify="left", box=None, pad_edge=False)
    for name in ("alert", "provoked by", "after"):
        table.add_column(name, justify="right" if name == "after" else "left")
    for name, cause in ALERTS.items():
        after = "see above" if not fired[name] else f"{fired[name]:.1f} s"
        table.add_row(f"[green]✓[/] {name}", f"[dim]{cause}[/]", after)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
