"""The schema step: fields that are kept, fields that move to `extra`, and violations."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper_processors.enforce import Enforce
from shipper_schemas.event import EVENT_ADAPTER, KNOWN_FIELDS
from shipper_schemas.violation import Kind

VALID = {"correlation_id": "abc-123", "event": "patient_created", "level": "info"}


def kinds(fields: dict[str, Any], enforce: Enforce | None = None) -> list[Kind]:
    """Return the kinds of violations of an entry."""
    return [violation.kind for violation in (enforce or Enforce()).enforce(dict(fields))[1]]


def test_valid_entry_is_unchanged() -> None:
    """A conforming entry is returned unchanged."""
    assert Enforce().enforce(VALID | {"message": "m"}) == (VALID | {"message": "m"}, [])


def test_an_event_without_a_message_is_its_message() -> None:
    """Sentences of structlog stand under `event`; both fields then say it."""
    assert Enforce().enforce({"event": "Server started"})[0] == {"event": "Server started", "message": "Server started"}
    assert Enforce().enforce({"event": "e", "message": ""})[0]["message"] == "e"
    assert Enforce()(None, "info", {"event": "e"}) == {"event": "e"}


@pytest.mark.parametrize("level", ["INFO", "Info", "information"])
def test_levels_are_normalised(level: str) -> None:
    """All cases and dialects become one spelling."""
    assert Enforce().enforce(VALID | {"level": level})[0]["level"] == "info"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"correlationId": "a1"}, "a1"),
        ({"x_correlation_id": "a1"}, "a1"),
        ({"request_id": "a1"}, "a1"),
        (
            {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
            "4bf92f3577b34da6a3ce929d0e0e4736",
        ),
        ({"correlation_id": None, "request_id": "a1"}, "a1"),
    ],
)
def test_correlation_id_is_found_in_its_other_sources(fields: dict[str, Any], expected: str) -> None:
    """Aliases and a W3C traceparent are as good as the field itself."""
    event, violations = Enforce().enforce(dict(fields))
    assert event["correlation_id"] == expected
    assert violations == []


UNUSABLE = ["a b", "x" * 129, "x" * 50_000, "a\x1b[31m", "a\n", "ü", '{"a":1}', 1.5, True, -1, ["a"], {"a": 1}]


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"message": "login_failed"}, "login_failed"),
        ({"msg": "login_failed", "event": ""}, "login_failed"),
        ({"message": "login_failed for u"}, None),
        ({"message": "started"}, None),
        ({"message": ["login_failed"]}, None),
        ({"message": "login_failed", "event": "note"}, "note"),
    ],
)
def test_a_message_that_is_the_name_of_a_counted_event_is_the_event(fields: dict[str, Any], event: str | None) -> None:
    """Of loggers without a field for it, such as slog, zap and pino; else their failed logins would not be counted."""
    enforced, _ = Enforce(requiring_events=["login_failed"]).enforce({"correlation_id": "a-1", **fields})
    assert (enforced.get("event") or None) == event


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize("required", [True, False])
def test_unusable_correlation_id_is_a_violation_and_kept_aside(value: object, required: bool) -> None:
    """The value that a client sent as an id is reported as a short escaped excerpt and kept under `extra`."""
    enforce = Enforce(requiring_events=["login_failed"] if required else [])
    event, (violation,) = enforce.enforce({"correlation_id": value, "event": "login_failed"})
    assert violation.kind == (Kind.CORRELATION_ID_INVALID if required else Kind.CORRELATION_ID_UNUSABLE)
    assert violation.detail.isprintable()
    assert len(violation.detail) < 400
    assert "correlation_id" not in event
    assert event["extra"]["correlation_id"] == value
    assert event["event"] == "login_failed"


def test_an_unusable_id_beside_a_usable_one_is_reported() -> None:
    """The next candidate is taken."""
    event, (violation,) = Enforce(require="always").enforce({"correlation_id": "a b", "request_id": "r-77"})
    assert (event["correlation_id"], violation.kind) == ("r-77", Kind.CORRELATION_ID_UNUSABLE)


@pytest.mark.parametrize(
    "value", ["", " ", "-", "null", "None", "N/A", "0", 0, "00000000-0000-0000-0000-000000000000", None]
)
def test_a_placeholder_is_no_id(value: object) -> None:
    """It is as if it were absent: required, it is missing; not required, it is no violation."""
    assert kinds({"correlation_id": value, "event": "e"}) == []
    assert kinds({"correlation_id": value}, Enforce(require="always")) == [Kind.CORRELATION_ID_MISSING]


def test_zero_traceparent_is_no_id() -> None:
    """W3C calls an all-zero trace id invalid."""
    zero = {"traceparent": "00-" + "0" * 32 + "-00f067aa0ba902b7-01"}
    assert kinds(zero, Enforce(require="always")) == [Kind.CORRELATION_ID_MISSING]


@pytest.mark.parametrize(
    ("require", "event", "required"),
    [
        ("requests", "request_complete", True),
        ("requests", "login_failed", True),
        ("requests", "started", False),
        ("requests", None, False),
        ("always", None, True),
        ("always", "started", True),
        ("never", "request_complete", False),
    ],
)
def test_who_must_carry_an_id_is_configured(require: Any, event: str | None, required: bool) -> None:
    """For all logs, and for one log instead."""
    fields = {"message": "m"} if event is None else {"event": event}
    expected = [Kind.CORRELATION_ID_MISSING] if required else []
    assert kinds(fields, Enforce(require=require, requiring_events=["login_failed"])) == expected
    of_log = Enforce(requiring_events=["login_failed"], require="never" if required else "always")
    assert [violation.kind for violation in of_log.enforce(dict(fields), require)[1]] == expected


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("event", 5, Kind.EVENT_INVALID),
        ("level", ["info"], Kind.LEVEL_INVALID),
        ("duration_ms", -1, Kind.DURATION_INVALID),
        ("duration_ms", "long", Kind.DURATION_INVALID),
        ("duration_ms", float("nan"), Kind.DURATION_INVALID),
        ("duration_ms", float("inf"), Kind.DURATION_INVALID),
        ("duration_ms", True, Kind.DURATION_INVALID),
        ("status_code", 99, Kind.STATUS_CODE_INVALID),
        ("status_code", 600, Kind.STATUS_CODE_INVALID),
        ("status_code", "none yet", Kind.STATUS_CODE_INVALID),
        ("path", 7, Kind.FIELD_INVALID),
        ("user_id", 1.5, Kind.FIELD_INVALID),
        ("message", {"a": 1}, Kind.FIELD_INVALID),
    ],
)
def test_mistyped_field_moves_to_extra_with_its_own_kind(field: str, value: object, kind: Kind) -> None:
    """The rest of the entry stays searchable; the value is kept."""
    event, (violation,) = Enforce().enforce(VALID | {field: value})
    assert (violation.kind, violation.field) == (kind, field)
    assert field not in event
    assert event["extra"].keys() == {field}


@pytest.mark.parametrize("value", [1, "1", None])
def test_ids_of_people_may_be_numbers_or_strings(value: object) -> None:
    """The guide has numbers, other applications use strings; null means absent."""
    assert kinds(VALID | {"user_id": value, "patient_id": value}) == []


def test_unknown_and_reserved_names_go_to_extra() -> None:
    """No application can overwrite the shipper's fields, or extend the mapping."""
    event, violations = Enforce().enforce(
        VALID | {"container": 1, "log": "x", "@timestamp": "y", "basket": {"n": 1}, "extra": {"a": 2}}
    )
    assert violations == []
    assert event["extra"] == {"a": 2, "container": 1, "log": "x", "@timestamp": "y", "basket": {"n": 1}}


