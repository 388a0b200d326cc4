"""The pipeline: the outcome of an entry under each policy; no entry stops it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shipper.metrics.catalogue import VIOLATIONS, WITH_OR_NEEDING_ID, WITHOUT_ID
from shipper.model.batch import Batch
from shipper.model.documents import Document
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.replay.time_filter import Span, TimeFilteredPipeline
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.rules import events_requiring_id
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy, Violation

SOURCE = Source.of(Origin("/var/log/x.log", "c1", service="backend", container_id="c1", container_name="backend-1"))
NOW = 1_795_428_000_000
REFUSED = '{"correlation_id":"not usable","event":"login_failed"}'


def entry(text: str, **changes: Any) -> Entry:
    """Return an entry with the time NOW."""
    return Entry(text, "stdout", "2026-11-23T10:00:00.123456789Z", 7, 1, b"d" * 14)._replace(**changes)


def pipeline(enforce: Enforce | None = None, **policies: Policy) -> Pipeline:
    """Return the chain with its built-in counters."""
    merged = {**DEFAULT_POLICIES, **{Kind(name): policy for name, policy in policies.items()}}
    enforce = enforce or Enforce(requiring_events=events_requiring_id(builtin_rules([])))
    return Pipeline(enforce, Counting(builtin_rules([])), Redactor(), merged)


def processed(chain: Pipeline, *entries: Entry, count: bool = True, ship: bool = True) -> Batch:
    """Return the batch that the entries produce."""
    batch = Batch()
    chain.process(entries, SOURCE, batch, NOW, count=count, ship=ship)
    return batch


@pytest.mark.parametrize(
    ("policy", "outcome", "index"),
    [
        (Policy.QUARANTINE, "quarantined", "keneyapp-quarantine-2026.11.23"),
        (Policy.FLAG, "indexed", "keneyapp-logs-2026.11.23"),
        (Policy.DROP, "dropped", None),
    ],
)
def test_policy_decides_and_counting_does_not_ask_it(policy: Policy, outcome: str, index: str | None) -> None:
    """Quarantined, flagged or dropped: the failed login is counted, and so is the violation."""
    batch = processed(pipeline(correlation_id_invalid=policy), entry(REFUSED))
    assert batch.events == {outcome: 1}
    assert [document.index for document in batch.documents] == ([index] if index else [])
    assert batch.counted.sums["failed_login_attempts_total", ("backend",)] == 1
    assert batch.counted.sums[VIOLATIONS.name, ("correlation_id_invalid",)] == 1
    if policy is Policy.FLAG:
        assert json.loads(batch.documents[0].body)["schema"]["errors"][0]["kind"] == "correlation_id_invalid"


def test_the_severest_policy_wins() -> None:
    """Of an entry that one violation would drop and another keep, the stricter policy keeps it."""
    chain = pipeline(correlation_id_missing=Policy.DROP, status_code_invalid=Policy.QUARANTINE)
    assert processed(chain, entry('{"event":"e","status_code":"x"}')).events == {"quarantined": 1}


def test_counting_and_shipping_are_apart() -> None:
    """Each cursor requests one of both; together they give the whole."""
    text = entry('{"correlation_id":"a","event":"login_failed"}')
    counted = processed(pipeline(), text, ship=False)
    shipped = processed(pipeline(), text, count=False)
    assert (list(counted.documents), bool(counted.counted.sums)) == ([], True)
    assert (len(shipped.documents), bool(shipped.counted.sums)) == (1, False)


def test_plain_text_is_stored_and_a_blank_line_is_dropped_by_rule() -> None:
    """Both have an outcome."""
    batch = processed(pipeline(), entry("hello"), entry("  "))
    assert batch.lines_by_outcome == {"indexed": 1, "dropped": 1}
    assert json.loads(batch.documents[0].body)["event"] == "unstructured"


def test_an_access_line_is_an_event_of_its_own_kind() -> None:
    """It carries no correlation id and needs none."""
    batch = processed(pipeline(), entry('INFO:     10.0.0.1:0 - "GET /api/v1/patients/7?x=1 HTTP/1.1" 200 OK'))
    body = json.loads(batch.documents[0].body)
    assert (body["event"], body["method"], body["path"], body["status_code"]) == (
        "http_access",
        "GET",
        "/api/v1/patients/7",
        200,
    )
    assert "schema" not in body


def test_a_stack_trace_is_an_error_with_its_type() -> None:
    """The whole trace is searchable, under the exception that was finally raised."""
    text = 'ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n  File "x.py", line 1\nValueError: bad'
    body = json.loads(processed(pipeline(), entry(text, lines=4)).documents[0].body)
    assert (body["level"], body["error_type"], body["error_message"]) == ("error", "ValueError", "bad")
    assert body["exception"] == text


class Failing(Enforce):
    """A step with a defect."""

    def enforce(self, fields: dict[str, Any], *policy: Any) -> tuple[dict[str, Any], list[Violation]]:
        if fields.get("message") == "poison":
            raise ZeroDivisionError
        return super().enforce(fields, *policy)


def test_an_entry_that_a_step_fails_on_is_quarantined_and_the_rest_goes_on() -> None:
    """No line can stop the agent or disappear."""
    good, poison = '{"correlation_id":"a","message":"good"}', '{"correlation_id":"a","message":"poison"}'
    batch = processed(pipeline(Failing()), entry(good), entry(poison), entry(good))
    assert batch.events == {"indexed": 2, "quarantined": 1}
    (refused,) = [document for document in batch.documents if "quarantine" in document.index]
    assert json.loads(refused.body)["raw"] == poison
    assert "ZeroDivisionError" in json.loads(refused.body)["reasons"][0]["detail"]


class Unable(Redactor):
    """A redactor that fails on a text."""

    def redact_raw(self, text: str) -> str:
        if "poison" in text:
            raise ZeroDivisionError
        return text


def test_an_entry_whose_text_cannot_be_masked_is_quarantined_without_it() -> None:
    """Text that cannot be masked is not stored: its log and offset are, and the rest goes on."""
    batch = processed(
        replace(pipeline(), redactor=Unable()),
        entry('{"event":"request_complete","message":"poison"}'),
        entry('{"correlation_id":"a"}'),
    )
    assert batch.events == {"indexed": 1, "quarantined": 1}
    assert batch.counted.sums[VIOLATIONS.name, ("internal_error",)] == 1
    body = json.loads(batch.documents[0].body)
    assert "poison" not in str(body)
    assert body["raw"].startswith("[withheld: ")
    assert body["log"].keys() == {"file", "offset"}


class Unmasking(Redactor):
    """A redactor that fails after the counting step."""

    def redact_event(self, event: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError


@pytest.mark.parametrize("span", [None, Span()])
def test_an_event_that_a_later_step_fails_on_is_still_counted(span: Span | None) -> None:
    """Making a step fail does not hide failed logins; a replay counts like the agent."""
    plain = replace(pipeline(), redactor=Unmasking())
    fields = {name: getattr(plain, name) for name in Pipeline.__dataclass_fields__}
    chain = plain if span is None else TimeFilteredPipeline(**fields, span=span)
    batch = processed(chain, entry('{"correlation_id":"a","event":"login_failed","note":"a@b.example"}'))
    assert batch.events == {"quarantined": 1}
    assert batch.counted.sums["failed_login_attempts_total", ("backend",)] == 1
    assert batch.counted.sums[VIOLATIONS.name, ("internal_error",)] == 1


@pytest.mark.parametrize("name", ["password", "correlation_id", "user_id", "message"])
@pytest.mark.parametrize("depth", [900, 1000, 1020])
def test_a_value_nested_as_deep_as_can_be_read_hides_no_event(name: str, depth: int) -> None:
    """Python cannot serialize it again: it is masked or named by its type."""
    nested = "[" * depth + '"hunter2"' + "]" * depth
    text = f'{{"correlation_id":"a","event":"login_failed","{name}":{nested}}}'
    batch = processed(pipeline(), entry(text))
    assert batch.counted.sums["failed_login_attempts_total", ("backend",)] == 1
    assert (VIOLATIONS.name, ("internal_error",)) not in batch.counted.sums
    assert name != "password" or b"hunter2" not in batch.documents[0].body


def test_secrets_in_quarantined_entries_and_their_reasons_are_masked() -> None:
    """The quarantine is no way around redaction."""
    batch = processed(pipeline(), entry('{"correlation_id":"password=hunter2 x","note":"mail a@b.example"}'))
    assert b"hunter2" not in batch.documents[0].body
    assert b"a@b.example" not in batch.documents[0].body


def quarantined(text: str) -> tuple[Document, dict[str, Any]]:
    """Return the quarantine document of an entry that is cut off, and its body."""
    (document,) = processed(pipeline(line_cut=Policy.QUARANTINE), entry(text, cut="at the limit")).documents
    return document, json.loads(document.body)


def test_a_quarantined_entry_keeps_its_search_keys() -> None:
    """The search that would find it in the main index finds it in the quarantine, in every store."""
    text = '{"correlation_id":"a-1","trace_id":"4bf92f","event":"login_failed","level":"WARN","message":"no","why":"x"}'
    document, body = quarantined(text)
    keys = {
        "level": "warning", "event": "login_failed", "correlation_id": "a-1", "trace_id": "4bf92f",
        "text": "no\nlogin_failed\nx",
    }  # fmt: skip
    assert {name: body.get(name) for name in keys} == keys
    assert (document.level, document.event, document.correlation_id) == ("warning", "login_failed", "a-1")
    assert (document.trace_id, document.text, document.container) == ("4bf92f", keys["text"], "backend-1")
    assert body["service"] == {"name": "backend"}
    assert body["@timestamp"] == "2026-11-23T10:00:00.123Z"


def test_the_text_of_an_unstructured_quarantined_entry_is_stored_once() -> None:
    """It is `raw`; a level that was recognised in it is a key."""
    document, body = quarantined("2026-11-23 10:00:00 ERROR no space left")
    assert (document.text, body["raw"], body["level"]) == (
        "2026-11-23 10:00:00 ERROR no space left",
        "2026-11-23 10:00:00 ERROR no space left",
        "error",
    )
    assert "text" not in body


def test_search_keys_of_quarantined_entries_are_masked_and_can_be_stored() -> None:
    """Redaction applies to them as to all fields, and no character prevents storing."""
    document, body = quarantined(
        '{"event":"mail to jean@example.org","message":"password=hunter2 \\ud800","password":"hunter2"}'
    )
    assert "hunter2" not in document.body.decode()
    assert "jean@example.org" not in document.body.decode() + str(document.event)
    assert body["text"].startswith("password=[redacted")


@pytest.mark.parametrize(("zone", "expected"), [(None, "10:00:00.000Z"), ("Europe/Paris", "09:00:00.000Z")])
def test_times_without_zone_are_read_in_that_of_the_log(zone: str | None, expected: str) -> None:
    """An input or a container's label names it, instead of the schema's."""
    source = Source.of(Origin("/var/log/x.log", "c1", timezone=zone))
    batch = Batch()
    plain = entry("2026-11-23 10:00:00 INFO started", time=None)
    pipeline().process([plain], source, batch, NOW, count=True, ship=True)
    assert json.loads(batch.documents[0].body)["@timestamp"] == f"2026-11-23T{expected}"


def test_a_time_of_another_zone_is_flagged_with_its_setting() -> None:
    """A container in Paris logs local times: its events keep the runtime's time, and the note says how to fix it."""
    batch = processed(pipeline(), entry('{"correlation_id":"a","timestamp":"2026-11-23 11:00:00,123"}'))
    document = json.loads(batch.documents[0].body)
    assert document["@timestamp"] == "2026-11-23T10:00:00.123Z"
    (note,) = document["schema"]["errors"]
    assert note["kind"] == "timestamp_zone"
    assert "is 1 h after the runtime's" in note["detail"]


