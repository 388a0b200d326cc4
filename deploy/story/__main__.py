"""`python -m deploy.story`: a refused login on its way to Slack, an outage on its way to the pager, all eight alerts.

Nothing is pulled from a container registry. Exit code 0 where everything arrived; it ends by itself.
"""

import signal
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.services.unavailable import Unavailable
from deploy.story import scenes
from deploy.story.scenes import FOLLOWED, IN_SERVERS, LIMIT, LOGINS, Step
from deploy.story.stage import Stage, TooLate, waited

ALERTS = {
    LOGINS: "wrong passwords",
    "HighResponseTime": "slow reports",
    "HighErrorRate": "failing requests",
    "DatabaseConnectionPoolExhausted": "every connection of the pool held",
    "LowCacheHitRate": "patients that nobody has read before",
    "CeleryQueueBacklog": "150 tasks, and no worker",
    "HighMemoryUsage": "a stand-in for the node's exporter",
    "APIDown": "the application stopped",
}
"""The guide's eight, and what provokes each here."""
BARS_A_SECOND = 8


def main() -> int:
    """Tell the story; 1 where something did not arrive."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or servers would stay behind
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]From a refused login to the message that somebody gets[/], and seven more alerts.\n")
    try:
        with tempfile.TemporaryDirectory(prefix="shipper-story-") as folder:
            arrived = told_of(Path(folder), console)
    except Unavailable as error:
        console.print(f"[red]not here:[/] {escape(str(error))}")
        console.print("  run it as root on Debian, which installs what is missing, or install it yourself")
        return 1
    except (TooLate, KeyboardInterrupt) as error:
        console.print(f"[red]stopped:[/] {escape(str(error)) or 'interrupted'}")
        return 1
    missing = sorted(set(ALERTS) - arrived)
    console.print(f"\n[bold]{len(arrived)} of {len(ALERTS)} alerts arrived.[/] {', '.join(missing)}")
    return 1 if missing else 0


def told_of(folder: Path, console: Console) -> set[str]:
    """The names of the alerts that Slack heard of. Raises Unavailable, TooLate."""
    with ExitStack() as running:
        with console.status("starting servers"):
            stage = running.enter_context(Stage(folder))
        introduce(stage, console)
        with scenes.people_at_work(stage):
            refused_login(stage, console)
            look_up(stage, console)
            arrived = {LOGINS, *other_alerts(stage, console)}
        console.print("\n[bold]The application ends while it is slow[/]\n")
        timeline(scenes.outage(stage), console)
        return arrived | {"APIDown"}


def introduce(stage: Stage, console: Console) -> None:
    """Who takes part, and what is not as it would be elsewhere."""
    behind = "PostgreSQL and Redis" if stage.behind.given else "all its data in memory"
    console.print(f"[green]●[/] the application runs as {stage.application.where}, with {behind}")
    for why in (stage.why_no_container, stage.behind.why_in_memory):
        if why:
            console.print(f"  [yellow]{escape(why.splitlines()[0])}[/]")
    console.print(f"[green]●[/] shipper follows {escape(stage.application.logs)}")
    console.print(f"[green]●[/] Prometheus {stage.prometheus.url}, Alertmanager {stage.alertmanager.url}")
    console.print("  [dim]the shipped rules without those of the SLOs; `for: 1s`, evaluated four times a second[/]\n")


def refused_login(stage: Stage, console: Console) -> None:
    """One refused login too many, step by step, and what Slack shows of it."""
    with console.status("waiting until Prometheus has seen a while of peace"):
        scenes.as_many_as_may(stage)
    console.print(f"{LIMIT} wrong passwords: Prometheus has seen them, and nobody is told.")
    console.print("[bold]One wrong password too many[/]\n")
    timeline(scenes.one_too_many(stage), console)
    message = stage.told(LOGINS) or {}
    console.print(f"\n  [bold]{escape(message.get('title', ''))}[/]")
    for line in message.get("text", "").strip().splitlines():
        console.print(f"  {escape(line.strip())}")


def timeline(steps: Iterable[Step], console: Console) -> None:
    """Each step as it comes, with the seconds that it took and a bar of them."""
    before = 0.0
    for step in steps:
        took, before = step.at - before, step.at
        bar = "▇" * round(took * BARS_A_SECOND)
        console.print(f"  [dim]+{step.at:6.2f} s[/]  {step.what:<56} [bold]{took:5.2f} s[/] [cyan]{bar}[/]")


def look_up(stage: Stage, console: Console) -> None:
    """The same login, by its correlation id, as a person would who was told."""
    waited(lambda: stage.search(FOLLOWED, "--format", "json").returncode == 0, f"{FOLLOWED} is found")
    console.print(f"\n[bold]$ shipper search {FOLLOWED}[/]\n")
    console.print(escape(stage.search(FOLLOWED).stdout))


def other_alerts(stage: Stage, console: Console) -> set[str]:
    """Provoke what is left, and name each as Slack hears of it."""
    console.print("[bold]The other alerts, each provoked, each told to Slack[/]\n")
    arrived = set()
    for step in scenes.other_alerts(stage):
        arrived.add(step.what)
        console.print(f"  [green]✓[/] {step.what:<32} [dim]{ALERTS[step.what]:<36}[/] {step.at:5.1f} s")
    if not stage.behind.given:
        for name in sorted(IN_SERVERS):
            console.print(f"  [yellow]-[/] {name:<32} [dim]needs PostgreSQL and Redis[/]")
    return arrived


if __name__ == "__main__":
    sys.exit(main())
