"""What pages show, before it is HTML: rows, timelines, charts, the state of an agent."""

import json
import threading

import pytest

from shipper.metrics.exposition import Snapshot
from shipper.web.pages.chart import chart
from shipper.web.pages.event_rows import MOST_LINES, MOST_TEXT, json_of, row
from shipper.web.pages.overview import overview
from shipper.web.pages.quarantine_view import options_of, refused, search
from shipper.web.pages.rate_sampler import Pulse
from shipper.web.pages.timeline_view import traced
from tests.web.pages.rig import Patient, StillClock, event, refusal

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202e\u200b\u2066\x7f"
DECEIVING = set("\x1b\x07\x9b\u202e\u200b\u2066\x7f")


def test_a_row_has_what_happened_where_and_how_long_it_took() -> None:
    """And leads to the timeline of its request."""
    found = row(event(1.2, "index_failed", level="error", status_code=503, duration_ms=45.2, error_type="E",
                      error_message="no\nmore", exception="Trace\n\tat x"))  # fmt: skip
    assert (found.clock, found.level, found.origin, found.event) == ("10:00:01.200", "error", "backend", "index_failed")
    assert (found.status, found.status_grade, found.took, found.what) == ("503", "server", "45ms", "E: no")
    assert found.timeline == "timeline?id=visit-1"
    assert found.wrong
    assert found.trace == "more\nTrace\n    at x"
    assert found.trace_lines == 3


def test_a_row_is_bounded_whatever_it_holds() -> None:
    """A page of the longest entries is still a page."""
    found = row(event(1, "e" * 5000, message="m" * 10**6, exception="\n".join(["x" * 50] * 5000)))
    assert len(found.event) == 80
    assert len(found.what) == 400
    assert found.trace_lines == 5000
    assert len(found.trace.split("\n")) == MOST_LINES + 1
    assert len(found.json) <= MOST_TEXT


@pytest.mark.parametrize("odd", [None, 7, True, [], {}, "", HOSTILE])
def test_a_row_takes_any_value_in_any_field(odd: object) -> None:
    """A store may hold what others wrote."""
    names = ("@timestamp", "level", "event", "correlation_id", "service", "container", "status_code", "duration_ms",
             "message", "error_message", "exception", "log", "method")  # fmt: skip
    found = row({**dict.fromkeys(names, odd), "_id": "0" * 40})
    shown = "".join(str(value) for name, value in found._asdict().items() if name not in ("trace", "json"))
    assert not set(shown) & DECEIVING


def test_json_is_exact_and_cannot_deceive() -> None:
    """What reorders or hides is written as an escape of JSON, and reads back as it was."""
    body = {"message": HOSTILE, "name": "Müller"}
    text = json_of(body)
    assert json.loads(text) == body
    assert text.isascii()
    assert "Müller" in json_of({"name": "Müller"})


def test_a_timeline_has_a_lane_for_each_container_and_shows_its_gaps() -> None:
    """Bars end where the entry was written, and are as long as the work; what lasted no time is a point."""
    found = traced(
        [
            event(1, "request_start", service={"name": "gateway"}),
            event(1.04, "patient_created", duration_ms=40.0),
            event(2, "index_failed", level="error", duration_ms=500.0, service={"name": "worker"}),
        ]
    )
    assert [lane.origin for lane in found.lanes] == ["gateway", "backend", "worker"]
    assert [(moment.bar.x, moment.bar.width) for moment in found.moments] == [
        ("0.0", "4.0"), ("0.0", "40.0"), ("500.0", "500.0"),
    ]  # fmt: skip
    assert [moment.gap for moment in found.moments] == ["", "", "960ms"]
    assert [moment.offset for moment in found.moments] == ["+0.000s", "+0.040s", "+1.000s"]
    assert found.ticks == ["0", "250ms", "500ms", "750ms", "1.00s"]
    assert found.verdict == "1 error at +1.000s in worker: index_failed"
    assert found.first_wrong == found.moments[2].row.anchor


def test_a_timeline_of_one_moment_is_no_division_by_zero() -> None:
    """All bars begin at its left edge."""
    found = traced([event(1, "a"), event(1, "b")])
    assert [moment.bar.x for moment in found.moments] == ["0.0", "0.0"]
    assert found.ticks == []
    assert found.verdict == "No errors."


def test_a_request_of_many_services_stays_a_picture() -> None:
    """The lanes of the first twelve; all entries are among the rows."""
    found = traced([event(place / 10, "x", service={"name": f"s{place}"}) for place in range(40)])
    assert (len(found.lanes), found.more_lanes, len(found.moments)) == (12, 28, 40)


def test_a_chart_ends_at_its_right_edge() -> None:
    """The newest value is now; a young agent's line is short."""
    found = chart([0, 5, 10], 301)
    assert found.line == "298.0,48.0 299.0,25.5 300.0,3.0"
    assert (found.now, found.most, found.values) == ("10", "10", "0 5 10")
    assert chart([], 300).line == chart([3.0], 300).line == ""
    assert "nan" not in chart([0.0] * 900, 300).line