def test_a_plain_log_creates_no_index_for_each_day_that_it_names() -> None:
    """Lines of any day from 1970 to 9999, in JSON or at their start, go to one day, each with a note."""
    days = [f"{year}-01-0{day}T00:00:00Z" for year in range(1970, 9999, 97) for day in (1, 2)]
    lines = [json.dumps({"correlation_id": "a", "timestamp": day}) for day in days] + [f"{day} INFO x" for day in days]
    batch = processed(pipeline(), *(entry(line, time=None) for line in lines))
    assert {document.index for document in batch.documents} == {"keneyapp-logs-2026.11.23"}
    notes = {json.loads(document.body)["schema"]["errors"][0]["kind"] for document in batch.documents}
    assert notes == {"timestamp_skewed"}


LOGIN = '{"event":"login_failed","correlation_id":"a1"}'
FAILED = ("failed_login_attempts_total", ("backend",))


@pytest.mark.parametrize(
    ("text", "count", "events"),
    [
        (LOGIN + LOGIN, 2, 2),
        (f"{LOGIN} {LOGIN}", 2, 2),
        (f"[{LOGIN},{LOGIN}]", 2, 2),
        ('{"event":"request_co' + LOGIN, 1, 2),
        (f"{LOGIN},", 1, 1),
        (LOGIN[:-1] + ",}", 1, 1),
        (f"{LOGIN}x", 1, 1),
        (f"\x1b[0m{LOGIN}\x1b[0m", 1, 1),
        (f"\0\0{LOGIN}\0", 1, 1),
        (f"INFO:root:{LOGIN}", 1, 1),
        (f"backend-1  | {LOGIN}", 1, 1),
        ("level=warning event=login_failed correlation_id=a1", 1, 1),
        ("2026-11-23T10:00:00Z [warning  ] login_failed                   correlation_id=a1", 1, 1),
        (f"user said {LOGIN}", 0, 1),
        (f"body: {LOGIN}", 0, 1),
        ("2026-11-23T10:00:00Z [info     ] looked for event=login_failed", 0, 1),
    ],
)
def test_every_event_on_a_line_counts_once(text: str, count: int, events: int) -> None:
    """Several documents, damaged ones and those behind a prefix count; text that a client sent does not."""
    batch = processed(pipeline(), entry(text))
    assert batch.counted.sums.get(FAILED, 0) == count
    assert sum(batch.events.values()) == events
    assert batch.lines == sum(batch.lines_by_outcome.values()) == 1
    assert len({document.id for document in batch.documents}) == events


