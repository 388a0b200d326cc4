"""`python -m deploy.demo`: application, traffic, agent, counters and a look at one failure; ends by itself."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.demo import engine
from deploy.demo.samples import Samples, scrape, total
from deploy.traffic.visits import Traffic

FOLDER = Path("demo-data")
TRAFFIC_S = 14.0
PATIENCE_S = 30.0
PAUSE_S = 0.01
"""Between visits: a brisk day, not a benchmark."""
SEED = 7
COUNTERS = {
    "logins refused": ("logins", "failure", "failed_login_attempts_total", {}),
    "logins accepted": ("logins", "success", "login_attempts_total", {"outcome": "success"}),
    "patients created": ("patients", "create", "patient_operations_total", {"operation": "create"}),
    "patients updated": ("patients", "update", "patient_operations_total", {"operation": "update"}),
    "patients deleted": ("patients", "delete", "patient_operations_total", {"operation": "delete"}),
    "appointments scheduled": ("appointments", "scheduled", "appointment_bookings_total", {"status": "scheduled"}),
    "appointments completed": ("appointments", "completed", "appointment_bookings_total", {"status": "completed"}),
    "appointments cancelled": ("appointments", "cancelled", "appointment_bookings_total", {"status": "cancelled"}),
    "prescriptions created": ("prescriptions", None, "prescription_created_total", {}),
}
"""What happened: its kind and part in the truth, and the counter that must say the same."""


def main() -> int:
    """Run the demo; 0 where the counters match the truth and the failure was found."""
    console = Console(highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    app_port, agent_port = free_port(8000), free_port(9108)
    console.print("[bold]shipper[/] follows the logs of a small healthcare backend for about half a minute.\n")
    application, why_not = engine.start(app_port, (FOLDER / "containers").absolute())
    console.print(f"[green]●[/] the backend runs as {application.where}" + (f" [dim]({why_not})[/]" if why_not else ""))
    agent: subprocess.Popen[bytes] | None = None
    try:
        wait_for(f"http://127.0.0.1:{app_port}/health")
        agent = start_agent(application.logs, agent_port)
        metrics = f"http://127.0.0.1:{agent_port}/metrics"
        wait_for(f"http://127.0.0.1:{agent_port}/ready")
        console.print(f"[green]●[/] the agent follows {application.logs}\n  and serves [bold]{metrics}[/]\n")
        traffic = Traffic(f"http://127.0.0.1:{app_port}", SEED)
        watch(traffic, metrics, console)
        matches = compare(traffic, metrics, console)
    except (KeyboardInterrupt, TimeoutError) as error:
        console.print(f"[red]stopped:[/] {error or 'interrupted'}")
        return 1
    finally:
        application.stop()
        if agent is not None:
            agent.terminate()
            agent.wait(30)
    found = look_up(traffic, console)
    farewell(metrics, traffic, console)
    return 0 if matches and found else 1


def start_agent(logs: str, port: int) -> "subprocess.Popen[bytes]":
    """The agent, as anyone would start it."""
    command = [sys.executable, "-m", "shipper", "run", "--input", logs, "--output", f"local:{FOLDER}/store"]
    command += ["--state-dir", f"{FOLDER}/state", "--listen", f"127.0.0.1:{port}"]
    with (FOLDER / "agent.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def watch(traffic: Traffic, metrics: str, console: Console) -> None:
    """Make traffic, and show rates and counters while it goes on."""
    until = time.monotonic() + TRAFFIC_S
    started, shown = time.monotonic(), 0.0
    with Live(console=console, refresh_per_second=4, transient=console.is_terminal) as live:
        while time.monotonic() < until:
            traffic.step()
            time.sleep(PAUSE_S)
            if time.monotonic() - shown > 0.5:  # noqa: PLR2004
                shown = time.monotonic()
                if console.is_terminal:
                    live.update(panel(traffic, scrape(metrics), time.monotonic() - started))
        live.update(panel(traffic, scrape(metrics), time.monotonic() - started))


def panel(traffic: Traffic, samples: Samples, seconds: float) -> Table:
    """Rates and totals, for the eye."""
    lines = total(samples, "shipper_lines_read_total", {})
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
    table.add_row("requests made", f"{traffic.sent:,}", f"[dim]{traffic.sent / seconds:,.0f} a second[/]")
    table.add_row("lines read", f"{lines:,.0f}", f"[dim]{lines / seconds:,.0f} a second[/]")
    for outcome in ("indexed", "quarantined"):
        number = total(samples, "shipper_events_total", {"outcome": outcome})
        table.add_row(f"events {outcome}", f"{number:,.0f}", "")
    table.add_row("failed logins", f"{total(samples, 'failed_login_attempts_total', {}):,.0f}", "")
    table.add_row("patients created", f"{total(samples, 'patient_operations_total', {'operation': 'create'}):,.0f}", "")
    table.add_row("bytes behind", f"{total(samples, 'shipper_lag_bytes', {}):,.0f}", "")
    return table


def compare(traffic: Traffic, metrics: str, console: Console) -> bool:
    """Wait until everything is counted, then put the counters beside the truth."""

    def counted() -> bool:
        samples = scrape(metrics)
        right = all(
            total(samples, name, labels) == traffic.truth.number(kind, part)
            for kind, part, name, labels in COUNTERS.values()
        )
        return right and total(samples, "shipper_lag_bytes", {}) == 0

    matches = waited(counted, PATIENCE_S)
    samples = scrape(metrics)
    table = Table(title="the truth and the counters", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("happened", justify="right")
    table.add_column("counted", justify="right")
    table.add_column("metric", overflow="fold")
    for what, (kind, part, name, labels) in COUNTERS.items():
        happened = traffic.truth.number(kind, part)
        number = total(samples, name, labels)
        style = "green" if number == happened else "bold red"
        shown = " ".join([name, *labels.values()])
        table.add_row(what, str(happened), f"[{style}]{number:.0f}[/]", f"[dim]{shown}[/]")
    console.print()
    console.print(table)
    return matches


def look_up(traffic: Traffic, console: Console) -> bool:
    """Find one failure by its correlation id, as a person at night would."""
    if not traffic.truth.failures:
        return True
    wanted = traffic.truth.failures[-1]
    console.print(f"\n[bold]$ shipper search {wanted}[/]\n")
    command = [sys.executable, "-m", "shipper", "search", wanted, "--output", f"local:{FOLDER}/store"]
    return subprocess.run(command, check=False).returncode == 0


def farewell(metrics: str, traffic: Traffic, console: Console) -> None:
    """What to do next."""
    store = f"--output local:{FOLDER}/store"
    console.print(f"\n[bold]Counters were at {metrics}[/]; the store stays in {FOLDER}/store. Go on with:\n")
    for command in (
        f"shipper search --event request_error {store}",
        f"shipper search --level error --text unit {store}",
        f"shipper quarantine list {store}",
    ):
        console.print(f"  .venv/bin/{command}")
    console.print(f"\n[dim]{traffic.sent:,} requests with seed {SEED}; `make demo` runs it again.[/]")


def wait_for(url: str) -> None:
    """Until an address answers 200. Raises TimeoutError."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004
        except (urllib.error.URLError, OSError):
            return False

    if not waited(answers, PATIENCE_S):
        raise TimeoutError(f"{url} did not answer within {PATIENCE_S:.0f} s; see {FOLDER}/agent.log")


def waited(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition came true within the time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def free_port(wanted: int) -> int:
    """The wanted port, or the next one that is free."""
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
