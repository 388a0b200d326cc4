"""`shipper top`: rates between two samples, from HTTP or the state, on any screen and for programs."""

import io
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from shipper.agent.agent import Agent
from shipper.agent.agent_status import AgentPublisher
from shipper.bootstrap import build_agent, build_pipeline
from shipper.cli.commands.top import unavailable, view
from shipper.cli.status_sample import Key, Sample, compared, take
from shipper.config.settings import Settings
from shipper.presentation.format import short, size
from shipper.system.clock import Clock
from shipper.system.errors import ShipperError
from shipper.web.server import serve
from tests.hazards.rig import docker_line


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Yield an agent on a folder; the test calls its turns."""
    settings = Settings.model_validate({
        "inputs": [f"docker:{tmp_path}/*.log"], "output": f"local:{tmp_path}/store", "state_dir": tmp_path / "state",
        "tail": {"scan_interval": "1ms", "batch_age": 0},
    })  # fmt: skip
    built = build_agent.agent(settings, Clock())
    yield built
    built.close()


def log_in(folder: Path, number: int) -> None:
    """Write failed logins."""
    with (folder / "app.log").open("ab") as file:
        for serial in range(number):
            entry = {"correlation_id": f"c-{serial}", "event": "login_failed"}
            file.write(docker_line(json.dumps(entry) + "\n", at=serial))


def sampled(settings: Settings) -> Sample:
    """Take a sample."""
    return take(settings, {metric.name: metric.labels for metric in build_pipeline.saved_metrics(settings)})


@pytest.mark.parametrize("source", ["agent", "state"])
def test_rates_and_counters_are_those_of_the_agent(agent: Agent, tmp_path: Path, source: str) -> None:
    """From /metrics and /status, or from the last commit in the state directory."""
    vitals = AgentPublisher(agent, "local", interval_s=0.0)
    agent.after_turn = vitals.publish
    with serve("127.0.0.1:0" if source == "agent" else "off", vitals, None) as address:
        listen = "off" if address is None else address.removeprefix("http://")
        settings = Settings(listen=listen, state_dir=tmp_path / "state")
        agent.run_once()
        before = sampled(settings)
        log_in(tmp_path, 30)
        agent.run_once()
        now = sampled(settings)
    report = compared(before, now)
    assert report["from"] == source
    assert report["totals"] == {
        "lines": 30, "events": {"dropped": 0, "duplicate": 0, "indexed": 30, "quarantined": 0},
    }  # fmt: skip
    assert report["rates"]["lines"] == pytest.approx(30 / (now.at - before.at), abs=0.01)
    (first, *_) = report["counters"]
    assert (first["name"], first["labels"], first["value"]) == ("failed_login_attempts_total", {"service": "app"}, 30)
    assert [log["path"] for log in report["logs"]] == [str(tmp_path / "app.log")]
    assert not any(counter["name"].startswith(("shipper_", "process_")) for counter in report["counters"])


def test_no_running_agent_is_an_error(tmp_path: Path) -> None:
    """Also if an earlier agent left its state."""
    settings = Settings(listen="off", state_dir=tmp_path / "state")
    with pytest.raises(ShipperError, match="no agent answers, and none uses") as caught:
        sampled(settings)
    assert "shipper run" in caught.value.hint
    build_agent.agent(settings.model_copy(update={"output": f"local:{tmp_path}/store"}), Clock()).close()
    with pytest.raises(ShipperError, match="no agent answers"):
        sampled(settings)


def sample(at: float, lines: float, **status: Any) -> Sample:
    """Return a sample of a busy agent with awkward names."""
    series = {
        Key("shipper_lines_read_total"): lines,
        Key("shipper_bytes_read_total"): lines * 100,
        Key("shipper_events_total", (("outcome", "indexed"),)): lines,
        Key("shipper_events_total", (("outcome", "quarantined"),)): 0,
        Key("shipper_lag_seconds", (("output", "local"),)): 75.0,
        Key("shipper_output_request_duration_seconds_sum"): 2.0,
        Key("shipper_output_request_duration_seconds_count"): 100,
        Key("shipper_output_requests_total", (("result", "ok"),)): 100,
        Key("shipper_output_retries_total"): 3,
        Key("process_resident_memory_bytes"): 50 * 2**20,
        **{Key("medications_total", (("name", f"薬{number}"),)): lines + number for number in range(30)},
    }
    logs = [
        {"path": f"/var/log/{number}.log", "container": f"バックエンド-{number}\x1b[2J", "size": int(lines) + number,
         "counted": 1, "shipped": 1, "lag_bytes": 1000 * number, "lag_seconds": 1.5}
        for number in range(40)
    ]  # fmt: skip
    report = {"running": True, "logs": logs, "state": {"directory": "s", "error": None},
             "output": {"url": "http://es:9200", "error": None}, "unreadable": {"/x": "denied"}, **status}  # fmt: skip
    return Sample(at, "agent", "127.0.0.1:9108", report, series)


def drawn(width: int, height: int | None, **status: Any) -> list[str]:
    """Return the lines of the screen."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True, highlight=False)
    console.print(view(compared(sample(1.0, 1000), sample(3.0, 2_000_000, **status)), width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(40, 30), (80, 24), (200, 60), (80, None)])