def test_two_threads_that_beat_at_once_take_one_sample() -> None:
    """A page that is opened beats beside the server's loop; rates between two samples a moment apart are anything."""
    patient, clock = Patient(), StillClock()
    other = threading.Thread(target=lambda: pulse.beat())

    def take() -> Snapshot:
        if other.ident is None:
            other.start()
            other.join(0.2)
        return patient.metrics()

    pulse = Pulse(take, clock.monotonic)
    pulse.beat()
    other.join()
    assert len(pulse.levels(lambda sample: sample.lines)) == 1


def test_rates_are_of_the_last_seconds_and_never_negative() -> None:
    """What a page tells of now; a counter that begins anew is no rate below zero."""
    patient, clock = Patient(lines=0), StillClock()
    pulse = Pulse(patient.metrics, clock.monotonic)
    for lines in (0, 20, 40, 40, 10):
        patient.lines = lines
        pulse.beat()
        pulse.beat()  # too early to count
        clock.now += 2
    assert pulse.rates(lambda sample: sample.lines) == [10, 10, 0, 0]
    assert pulse.now(lambda sample: sample.lines) == 10 / 8
    assert pulse.series(("failed_login_attempts_total", ("backend",))) == 0


def test_the_overview_names_what_is_wrong_with_its_hint() -> None:
    """The output's own words, the files, the configuration."""
    patient = Patient(
        "degraded", error="http://es:9200 cannot be reached", unreadable={"/logs/a": "Permission denied"}, lag_s=90,
        configuration={"error": "inputs: bad", "restart_needed": []},
    )  # fmt: skip
    found = overview(patient, Pulse(patient.metrics, StillClock().monotonic), ["docker:/x"])
    assert [what for what, _ in found.problems] == [
        "The output is away: http://es:9200 cannot be reached",
        "The configuration was refused: inputs: bad",
        "Cannot read /logs/a: Permission denied",
    ]
    assert found.problems[0][1] == "start it"
    assert (found.word, found.output_away) == ("Degraded", True)
    assert (found.tiles[3].name, found.tiles[3].value, found.tiles[3].grade) == ("Lag", "1m30s", "bad")


def test_the_overview_has_counters_reasons_and_the_logs_furthest_behind_first() -> None:
    """Counters that stand at zero are apart, and the shipper's own are not among them."""
    logs = [{"path": f"/logs/{number}", "size": 1000, "lag_bytes": number, "lag_seconds": 1.5} for number in range(60)]
    patient = Patient(logs=logs)
    found = overview(patient, Pulse(patient.metrics, StillClock().monotonic), [])
    assert [(one.name, one.labels, one.value) for one in found.counters] == [
        ("failed_login_attempts_total", "service=backend", "7")
    ]
    assert [one.labels for one in found.zeros] == ["service=worker"]
    assert [(one.name, one.number, one.share) for one in found.reasons] == [("correlation_id_missing", "120", "1000")]
    assert (found.logs[0].path, found.logs[0].lag, found.logs[0].waits) == ("/logs/59", "59 B", "1.50s")
    assert (len(found.logs), found.more_logs, found.files) == (50, 10, 60)
    assert found.latency == "100ms"


def test_an_indexers_partitions_and_messages_are_shown_as_such() -> None:
    """Its lag is messages."""
    patient = Patient(logs=[{"path": "kafka://logs/0", "size": 9000, "lag_bytes": None, "lag_messages": 1200}])
    (found,) = overview(patient, Pulse(patient.metrics, StillClock().monotonic), []).logs
    assert (found.size, found.lag) == ("9,000", "1,200")


def test_a_refused_entry_comes_with_the_command_that_releases_it() -> None:
    """Ready for a shell, whatever the store is called."""
    found = refused(refusal(), options_of("local:/my store", None))
    assert found.command == "shipper quarantine release cccccccccccc --output 'local:/my store'"
    assert [(why.kind, why.field) for why in found.reasons] == [("correlation_id_missing", "correlation_id")]
    assert found.where == "/logs/app.log at byte 12"
    hostile = refused(refusal(_id="0" * 12 + "$(rm -rf /);"), "")
    assert hostile.command == "shipper quarantine release '$(rm -rf /);'"


def test_a_command_names_the_store_that_the_agent_writes_to() -> None:
    """A flag or a variable may name another than the file does; an id may begin as an option does."""
    options = options_of("local:/x", "/etc/shipper.yaml")
    assert search("visit-1", options) == "shipper search visit-1 --config /etc/shipper.yaml --output local:/x"
    assert search("-x", options) == "shipper search --config /etc/shipper.yaml --output local:/x -- -x"