def test_all_violations_are_reported() -> None:
    """The author of an entry gets all violations together."""
    names = kinds({"event": 1, "status_code": "x", "duration_ms": -5}, Enforce(require="always"))
    assert set(names) == {
        Kind.CORRELATION_ID_MISSING,
        Kind.EVENT_INVALID,
        Kind.STATUS_CODE_INVALID,
        Kind.DURATION_INVALID,
    }


def test_as_a_processor_it_adds_violations_and_never_drops() -> None:
    """In an application's own chain the entry passes, with its violations under `schema.errors`."""
    event = Enforce(require="always")(None, "info", {"event": "e", "status_code": "x"})
    assert event["event"] == "e"
    assert [note["kind"] for note in event["schema"]["errors"]] == ["correlation_id_missing", "status_code_invalid"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*KNOWN_FIELDS, "extra", "x", "request_id", "traceparent"]), JSON))
def test_every_result_conforms_and_no_value_is_lost(fields: dict[str, Any]) -> None:
    """Remaining known fields have the right type; every other value except null is under `extra`."""
    event, _ = Enforce().enforce(dict(fields))
    known = {name: value for name, value in event.items() if name != "extra"}
    assert EVENT_ADAPTER.validator.isinstance_python(known)
    kept = repr(event)
    for name, value in fields.items():
        if value is not None and name not in ("level", "extra"):
            assert name in kept or repr(value) in kept
