"""`shipper test`: tests of rules pass if all is as expected, and report exact differences."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml

from shipper.config.settings import Settings
from shipper.diagnose.rule_tests.series import parse_series
from shipper_schemas.builtin_rules import builtin_rules
from tests.cli.conftest import Shipper

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "builtin-counters.yaml"
LOGIN = {"correlation_id": "c-1", "event": "login_failed"}
COUNTED = {
    'failed_login_attempts_total{service="backend"}': 1,
    'login_attempts_total{service="backend",outcome="failure"}': 1,
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of the test file."""
    return tmp_path / "tests.yaml"


def case(**more: Any) -> dict[str, Any]:
    """Return a test of one failed login."""
    return {"name": "a failed login", "lines": [LOGIN], "expect": {"counters": COUNTED}} | more


def suite(file: Path, *cases: dict[str, Any]) -> str:
    """Write a file of tests; return its path."""
    file.write_text(yaml.safe_dump({"tests": list(cases)}, sort_keys=False))
    return str(file)


def differences_of(shipper: Shipper, *arguments: str) -> list[dict[str, Any]]:
    """Return the differences of a single test."""
    _, out, err = shipper("test", "--format", "json", *arguments)
    assert out, err
    (result,) = json.loads(out)["tests"]
    differences: list[dict[str, Any]] = result["differences"]
    return differences


def test_the_examples_hold(shipper: Shipper) -> None:
    """The documented examples of the built-in counters pass."""
    code, out, err = shipper("test", str(EXAMPLES))
    assert (code, "0 failed" in out) == (0, True), out + err


def test_every_builtin_counter_has_its_example() -> None:
    """None is missing."""
    tests = yaml.safe_load(EXAMPLES.read_text())["tests"]
    named = {parse_series(text).name for test in tests for text in test["expect"].get("counters", {})}
    assert {rule.name for rule in builtin_rules(Settings().counters.business_events)} <= named


def test_a_failure_shows_expected_and_found(shipper: Shipper, file: Path) -> None:
    """With the place of the test, and exit code 1; passed tests are listed too."""
    wrong = case(name="wrong", expect={"counters": {**COUNTED, 'failed_login_attempts_total{service="backend"}': 2}})
    code, out, _ = shipper("test", suite(file, case(), wrong))
    assert code == 1
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "ok    a failed login"
    assert lines[1] == f"FAIL  wrong  ({file}, line 11)"
    assert lines[2:5] == ['failed_login_attempts_total{service="backend"}', "- 2", "+ 1"]
    assert "1 passed, 1 failed" in lines[-1]


@pytest.mark.parametrize(
    ("expect", "what", "wanted", "got"),
    [
        ({"counters": {}}, 'failed_login_attempts_total{service="backend"}', None, "1"),
        ({"counters": {**COUNTED, "patient_operations_total": 1}}, "patient_operations_total", "1", None),
        ({"events": [{"event": "login_succeeded"}]}, "event 1, event", '"login_succeeded"', '"login_failed"'),
        ({"events": [{"level": "info"}]}, "event 1, level", '"info"', None),
        ({"events": [{"correlation_id": None}]}, "event 1, correlation_id", "absent", '"c-1"'),
        ({"events": [{"service": {"name": "web"}}]}, "event 1, service.name", '"web"', '"backend"'),
        ({"events": [{}, {"event": "x"}]}, "event 2", '{"event":"x"}', None),
        ({"quarantine": ["blank"]}, "quarantined entry 1", "blank", None),
        ({"dropped": 1}, "dropped entries", "1", "0"),
    ],
)
def test_each_kind_of_difference_is_reported(
    shipper: Shipper, file: Path, expect: dict[str, Any], what: str, wanted: str | None, got: str | None
) -> None:
    """With its subject, the expected and the actual value; None if there is none."""
    first = differences_of(shipper, suite(file, case(expect=expect)))[0]
    assert first == {"what": what, "expected": wanted, "found": got}


def test_true_is_not_one(shipper: Shipper, file: Path) -> None:
    """As in the index."""
    boolean = case(lines=[{**LOGIN, "flag": True}], expect={"events": [{"extra": {"flag": 1}}]})
    assert differences_of(shipper, suite(file, boolean))[0]["found"] == "true"


