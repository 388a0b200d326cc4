"""`python -m deploy.story`: from a failed login to Slack, from an outage to the pager, and all eight alerts.

Pulls nothing from a container registry. Exit code 0 if every alert arrived; it ends automatically.
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
    "LowCacheHitRate": "patients that are not in the cache",
    "CeleryQueueBacklog": "150 tasks, and no worker",
    "HighMemoryUsage": "a stand-in for the node's exporter",
    "APIDown": "the application stopped",
}
"""The eight alerts of the guide, with their triggers here."""
BARS_A_SECOND = 8


def main() -> int:
    """Run the story; 1 if an alert did not arrive."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # otherwise servers would keep running
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]From a failed login to the alert in Slack[/], and seven more alerts.\n")
    try:
        with tempfile.TemporaryDirectory(prefix="shipper-story-") as folder:
            arrived = run_story(Path(folder), console)
    except Unavailable as error:
        console.print(f"[red]not available:[/] {escape(str(error))}")
        console.print("  run it as root on Debian, which installs missing packages, or install them yourself")
        return 1
    except (TooLate, KeyboardInterrupt) as error:
        console.print(f"[red]stopped:[/] {escape(str(error)) or 'interrupted'}")
        return 1
    missing = sorted(set(ALERTS) - arrived)
    console.print(f"\n[bold]{len(arrived)} of {len(ALERTS)} alerts arrived.[/] {', '.join(missing)}")
    return 1 if missing else 0


def run_story(folder: Path, console: Console) -> set[str]:
    """Run all scenes, and return the names of the alerts that reached Slack. Raises Unavailable, TooLate."""
    with ExitStack() as running:
        with console.status("starting servers"):
            stage = running.enter_context(Stage(folder))
        introduce(stage, console)
        with scenes.background_traffic(stage):
            failed_login(stage, console)
            look_up(stage, console)
            arrived = {LOGINS, *other_alerts(stage, console)}
        console.print("\n[bold]The application stops while it is slow[/]\n")
        timeline(scenes.outage(stage), console)
        return arrived | {"APIDown"}


def introduce(stage: Stage, console: Console) -> None:
    """Print the servers that run, and the differences from production."""
    behind = "PostgreSQL and Redis" if stage.behind.environment else "all its data in memory"
    console.print(f"[green]●[/] the application runs as {stage.application.where}, with {behind}")
    for why in (stage.why_no_container, stage.behind.why_in_memory):
        if why:
            console.print(f"  [yellow]{escape(why.splitlines()[0])}[/]")
    console.print(f"[green]●[/] shipper follows {escape(stage.application.logs)}")
    console.print(f"[green]●[/] Prometheus {stage.prometheus.url}, Alertmanager {stage.alertmanager.url}")
    console.print("  [dim]the shipped rules without those of the SLOs; `for: 1s`, evaluated four times a second[/]\n")


def failed_login(stage: Stage, console: Console) -> None:
    """Exceed the limit of failed logins, print each step, and the message in Slack."""
    with console.status("waiting until Prometheus has enough samples"):
        scenes.logins_up_to_the_limit(stage)
    console.print(f"{LIMIT} wrong passwords: Prometheus has counted them, and no alert fires.")
    console.print("[bold]One more wrong password[/]\n")
    timeline(scenes.login_beyond_the_limit(stage), console)
    message = stage.slack_message(LOGINS) or {}
    console.print(f"\n  [bold]{escape(message.get('title', ''))}[/]")
    for line in message.get("text", "").strip().splitlines():
        console.print(f"  {escape(line.strip())}")


def timeline(steps: Iterable[Step], console: Console) -> None:
    """Print each step as it happens, with its duration in seconds and a bar."""
    before = 0.0
    for step in steps:
        took, before = step.at - before, step.at
        bar = "▇" * round(took * BARS_A_SECOND)
        console.print(f"  [dim]+{step.at:6.2f} s[/]  {step.what:<56} [bold]{took:5.2f} s[/] [cyan]{bar}[/]")


def look_up(stage: Stage, console: Console) -> None:
    """Search for the same login by its correlation id."""
    waited(lambda: stage.search(FOLLOWED, "--format", "json").returncode == 0, f"{FOLLOWED} is found")
    console.print(f"\n[bold]$ shipper search {FOLLOWED}[/]\n")
    console.print(escape(stage.search(FOLLOWED).stdout))


def other_alerts(stage: Stage, console: Console) -> set[str]:
    """Trigger the remaining alerts, and print each as it reaches Slack."""
    console.print("[bold]The other alerts, each triggered and sent to Slack[/]\n")
    arrived = set()
    for step in scenes.other_alerts(stage):
        arrived.add(step.what)
        console.print(f"  [green]✓[/] {step.what:<32} [dim]{ALERTS[step.what]:<36}[/] {step.at:5.1f} s")
    if not stage.behind.environment:
        for name in sorted(IN_SERVERS):
            console.print(f"  [yellow]-[/] {name:<32} [dim]needs PostgreSQL and Redis[/]")
    return arrived


if __name__ == "__main__":
    sys.exit(main())
