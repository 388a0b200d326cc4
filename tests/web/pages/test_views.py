"""Views before rendering: rows, timelines, charts, the state of an agent."""

import json
import threading

import pytest

from shipper.metrics.snapshot import Snapshot
from shipper.web.pages.chart import chart
from shipper.web.pages.event_rows import MOST_LINES, MOST_TEXT, json_of, row
from shipper.web.pages.overview import overview
from shipper.web.pages.quarantine_view import quarantined_entry, search_command, store_options
from shipper.web.pages.rate_sampler import RateSampler
from shipper.web.pages.timeline_view import timeline_view
from tests.web.pages.rig import FakeAgent, StillClock, event, quarantined

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\u200b\u2066\x7f"
DECEIVING = set("\x1b\x07\x9b\u202e\u200b\u2066\x7f")


def test_a_row_has_source_summary_and_duration() -> None:
    """And a link to the timeline of its request."""
    row_view = row(event(1.2, "index_failed", level="error", status_code=503, duration_ms=45.2, error_type="E",
                      error_message="no\nmore", exception="Trace\n\tat x"))  # fmt: skip
    assert (row_view.clock, row_view.level, row_view.origin, row_view.event) == (
        "10:00:01.200",
        "error",
        "backend",
        "index_failed",
    )
    assert (row_view.status, row_view.status_grade, row_view.took, row_view.what) == ("503", "server", "45ms", "E: no")
    assert row_view.timeline == "timeline?id=visit-1"
    assert row(event(1, "x", correlation_id=None, trace_id="4bf92f")).timeline == "timeline?id=4bf92f"
    assert row_view.wrong
    assert row_view.trace == "more\nTrace\n    at x"
    assert row_view.trace_lines == 3


def test_a_row_is_bounded() -> None:
    """A page of the longest entries still works."""
    row_view = row(event(1, "e" * 5000, message="m" * 10**6, exception="\n".join(["x" * 50] * 5000)))
    assert len(row_view.event) == 80
    assert len(row_view.what) == 400
    assert row_view.trace_lines == 5000
    assert len(row_view.trace.split("\n")) == MOST_LINES + 1
    assert len(row_view.json) <= MOST_TEXT


@pytest.mark.parametrize("odd", [None, 7, True, [], {}, "", HOSTILE])
def test_a_row_accepts_any_value_in_any_field(odd: object) -> None:
    """A store may contain documents of other writers."""
    names = ("@timestamp", "level", "event", "correlation_id", "service", "container", "status_code", "duration_ms",
             "message", "error_message", "exception", "log", "method")  # fmt: skip
    row_view = row({**dict.fromkeys(names, odd), "_id": "0" * 40})
    shown = "".join(str(value) for name, value in row_view._asdict().items() if name not in ("trace", "json"))
    assert not set(shown) & DECEIVING


def test_json_is_exact_and_cannot_deceive() -> None:
    """Characters that reorder or hide text become JSON escapes, and parse back unchanged."""
    body = {"message": HOSTILE, "name": "Müller"}
    text = json_of(body)
    assert json.loads(text) == body
    assert text.isascii()
    assert "Müller" in json_of({"name": "Müller"})


def test_a_timeline_has_a_lane_for_each_container_and_shows_its_gaps() -> None:
    """Bars end at the time of the entry and are as long as the duration; an entry without one is a point."""
    view = timeline_view(
        [
            event(1, "request_start", service={"name": "gateway"}),
            event(1.04, "agent_created", duration_ms=40.0),
            event(2, "index_failed", level="error", duration_ms=500.0, service={"name": "worker"}),
        ]
    )
    assert [lane.origin for lane in view.lanes] == ["gateway", "backend", "worker"]
    assert [(moment.bar.x, moment.bar.width) for moment in view.moments] == [
        ("0.0", "4.0"), ("0.0", "40.0"), ("500.0", "500.0"),
    ]  # fmt: skip
    assert [moment.gap for moment in view.moments] == ["", "", "960ms"]
    assert [moment.offset for moment in view.moments] == ["+0.000s", "+0.040s", "+1.000s"]
    assert view.ticks == ["0", "250ms", "500ms", "750ms", "1.00s"]
    assert view.verdict == "1 error at +1.000s in worker: index_failed"
    assert view.first_wrong == view.moments[2].row.anchor


def test_a_timeline_of_one_moment_works() -> None:
    """All bars start at the left edge."""
    view = timeline_view([event(1, "a"), event(1, "b")])
    assert [moment.bar.x for moment in view.moments] == ["0.0", "0.0"]
    assert view.ticks == []
    assert view.verdict == "No errors."


def test_the_number_of_lanes_is_bounded() -> None:
    """The first twelve services have lanes; all entries have rows."""
    view = timeline_view([event(place / 10, "x", service={"name": f"s{place}"}) for place in range(40)])
    assert (len(view.lanes), view.more_lanes, len(view.moments)) == (12, 28, 40)