def test_rules_and_policies_of_the_configuration_are_tested(shipper: Shipper, file: Path, tmp_path: Path) -> None:
    """A histogram by its samples, a policy by the outcome of the entry."""
    rule = {"name": "seconds", "type": "histogram", "help": "h", "when": {"event": "done"}, "field": "duration_ms",
            "scale": 0.001, "buckets": [0.1, 1]}  # fmt: skip
    config = tmp_path / "shipper.yaml"
    config.write_text(yaml.safe_dump({
        "counters": {"rules": [rule]}, "schema": {"policies": {"correlation_id_missing": "flag"}}
    }))  # fmt: skip
    samples = {"seconds_count": 1, "seconds_sum": 0.5, 'seconds_bucket{le="0.1"}': 0, 'seconds_bucket{le="1"}': 1}
    measured = case(lines=[{"event": "done", "duration_ms": 500}], expect={
        "counters": samples, "events": [{"schema": {"errors": [
            {"kind": "correlation_id_missing", "detail": "no correlation id, in none of the fields where loggers put one; "
             "see schema.fields"}]}}], "quarantine": [],
    })  # fmt: skip
    code, out, err = shipper("test", "--config", str(config), suite(file, measured))
    assert code == 0, out + err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: []", ["tests.yaml, 1 problem", "tests: must not be empty"]),
        ("tests: [{name: x, lines: [a], expect: {}}]", ["line 1", "expected at least one of events"]),
        ("tests:\n- name: x\n  lines: [a]\n  expct: {}", ["tests.0.expct", "did you mean `expect`?", "line 4"]),
        ("tests:\n- {name: x, lines: [1], expect: {dropped: 0}}", ["tests.0.lines", "put the line in quotes"]),
        ("tests:\n- {name: x, lines: [a], expect: {counters: {'a{': 1}}}", ["invalid series", "line 2"]),
        ("tests:\n- {name: x, lines: [a], type: dockr, expect: {dropped: 0}}", ["did you mean `docker`?"]),
        ("tests:\n- {name: x, lines: [a], expect: {quarantine: [blnk]}}", ["did you mean `blank`?"]),
        ("tests:\n- {name: x, lines: [a], now: noon, expect: {dropped: 0}}", ["2026-01-01T00:00:00Z", "line 2"]),
        ("tests: [", ["invalid YAML in line 1"]),
        ("- a", ["expected keys at the top level, got list", "testing-rules.md"]),
        ("tests:\n- &a {name: x, lines: [a], expect: {dropped: 0}}\n- *a", ["duplicate name `x`"]),
    ],
)
def test_an_invalid_file_is_an_error(shipper: Shipper, file: Path, text: str, said: list[str]) -> None:
    """With line, key and hint; no test runs."""
    file.write_text(text)
    code, out, err = shipper("test", str(file))
    assert (code, out) == (1, "")
    for part in said:
        assert part in err
    assert "Traceback" not in err


def test_the_schema_accepts_valid_files(shipper: Shipper) -> None:
    """An editor with the schema marks no example as invalid."""
    _, out, _ = shipper("test", "--schema")
    schema = json.loads(out)
    jsonschema.validate(yaml.safe_load(EXAMPLES.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"tests": [{"name": "x"}]}, schema)


def test_junit_output_is_valid(shipper: Shipper, file: Path) -> None:
    """Counts of tests and failures, failures with their text, no characters that XML forbids."""
    wrong = case(name="wrong \x1b[2J", expect={"dropped": 1})
    code, out, _ = shipper("test", "--format", "junit", suite(file, case(), wrong))
    (report,) = ET.fromstring(out)
    assert code == 1
    assert (report.get("tests"), report.get("failures")) == ("2", "1")
    assert [failure.text for failure in report.iter("failure")] == ["dropped entries: expected 1, found 0"]


def test_only_runs_the_selected_tests(shipper: Shipper, file: Path) -> None:
    """By a part of the name; no match is a usage error."""
    path = suite(file, case(), case(name="other", expect={"dropped": 7}))
    assert shipper("test", path, "--only", "failed")[0] == 0
    assert shipper("test", path, "--only", "nothing")[0] == 2


def test_hashing_creates_no_key(shipper: Shipper, file: Path, tmp_path: Path) -> None:
    """A test does not create the state directory."""
    config = tmp_path / "shipper.yaml"
    config.write_text(f"redact: {{mode: hash}}\nstate_dir: {tmp_path}/none\n")
    assert shipper("test", "--config", str(config), suite(file, case()))[0] == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("text", ["a_total", 'a{x="1"}', 'a{x="a\\"b\\\\c\\nd",y=""}'])
def test_a_series_round_trips(text: str) -> None:
    """Escapes included."""
    assert str(parse_series(text)) == text
