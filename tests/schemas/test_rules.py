"""The rule language: invalid rules are errors with a reason."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from shipper_schemas import rules
from shipper_schemas.rules import Rule, unique_metrics

GOOD: dict[str, Any] = {
    "name": "no_shows_total",
    "help": "h",
    "when": {"event": "appointment_missed"},
    "labels": {"department": "department"},
}


def test_a_rule_of_the_documentation_is_accepted() -> None:
    """Field, map, default and declared values."""
    labels = {"department": {"field": "department", "map": {"cardio": "cardiology"}, "default": "unknown"}}
    rule = Rule.model_validate(GOOD | {"labels": labels, "declare": {"department": ["cardiology"]}})
    assert rule.label_names() == ("department",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "no_shows"}, "ends in _total"),
        ({"name": "shipper_x_total"}, "reserved"),
        ({"name": "1_total"}, "invalid metric name"),
        ({"name": "_total"}, "invalid metric name"),
        ({"name": "no_shows_total\n"}, "invalid metric name"),
        ({"when": {}}, "empty condition"),
        ({"when": None}, "either `when` or `cases`"),
        ({"when": {"event": {}}}, "empty matcher"),
        ({"when": {"event": None}}, "expected a value"),
        ({"when": {"event": ["a"]}}, "expected a value"),
        ({"when": {"event": {"equals": None}}}, "empty matcher"),
        ({"when": {"event": {"one_of": []}}}, "at least 1 item"),
        ({"when": {"event": {"is": "a"}}}, "Extra inputs"),
        ({"when": {"fields": 5}}, "`fields` must be a mapping"),
        ({"when": {"status_code": {"min": 500, "max": 400}}}, "`min` 500 is above `max` 400"),
        ({"when": {"status_code": {"min": float("nan")}}}, "finite"),
        ({"when": {"path": "api/v1"}}, "begins with /"),
        ({"when": {"path": {"route": "/files/{id}.pdf"}}}, "a whole segment of the path"),
        ({"labels": {"text": "message"}}, "free text"),
        ({"labels": {"who": "user_id"}}, "personal data"),
        ({"labels": {"who": "patient_id"}}, "personal data"),
        ({"labels": {"who": "correlation_id"}}, "personal data"),
        ({"labels": {"who": "client_ip"}}, "personal data"),
        ({"labels": {"who": "contact_email"}}, "personal data"),
        ({"labels": {"who": "session_id"}}, "personal data"),
        ({"labels": {"path": "path"}}, "personal data"),
        ({"labels": {"__x": "event"}}, "invalid label name"),
        ({"labels": {"le": "event"}}, "invalid label name"),
        ({"labels": {"a-b": "event"}}, "invalid label name"),
        ({"labels": {"a": {"field": "x", "value": "y"}}}, "either `field` or `value`"),
        ({"declare": {"ward": ["x"]}}, "not one of its labels"),
        ({"declare": {"department": [str(number) for number in range(10_001)]}}, "would create 10001 series"),
        ({"buckets": [1, 2]}, "belong to a histogram"),
        ({"type": "histogram", "name": "x"}, "needs `field` and `buckets`"),
        ({"type": "histogram", "name": "x", "field": "duration_ms", "buckets": [2, 1]}, "ascending order"),
        ({"type": "histogram", "name": "x", "field": "duration_ms", "buckets": [1, 1]}, "ascending order"),
        ({"type": "histogram", "name": "x", "field": "duration_ms", "buckets": [-1, 1]}, "must not be negative"),
        ({"type": "histogram", "name": "x", "field": "duration_ms", "buckets": [1, float("nan")]}, "finite"),
        ({"type": "histogram", "name": "x", "field": "duration_ms", "buckets": [1, float("inf")]}, "finite"),
        ({"type": "histogram", "name": "x_sum", "field": "duration_ms", "buckets": [1]}, "remove the suffix"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_an_invalid_rule_is_an_error_with_the_reason(change: dict[str, Any], message: str) -> None:
    """Each error names the problem."""
    with pytest.raises(ValidationError, match=message):
        Rule.model_validate(GOOD | change)


@pytest.mark.parametrize(
    "field",
    [
        "userId", "requestId", "patientID", "clientIP", "user.id", "x-request-id", "userid", "username", "user",
        "patient", "first_name", "fullName", "emailAddress", "e_mail", "X-Forwarded-For", "traceparent", "traceId",
        "correlation", "password", "date_of_birth", "ip", "uuid", "session",
    ],
)  # fmt: skip
def test_a_field_that_looks_personal_is_no_label_however_it_is_written(field: str) -> None:
    """Snake case, camel case, headers and dots: ids of people and requests stay out of Prometheus."""
    with pytest.raises(ValidationError, match="identifies people or single requests"):
        Rule.model_validate(GOOD | {"labels": {"who": field}})


@pytest.mark.parametrize(
    "field",
    [
        "mrn", "MRN", "patientMrn", "patient.mrn_number", "medical-record-number", "medicalRecordNo", "nir", "numeroNIR",
        "nhs_number", "NHSNumber", "nhsNumber", "NHSnumber", "patientMRNNumber", "nhsno", "nhs-no", "dob", "DOB", "patientDob", "dateOfBirth",
        "birthDate", "date_naissance", "dateNaissance", "geburtsdatum", "firstname", "prénom", "LastName", "patient_names",
        "chart_number", "insuranceNumber", "health_card_no", "passport", "carte_vitale", "numéro_sécu", "zipCode",
        "postcode", "street_name", "phone_number", "ssn_last4", "national_id", "extra.patient.mrn", "dob_year",
    ],
)  # fmt: skip
def test_numbers_names_and_dates_of_people_are_no_labels(field: str) -> None:
    """In whatever spelling; the error says what to use."""
    with pytest.raises(ValidationError, match="personal data") as refused:
        Rule.model_validate(GOOD | {"labels": {"who": field}})
    (detail,) = refused.value.errors()
    assert "coarser field" in detail["ctx"]["error"].hint


@pytest.mark.parametrize(
    "field",
    [
        "diagnosis", "mainDiagnosis", "diagnoses", "diagnostic_code", "DIAGNOSIS", "icd10", "ICD-10-code", "icd_code",
        "snomed_ct", "allergy", "allergies", "symptoms", "bloodType", "blood_pressure", "hiv_status", "medical_history",
        "medicalCondition", "testResult", "lab_results", "pregnancy", "bmi", "extra.patient.diagnosis",
    ],
)  # fmt: skip
def test_health_data_is_no_label(field: str) -> None:
    """As a label it would be in Prometheus for everybody who can query it."""
    with pytest.raises(ValidationError, match="health data of single people") as refused:
        Rule.model_validate(GOOD | {"labels": {"what": {"field": field, "map": {"a": "b"}}}})
    (detail,) = refused.value.errors()
    assert "count without it" in detail["ctx"]["error"].hint


@pytest.mark.parametrize(
    "field",
    [
        "status", "state", "result", "outcome", "ward", "clinic", "appointment_type", "payment_status", "card_type", "room",
        "health", "health_check", "test_name", "queue", "version", "build_number", "page", "streaming", "condition_met",
        "error_code", "country", "currency", "name", "hostname", "service_name", "diagram", "normal", "prescription",
    ],
)  # fmt: skip
def test_coarse_fields_of_an_application_are_labels(field: str) -> None:
    """A guard that refuses these would be switched off."""
    assert Rule.model_validate(GOOD | {"labels": {"by": field}}).label_names() == ("by",)


@pytest.mark.parametrize(
    "field", ["department", "medication", "paid", "covid", "valid", "tooltip", "level", "status_code", "payment_method"]
)
def test_a_field_that_merely_sounds_like_an_id_is_a_label(field: str) -> None:
    """Coarse values may be labels."""
    assert Rule.model_validate(GOOD | {"labels": {"by": field}}).label_names() == ("by",)


def test_special_fields_are_labels() -> None:
    """Service, stream and container come from the runtime."""
    labels = {name: name for name in ("service", "stream", "container")}
    assert Rule.model_validate(GOOD | {"labels": labels}).label_names() == tuple(labels)


def test_numbers_and_truth_in_labels_are_text() -> None:
    """YAML reads 401 and yes as a number and a boolean; people mean the text in a log."""
    labels = {"outcome": {"field": "status_code", "map": {401: "failure", True: 1}, "default": 0}}
    rule = Rule.model_validate(GOOD | {"labels": labels, "declare": {"outcome": [200, False]}})
    assert rule.labels["outcome"].map == {"401": "failure", "true": "1"}
    assert rule.labels["outcome"].default == "0"
    assert rule.declare == {"outcome": ["200", "false"]}


def test_one_of_distinguishes_numbers_from_booleans() -> None:
    """1 and true are one key to Python, and two values to people."""
    rule = Rule.model_validate(GOOD | {"when": {"x": {"one_of": [1, True]}}})
    assert rule.when is not None
    assert [type(value) for value in rule.when.fields["x"].one_of or ()] == [int, bool]


def test_the_example_of_the_documentation_is_accepted() -> None:
    """The example in the module's docstring works as written."""
    shown = yaml.safe_load((rules.__doc__ or "").partition("\n\n")[2])
    rules_ = unique_metrics([Rule.model_validate(rule) for rule in shown["counters"]["rules"]])
    assert [rule.type for rule in rules_] == ["counter", "histogram"]