def test_it_fits_the_screen(width: int, height: int | None) -> None:
    """On phones too: lines fit, numbers are whole, wide names are cut, hostile ones escaped."""
    lines = drawn(width, height)
    assert max(map(cell_len, lines)) <= width
    assert height is None or len(lines) <= height + (4 if width < 60 else 0)
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "999.5k lines/s" in text
    assert "2,000,029" in text
    assert "38.1 KiB" in text
    assert "バック" in text


def test_problems_are_on_the_screen() -> None:
    """An unavailable output, an invalid configuration, an unreadable log."""
    configuration = {"file": "shipper.yaml", "loaded_at": "2026-11-23T10:00:00.000Z", "error": "counters: bad",
                     "waiting": False, "restart_needed": []}  # fmt: skip
    text = "\n".join(drawn(120, 40, output={"url": "http://es:9200", "error": "refused"}, configuration=configuration))
    for part in (
        "unavailable: refused",
        "invalid now: counters: bad",
        "cannot read /x: denied",
        "3 retries",
        "20.0 ms per batch",
    ):
        assert part in text


def test_the_lag_of_an_indexer_is_messages() -> None:
    """On the screen and for programs; the largest lag comes first."""
    logs = [{"path": f"kafka://logs/{number}", "size": 9000, "counted": 9000 - behind, "shipped": 9000 - behind,
             "lag_bytes": None, "lag_messages": behind} for number, behind in enumerate((0, 1200))]  # fmt: skip
    report = compared(sample(1.0, 0), sample(3.0, 0, logs=logs))
    assert report["lag"] == {"bytes": None, "messages": 1200, "seconds": 75.0}
    assert [log["path"] for log in report["logs"]] == ["kafka://logs/1", "kafka://logs/0"]
    text = "\n".join(drawn(120, None, logs=logs))
    assert "lag      1,200 messages, 75.0 s" in text
    assert "KiB" not in text.partition("counted")[2]


def test_column_heads_are_not_cut() -> None:
    """A narrow screen cuts names, not heads."""
    report = compared(sample(1.0, 0), Sample(3.0, "agent", "x", {"logs": [], "output": None},
                                             {Key("failed_login_attempts_total", (("service", "backend"),)): 128}))  # fmt: skip
    console = Console(file=io.StringIO(), width=40, color_system=None, force_terminal=True, highlight=False)
    console.print(view(report, 40, 24))
    assert isinstance(console.file, io.StringIO)
    assert "total" in console.file.getvalue()


def test_an_unavailable_output_is_shown_with_its_error() -> None:
    """As in `shipper status`."""
    text = "\n".join(drawn(120, None, output={"url": "http://es:9200", "error": "it cannot be reached"}))
    assert "output   http://es:9200 unavailable: it cannot be reached, 20.0 ms per batch" in text


def test_the_time_of_an_outage_is_in_utc() -> None:
    """Like all times, in any time zone of the terminal."""
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(unavailable(ShipperError("no agent answers", "start one")))
    assert isinstance(console.file, io.StringIO)
    assert re.match(r"\d\d:\d\d:\d\d UTC no agent answers\n", console.file.getvalue())


def test_a_value_missing_in_the_state_is_explained() -> None:
    """Such as the URL of the output."""
    assert "output   shown only by the agent's HTTP server, 20.0 ms per batch" in "\n".join(
        drawn(120, None, output={"url": None, "error": None})
    )


def test_it_waits_for_an_agent_that_ended() -> None:
    """With a hint."""
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(unavailable(ShipperError("no agent answers", "start one")))
    assert isinstance(console.file, io.StringIO)
    assert "no agent answers\nstart one\nwaiting for an agent" in console.file.getvalue()


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.44, "0.4"), (12.5, "12.5"), (980, "980"), (9999, "9,999"), (12_300, "12.3k"), (4_500_000, "4.5M"),
     (7e9, "7.0G")],
)  # fmt: skip
def test_numbers_are_short(number: float, text: str) -> None:
    """Six characters at most."""
    assert short(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1024**2 - 1, "1.0 MiB"),
                         (5 * 2**40, "5.0 TiB")],
)  # fmt: skip
def test_sizes_are_short(number: float | None, text: str) -> None:
    """In binary units."""
    assert size(number) == text


def test_json_is_one_object(agent: Agent, tmp_path: Path, shipper: Any) -> None:
    """`--once --format json` prints one indented object."""
    turning = threading.Event()

    def turn() -> None:
        while not turning.is_set():
            agent.turn()
            time.sleep(0.01)

    thread = threading.Thread(target=turn)
    publisher = AgentPublisher(agent, "local")
    agent.after_turn = publisher.publish
    log_in(tmp_path, 3)
    thread.start()
    try:
        with serve("127.0.0.1:0", publisher, None) as address:
            assert address is not None
            listen = address.removeprefix("http://")
            code, out, err = shipper("top", "--once", "--interval", "0.2", "--format", "json", "--listen", listen)
    finally:
        turning.set()
        thread.join()
    assert (code, err) == (0, "")
    report, _ = json.JSONDecoder().raw_decode(out[out.index("{\n") :])  # after the agent's own log
    assert report["running"] is True
