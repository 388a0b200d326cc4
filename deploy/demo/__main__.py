"""`python -m deploy.demo`: application, traffic, agent, counters and the search for one failure; ends automatically."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from deploy.demo import engine
from deploy.demo.samples import Samples, scrape, total
from deploy.services.waiting import waited
from deploy.traffic.visits import Traffic
from shipper.system.version import NATIVE_COST, native_installed

FOLDER = Path("demo-data")
CONFIGURATION = FOLDER / "shipper.yaml"
TRAFFIC_S = 8.0
TIMEOUT_S = 60.0
PAUSE_S = 0.01
"""Pause between visits: a busy day, not a benchmark."""
SHOWN_EVERY_S = 0.25
SEED = 7
COUNTERS = {
    "failed logins": ("logins", "failure", "failed_login_attempts_total", {}),
    "successful logins": ("logins", "success", "login_attempts_total", {"outcome": "success"}),
    "patients created": ("patients", "create", "patient_operations_total", {"operation": "create"}),
    "patients updated": ("patients", "update", "patient_operations_total", {"operation": "update"}),
    "patients deleted": ("patients", "delete", "patient_operations_total", {"operation": "delete"}),
    "appointments scheduled": ("appointments", "scheduled", "appointment_bookings_total", {"status": "scheduled"}),
    "appointments completed": ("appointments", "completed", "appointment_bookings_total", {"status": "completed"}),
    "appointments cancelled": ("appointments", "cancelled", "appointment_bookings_total", {"status": "cancelled"}),
    "prescriptions created": ("prescriptions", None, "prescription_created_total", {}),
}
"""By topic: kind and part in the truth file, and the counter that must agree."""
NEXT = (
    ("shipper search --event login_failed --limit 5", "failed logins"),
    ("shipper search --level error --limit 5", "errors, with their stack traces"),
    ("shipper quarantine list --entries", "rejected entries one by one, with their ids"),
    ("shipper check", "share of each log that would be rejected, and where its fields come from"),
    ("shipper explain demo-data/sample.log", "how each line is parsed, validated, counted and stored"),
    ("shipper run", "start the agent again; it continues where it stopped"),
)
"""Commands to try afterwards, with their purpose."""


def main() -> int:
    """Run the demo; exit code 0 if the counters match the truth and the failure was found."""
    console = Console(highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    app_port, agent_port = free_port(8000), free_port(9108)
    console.print(
        "\n[bold]shipper[/] [dim]· a healthcare backend, its logs, counters and search · about 15 seconds[/]\n"
    )
    application, why_not = engine.start(app_port, (FOLDER / "containers").absolute())
    agent: subprocess.Popen[bytes] | None = None
    try:
        wait_for(f"http://127.0.0.1:{app_port}/health")
        step(console, "backend", f"http://127.0.0.1:{app_port}, {application.where}")
        if why_not:
            step(console, "", f"[dim]not in a container: {why_not.partition('. ')[0]}[/]", mark=" ")
        agent = start_agent(application.logs, agent_port)
        metrics = f"http://127.0.0.1:{agent_port}/metrics"
        wait_for(f"http://127.0.0.1:{agent_port}/ready")
        step(console, "shipper", "follows its log; validates, counts and stores every event")
        path = "native" if native_installed() else f"Python, since cargo was not on the PATH: {NATIVE_COST}"
        step(console, "path", path)
        step(console, "metrics", metrics)
        traffic = Traffic(f"http://127.0.0.1:{app_port}", SEED)
        watch(traffic, metrics, console)
        wanted = traffic.episode()
        matches = compare(traffic, metrics, console)
    except (KeyboardInterrupt, TimeoutError) as error:
        console.print(f"[red]stopped:[/] {error or 'interrupted'}")
        return 1
    finally:
        application.stop()
        if agent is not None:
            agent.terminate()
            agent.wait(30)
    failure_shown = look_up(wanted, console)
    show_quarantine(console)
    print_next_steps(console)
    return 0 if matches and failure_shown else 1


def step(console: Console, what: str, how: str, *, mark: str = "[green]✓[/]") -> None:
    """Print a completed step."""
    console.print(f"  {mark} {what:<10}{how}", soft_wrap=True)


def heading(console: Console, text: str) -> None:
    """Print the heading of a section."""
    console.print()
    console.print(Rule(f"[bold]{text}[/]", align="left", style="dim", characters="─"))
    console.print()


def start_agent(logs: str, port: int) -> "subprocess.Popen[bytes]":
    """Start the agent with a configuration file that later commands use too."""
    CONFIGURATION.write_text(
        f"inputs:\n  - {logs}\noutput: local:{FOLDER}/store\nstate_dir: {FOLDER}/state\nlisten: 127.0.0.1:{port}\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "shipper", "run", "--config", str(CONFIGURATION)]
    with (FOLDER / "agent.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def watch(traffic: Traffic, metrics: str, console: Console) -> None:
    """Generate traffic, and show rates and counters meanwhile."""
    heading(console, "traffic")
    until = time.monotonic() + TRAFFIC_S
    started, shown = time.monotonic(), 0.0
    with Live(console=console, refresh_per_second=8, transient=False) as live:
        while time.monotonic() < until:
            traffic.step()
            time.sleep(PAUSE_S)
            if console.is_terminal and time.monotonic() - shown > SHOWN_EVERY_S:
                shown = time.monotonic()
                live.update(Group(panel(traffic, scrape(metrics), shown - started), progress(shown - started)))
        live.update(panel(traffic, scrape(metrics), time.monotonic() - started))


def progress(seconds: float) -> Padding:
    """A progress bar of the traffic."""
    bar = ProgressBar(total=TRAFFIC_S, completed=min(seconds, TRAFFIC_S), width=40, complete_style="green")
    return Padding(bar, (1, 0, 0, 2))


def panel(traffic: Traffic, samples: Samples, seconds: float) -> Padding:
    """A table of rates and totals."""
    lines = total(samples, "shipper_lines_read_total", {})
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold")
    table.add_row("requests sent", f"{traffic.sent:,}", f"[dim]{traffic.sent / seconds:,.0f} a second[/]")
    table.add_row("lines read", f"{lines:,.0f}", f"[dim]{lines / seconds:,.0f} a second[/]")
    for outcome, meaning in (("indexed", "stored once each"), ("quarantined", "rejected, kept with the reason")):
        number = total(samples, "shipper_events_total", {"outcome": outcome})
        table.add_row(f"events {outcome}", f"{number:,.0f}", f"[dim]{meaning}[/]")
    table.add_row("bytes behind", f"{total(samples, 'shipper_lag_bytes', {}):,.0f}", "")
    return Padding(table, (0, 0, 0, 2))


def compare(traffic: Traffic, metrics: str, console: Console) -> bool:
    """Wait until everything is counted, then compare the counters with the truth; True if they match."""

    def counted() -> bool:
        samples = scrape(metrics)
        right = all(
            total(samples, name, labels) == traffic.truth.number(kind, part)
            for kind, part, name, labels in COUNTERS.values()
        )
        return right and total(samples, "shipper_lag_bytes", {}) == 0

    matches = waited(counted, TIMEOUT_S)
    console.print()
    heading(console, "actual events, and events counted from the log")
    console.print(Padding(comparison(traffic, scrape(metrics)), (0, 0, 0, 2)))
    return matches


def comparison(traffic: Traffic, samples: Samples) -> Table:
    """A table of each true count and its counter."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("happened", justify="right")
    table.add_column("counted", justify="right")
    table.add_column("")
    table.add_column("metric", overflow="fold", style="dim")
    for what, (kind, part, name, labels) in COUNTERS.items():
        happened, number = traffic.truth.number(kind, part), total(samples, name, labels)
        mark = "[green]✓[/]" if number == happened else "[bold red]✗[/]"
        table.add_row(what, f"{happened:,}", f"[bold]{number:,.0f}[/]", mark, " ".join([name, *labels.values()]))
    return table