def test_a_chart_ends_at_its_right_edge() -> None:
    """The newest value is now; the line of a new agent is short."""
    picture = chart([0, 5, 10], 301)
    assert picture.line == "298.0,48.0 299.0,25.5 300.0,3.0"
    assert (picture.now, picture.most, picture.values) == ("10", "10", "0 5 10")
    assert chart([], 300).line == chart([3.0], 300).line == ""
    assert "nan" not in chart([0.0] * 900, 300).line


def test_two_threads_that_sample_at_once_take_one_sample() -> None:
    """A page samples beside the server's loop; a rate between two almost simultaneous samples is meaningless."""
    agent, clock = FakeAgent(), StillClock()
    other = threading.Thread(target=lambda: sampler.sample())

    def take() -> Snapshot:
        if other.ident is None:
            other.start()
            other.join(0.2)
        return agent.metrics()

    sampler = RateSampler(take, clock.monotonic)
    sampler.sample()
    other.join()
    assert len(sampler.levels(lambda sample: sample.lines)) == 1


def test_rates_are_of_the_last_seconds_and_never_negative() -> None:
    """A counter reset does not give a negative rate."""
    agent, clock = FakeAgent(lines=0), StillClock()
    sampler = RateSampler(agent.metrics, clock.monotonic)
    for lines in (0, 20, 40, 40, 10):
        agent.lines = lines
        sampler.sample()
        sampler.sample()  # too early to count
        clock.now += 2
    assert sampler.rates(lambda sample: sample.lines) == [10, 10, 0, 0]
    assert sampler.now(lambda sample: sample.lines) == 10 / 8
    assert sampler.series(("failed_login_attempts_total", ("backend",))) == 0


def test_the_overview_shows_problems_with_their_hints() -> None:
    """Of the output, the files and the configuration."""
    agent = FakeAgent(
        "degraded", error="http://es:9200 cannot be reached", unreadable={"/logs/a": "Permission denied"}, lag_s=90,
        configuration={"error": "inputs: bad", "restart_needed": []},
    )  # fmt: skip
    view = overview(agent, RateSampler(agent.metrics, StillClock().monotonic), ["docker:/x"])
    assert [what for what, _ in view.problems] == [
        "Output unavailable: http://es:9200 cannot be reached",
        "Invalid configuration: inputs: bad",
        "Cannot read /logs/a: Permission denied",
    ]
    assert view.problems[0][1] == "start it"
    assert (view.word, view.output_unavailable) == ("Degraded", True)
    assert (view.tiles[3].name, view.tiles[3].value, view.tiles[3].grade) == ("Lag", "1m30s", "bad")


def test_the_overview_has_counters_reasons_and_logs_with_the_largest_lag_first() -> None:
    """Counters at zero are separate; the shipper's own metrics are not included."""
    logs = [{"path": f"/logs/{number}", "size": 1000, "lag_bytes": number, "lag_seconds": 1.5} for number in range(60)]
    agent = FakeAgent(logs=logs)
    view = overview(agent, RateSampler(agent.metrics, StillClock().monotonic), [])
    assert [(one.name, one.labels, one.value) for one in view.counters] == [
        ("failed_login_attempts_total", "service=backend", "7")
    ]
    assert [one.labels for one in view.zeros] == ["service=worker"]
    assert [(one.name, one.number, one.share) for one in view.reasons] == [("correlation_id_missing", "120", "1000")]
    assert (view.logs[0].path, view.logs[0].lag, view.logs[0].waits) == ("/logs/59", "59 B", "1.50s")
    assert (len(view.logs), view.more_logs, view.files) == (50, 10, 60)
    assert view.latency == "100ms"


def test_an_indexers_partitions_and_messages_are_shown_as_such() -> None:
    """Its lag is messages."""
    agent = FakeAgent(logs=[{"path": "kafka://logs/0", "size": 9000, "lag_bytes": None, "lag_messages": 1200}])
    (log,) = overview(agent, RateSampler(agent.metrics, StillClock().monotonic), []).logs
    assert (log.size, log.lag) == ("9,000", "1,200")


def test_a_quarantined_entry_has_the_command_that_releases_it() -> None:
    """Quoted for a shell, whatever the name of the store."""
    entry = quarantined_entry(quarantined(), store_options("local:/my store", None))
    assert entry.command == "shipper quarantine release cccccccccccc --output 'local:/my store'"
    assert [(why.kind, why.field) for why in entry.reasons] == [("correlation_id_missing", "correlation_id")]
    assert entry.where == "/logs/app.log at byte 12"
    hostile = quarantined_entry(quarantined(_id="0" * 12 + "$(rm -rf /);"), "")
    assert hostile.command == "shipper quarantine release '$(rm -rf /);'"


def test_a_command_has_the_store_of_the_agent() -> None:
    """A flag or variable may override the file; an id may start with a dash."""
    options = store_options("local:/x", "/etc/shipper.yaml")
    assert search_command("visit-1", options) == "shipper search visit-1 --config /etc/shipper.yaml --output local:/x"
    assert search_command("-x", options) == "shipper search --config /etc/shipper.yaml --output local:/x -- -x"
