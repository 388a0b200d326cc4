"""Built-in counter rules. Alerts and dashboards use their names.

An entry counts once, but an operation may be two entries: if an application logs `patient_created` and the request that
created the patient, both count. `http_source: off` for its container ignores the requests.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from shipper_schemas.presets import Preset, failures, successes
from shipper_schemas.rules import Rule

LOGIN = "/api/v1/auth/login"
PATIENTS, APPOINTMENTS, PRESCRIPTIONS = "/api/v1/patients", "/api/v1/appointments", "/api/v1/prescriptions"
FAILED_LOGINS = ["login_failed", "failed_login", "user_login_failed", "authentication_failed"]
SUCCESSFUL_LOGINS = ["login_succeeded", "login_success", "login_successful", "user_login", "user_logged_in"]
SUCCESS = {"min": 200, "max": 299}


def request(method: object, route: str, status: object) -> dict[str, Any]:
    """Return the condition of a request's entry."""
    return {"request": True, "method": method, "path": {"route": route}, "status_code": status}


def login(outcome: str, events: list[str], status: int, further: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the case of a login with this outcome; `further` are alternative conditions."""
    alternatives: list[dict[str, Any]] = [request("POST", LOGIN, status)]
    if events:
        alternatives.insert(0, {"event": {"one_of": events}})
    alternatives += further
    return {"when": {"any": alternatives}, "labels": {"service": "service", "outcome": {"value": outcome}}}


def operation(label: str, value: str, event: object, request_condition: dict[str, Any] | None) -> dict[str, Any]:
    """Return a case for an event, or for the request of the same operation."""
    alternatives = [{"event": event}, *([request_condition] if request_condition else [])]
    return {"when": {"any": alternatives}, "labels": {label: {"value": value}}}


@lru_cache(maxsize=8)
def _logins(presets: tuple[Preset, ...]) -> tuple[Rule, ...]:
    failed = [{"event": {"one_of": FAILED_LOGINS}}, request("POST", LOGIN, 401), *failures(presets)]
    cases = [
        login("failure", FAILED_LOGINS, 401, failures(presets)),
        login("success", SUCCESSFUL_LOGINS, 200, successes(presets)),
        login("locked", [], 403),
        login("limited", [], 429),
    ]
    return _login_rules({"when": {"any": failed}}, {"cases": cases})


@lru_cache(maxsize=8)
def preset_rules(presets: tuple[Preset, ...]) -> tuple[Rule, ...]:
    """Return the login rules of the presets alone, without those of applications."""
    outcomes = {"failure": failures(presets), "success": successes(presets)}
    cases = [
        {"when": {"any": conditions}, "labels": {"service": "service", "outcome": {"value": outcome}}}
        for outcome, conditions in outcomes.items()
    ]
    optional = {"correlation_id": "optional"}
    return _login_rules({"when": {"any": outcomes["failure"]}, **optional}, {"cases": cases, **optional})


def _login_rules(failed: dict[str, Any], by_outcome: dict[str, Any]) -> tuple[Rule, ...]:
    declared: list[dict[str, Any]] = [
        {
            "name": "failed_login_attempts_total",
            "help": "Logins rejected for wrong credentials.",
            "labels": {"service": "service"},
            **failed,
        },
        {
            "name": "login_attempts_total",
            "help": "Logins by outcome: success, failure, locked (403), limited (429).",
            "declare": {"outcome": ["success", "failure", "locked", "limited"]},
            **by_outcome,
        },
    ]
    return tuple(map(Rule.model_validate, declared))


@lru_cache(maxsize=1)
def _fixed() -> tuple[Rule, ...]:
    declared: list[dict[str, Any]] = [
        {
            "name": "patient_operations_total",
            "help": "Patient records created, updated, deleted.",
            "cases": [
                operation("operation", "create", "patient_created", request("POST", PATIENTS, SUCCESS)),
                operation(
                    "operation", "update", "patient_updated",
                    request({"one_of": ["PUT", "PATCH"]}, f"{PATIENTS}/{{id}}", SUCCESS),
                ),
                operation("operation", "delete", "patient_deleted", request("DELETE", f"{PATIENTS}/{{id}}", SUCCESS)),
            ],
            "declare": {"operation": ["create", "update", "delete"]},
        },
        {
            "name": "appointment_bookings_total",
            "help": "Appointments by status.",
            "cases": [
                operation("status", "scheduled", "appointment_scheduled", request("POST", APPOINTMENTS, SUCCESS)),
                operation("status", "completed", "appointment_completed", None),
                operation(
                    "status", "cancelled", {"one_of": ["appointment_cancelled", "appointment_canceled"]},
                    request("DELETE", f"{APPOINTMENTS}/{{id}}", SUCCESS),
                ),
            ],
            "declare": {"status": ["scheduled", "completed", "cancelled"]},
        },
        {
            "name": "prescription_created_total",
            "help": "Prescriptions by medication, where the event names it.",
            "when": {"any": [{"event": "prescription_created"}, request("POST", PRESCRIPTIONS, SUCCESS)]},
            "labels": {"medication": {"field": "medication", "default": "unknown"}},
            "declare": {"medication": ["unknown"]},
        },
    ]  # fmt: skip
    return tuple(Rule.model_validate(rule) for rule in declared)


def builtin_rules(business_events: Iterable[str], presets: Iterable[Preset] = ()) -> list[Rule]:
    """Return all built-in rules; business_events_total counts the `business_events`, `presets` add to the logins."""
    events = list(dict.fromkeys(business_events))
    rules = [*_logins(tuple(presets)), *_fixed()]
    if events:
        rules.append(
            Rule.model_validate(
                {
                    "name": "business_events_total",
                    "help": "Events of the declared list.",
                    "when": {"event": {"one_of": events}},
                    "labels": {"event": "event"},
                    "declare": {"event": events},
                }
            )
        )
    return rules