def look_up(wanted: str, console: Console) -> bool:
    """Search for one failed visit by its correlation id; True if it is found."""
    heading(console, "one visit failed: all its entries, by correlation id")
    console.print(f"  [bold cyan]$ shipper search {wanted}[/]\n")
    sample(wanted)
    command = [sys.executable, "-m", "shipper", "search", wanted, "--config", str(CONFIGURATION)]
    return subprocess.run(command, check=False).returncode == 0


def show_quarantine(console: Console) -> None:
    """Show the rejected entries by reason, and the configuration that admits them."""
    heading(console, "rejected entries, by reason, service and event")
    console.print("  [bold cyan]$ shipper quarantine list[/]\n")
    command = [sys.executable, "-m", "shipper", "quarantine", "list", "--config", str(CONFIGURATION)]
    subprocess.run(command, check=False)


def sample(wanted: str) -> None:
    """Save the lines of that visit, as the runtime wrote them, for `shipper explain`."""
    logs = sorted(FOLDER.glob("containers/*/*-json.log*"), key=os.path.getmtime)
    lines = [line for log in logs for line in log.read_bytes().splitlines(keepends=True) if wanted.encode() in line]
    (FOLDER / "sample.log").write_bytes(b"".join(lines[:3]))


def print_next_steps(console: Console) -> None:
    """Print the next steps."""
    heading(console, "next steps")
    console.print(f'  export PATH="$PWD/.venv/bin:$PATH" SHIPPER_CONFIG={CONFIGURATION}\n', soft_wrap=True)
    width = max(len(command) for command, _ in NEXT)
    for command, what in NEXT:
        console.print(Text.assemble("  ", (f"{command:<{width}}", "bold"), (f"   {what}", "dim")), soft_wrap=True)
    console.print(
        "\n  [dim]Your own containers in five minutes: docs/start.md. No process is left running.[/]\n", soft_wrap=True
    )


def wait_for(url: str) -> None:
    """Wait until a URL answers 200. Raises TimeoutError."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004
        except (urllib.error.URLError, OSError):
            return False

    if not waited(answers, TIMEOUT_S):
        raise TimeoutError(f"{url} did not respond within {TIMEOUT_S:.0f} s; see {FOLDER}/agent.log")


def free_port(wanted: int) -> int:
    """The first free port from `wanted` on. Raises TimeoutError."""
    for port in range(wanted, wanted + 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise TimeoutError(f"no free port from {wanted} on")


if __name__ == "__main__":
    sys.exit(main())