def test_an_object_over_the_limit_of_a_line_counts() -> None:
    """Its complete fields within the bytes that are kept are read, and the cut is noted; a torn record does not count."""
    text = LOGIN[:-1] + ',"message":"a very long tex'
    batch = processed(pipeline(), entry(text, cut="1000 characters"))
    assert batch.counted.sums[FAILED] == 1
    assert json.loads(batch.documents[0].body)["schema"]["errors"][0]["kind"] == "line_cut"
    assert processed(pipeline(), entry(text)).counted.sums.get(FAILED, 0) == 0


def test_an_entry_without_an_id_is_stored_and_counted_by_service() -> None:
    """Start-up lines and workers have none; the metric shows which services lack them."""
    batch = processed(pipeline(), entry('{"message":"started"}'), entry('{"correlation_id":"a"}'), entry("plain"))
    assert batch.events == {"indexed": 3}
    assert batch.counted.sums[WITHOUT_ID.name, ("backend",)] == 1


LOST_ID = '{"event":"request_complete","message":"m"}'
BAD_ID = '{"event":"request_complete","correlation_id":"a b"}'


@pytest.mark.parametrize(
    ("text", "policies", "series"),
    [
        ('{"correlation_id":"a"}', {}, "accepted"),
        (LOST_ID, {}, "quarantined"),
        (BAD_ID, {}, "quarantined"),
        (LOST_ID, {"correlation_id_missing": Policy.FLAG}, "accepted"),
        (LOST_ID, {"correlation_id_missing": Policy.DROP}, "dropped"),
        ('{"correlation_id":"a","status_code":"many"}', {"status_code_invalid": Policy.QUARANTINE}, "quarantined"),
        ('{"message":"started"}', {}, None),
        ('{"event":"started","correlation_id":"a b"}', {}, None),
        ("GET / took 3 ms", {}, None),
        ("", {}, None),
    ],
)
def test_events_that_carry_an_id_or_must_are_counted_by_service(
    text: str, policies: dict[str, Policy], series: str | None
) -> None:
    """What needs no id and has none says nothing about a service, so that it does not dilute the share."""
    sums = processed(pipeline(**policies), entry(text)).counted.sums
    counted = {key[1]: number for key, number in sums.items() if key[0] == WITH_OR_NEEDING_ID.name}
    assert counted == ({} if series is None else {("backend", series): 1})