def test_a_counter_and_a_histogram_of_one_family_are_an_error() -> None:
    """`x_total` and `x` are one family to OpenMetrics, and a scrape of both fails whole."""
    counter = Rule.model_validate(GOOD | {"name": "visits_total"})
    histogram = {"type": "histogram", "name": "visits", "field": "duration_ms", "buckets": [1]}
    with pytest.raises(ValueError, match="both visits in OpenMetrics"):
        unique_metrics([counter, Rule.model_validate(GOOD | histogram)])


def test_two_rules_of_one_name_are_an_error() -> None:
    """A metric has one declaration."""
    rule = Rule.model_validate(GOOD)
    with pytest.raises(ValueError, match="two rules have the name no_shows_total"):
        unique_metrics([rule, rule])


def test_the_events_that_rules_name_require_an_id() -> None:
    """Names of `equals` and `one_of`, however deep; none of a rule that says `optional`, and none the shipper gives."""
    nested = {"all": [{"any": [{"event": {"one_of": ["a", "b", 5]}}, {"event": {"prefix": "c"}}]}, {"event": "d"}]}
    cases = [{"when": {"event": "e"}}, {"when": {"event": "unstructured", "message": "x"}}]
    made = [
        {"name": "x_total", "help": "h", "when": nested},
        {"name": "y_total", "help": "h", "cases": cases},
        {"name": "z_total", "help": "h", "when": {"event": "f"}, "correlation_id": "optional"},
    ]
    assert rules.events_requiring_id(map(Rule.model_validate, made)) == {"a", "b", "d", "e"}