def test_ids_are_counted_once_and_within_the_time_range() -> None:
    """Not where an entry is only shipped, and not outside the range of a replay."""
    plain, lines = pipeline(), (entry(LOST_ID), entry('{"correlation_id":"a"}'), entry('{"message":"m"}'))
    metrics = {WITHOUT_ID.name, WITH_OR_NEEDING_ID.name}
    assert metrics.isdisjoint(name for name, _ in processed(plain, *lines, count=False).counted.sums)
    fields = {name: getattr(plain, name) for name in Pipeline.__dataclass_fields__}
    later = TimeFilteredPipeline(**fields, span=Span(since_ms=NOW + 60_000))
    assert metrics.isdisjoint(name for name, _ in processed(later, *lines).counted.sums)


def test_services_of_the_metrics_of_ids_are_bounded() -> None:
    """Beyond the bound they share one series."""
    chain, batch = replace(pipeline(), services=ServiceBounds(most=1)), Batch()
    for name in ("a", "b", "a"):
        source = Source.of(replace(SOURCE.origin, service=name))
        chain.process([entry('{"message":"m"}'), entry(LOST_ID)], source, batch, NOW, count=True, ship=False)
    sums = batch.counted.sums
    assert (sums[WITHOUT_ID.name, ("a",)], sums[WITHOUT_ID.name, ("other",)]) == (4, 2)
    assert sums[WITH_OR_NEEDING_ID.name, ("a", "quarantined")] == 2
    assert sums[WITH_OR_NEEDING_ID.name, ("other", "quarantined")] == 1


@pytest.mark.parametrize(
    ("origin", "outcome"),
    [
        ({}, "indexed"),
        ({"require_correlation_id": "always"}, "quarantined"),
        ({"kubernetes": {"namespace": "shop"}}, "quarantined"),
        ({"kubernetes": {"namespace": "tools"}}, "indexed"),
        ({"kubernetes": {"namespace": "shop"}, "require_correlation_id": "never"}, "indexed"),
        ({"require_correlation_id": "always", "fields": (("correlation_id", ("order",)),)}, "indexed"),
    ],
)
def test_a_log_has_its_own_policy_and_places_of_fields(origin: dict[str, Any], outcome: str) -> None:
    """By input or label, then by namespace."""
    chain = replace(pipeline(), namespaces={"shop": "always"})
    handled = chain.handle(entry('{"message":"m","order":"o-17"}'), Source.of(replace(SOURCE.origin, **origin)), NOW)
    assert handled.outcome == outcome


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"event":"login_failed","correlation_id":"a","status_code":"many"}', "status_code_invalid"),
        ('{"event":["x"],"message":"m"}', "event_invalid"),
        ('{"event":"login_failed", oops}', "json_invalid"),
        ('{"event":"e","correlation_id":"a b"}', "correlation_id_unusable"),
    ],
)
def test_a_defect_of_a_value_is_flagged_and_stored(text: str, kind: str) -> None:
    """The mapping is protected either way, so that nothing needs to wait in the quarantine."""
    (document,) = processed(pipeline(), entry(text)).documents
    assert document.index.startswith("keneyapp-logs")
    assert [note["kind"] for note in json.loads(document.body)["schema"]["errors"]] == [kind]
