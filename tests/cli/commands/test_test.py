"""`shipper test`: people's tests of rules pass where all is as expected, and tell exactly what is not."""

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
    """Where the tests of a test stand."""
    return tmp_path / "tests.yaml"


def case(**more: Any) -> dict[str, Any]:
    """A test of one refused login."""
    return {"name": "a refused login", "lines": [LOGIN], "expect": {"counters": COUNTED}} | more


def suite(file: Path, *cases: dict[str, Any]) -> str:
    """A file of tests."""
    file.write_text(yaml.safe_dump({"tests": list(cases)}, sort_keys=False))
    return str(file)


def found(shipper: Shipper, *arguments: str) -> list[dict[str, Any]]:
    """The differences that a single test tells."""
    _, out, err = shipper("test", "--format", "json", *arguments)
    assert out, err
    (told,) = json.loads(out)["tests"]
    differences: list[dict[str, Any]] = told["differences"]
    return differences


def test_the_examples_hold(shipper: Shipper) -> None:
    """What docs and examples say of the built-in counters is so."""
    code, out, err = shipper("test", str(EXAMPLES))
    assert (code, "0 failed" in out) == (0, True), out + err


def test_every_builtin_counter_has_its_example() -> None:
    """None is left out."""
    tests = yaml.safe_load(EXAMPLES.read_text())["tests"]
    named = {parse_series(text).name for test in tests for text in test["expect"].get("counters", {})}
    assert {rule.name for rule in builtin_rules(Settings().counters.business_events)} <= named


def test_a_failure_shows_expected_and_found(shipper: Shipper, file: Path) -> None:
    """With the place of the test, and exit code 1; the tests that pass are told too."""
    wrong = case(name="wrong", expect={"counters": {**COUNTED, 'failed_login_attempts_total{service="backend"}': 2}})
    code, out, _ = shipper("test", suite(file, case(), wrong))
    assert code == 1
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "ok    a refused login"
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
def test_each_kind_of_difference_is_told(
    shipper: Shipper, file: Path, expect: dict[str, Any], what: str, wanted: str | None, got: str | None
) -> None:
    """By what it is of, what was expected and what was found; None where there is nothing."""
    first = found(shipper, suite(file, case(expect=expect)))[0]
    assert first == {"what": what, "expected": wanted, "found": got}


def test_true_is_not_one(shipper: Shipper, file: Path) -> None:
    """As the index would have it."""
    given = case(lines=[{**LOGIN, "flag": True}], expect={"events": [{"extra": {"flag": 1}}]})
    assert found(shipper, suite(file, given))[0]["found"] == "true"


def test_rules_and_policies_of_the_configuration_are_what_is_tested(
    shipper: Shipper, file: Path, tmp_path: Path
) -> None:
    """A histogram by its samples, a policy by where the entry went."""
    rule = {"name": "seconds", "type": "histogram", "help": "h", "when": {"event": "done"}, "field": "duration_ms",
            "scale": 0.001, "buckets": [0.1, 1]}  # fmt: skip
    config = tmp_path / "shipper.yaml"
    config.write_text(yaml.safe_dump({
        "counters": {"rules": [rule]}, "schema": {"policies": {"correlation_id_missing": "flag"}}
    }))  # fmt: skip
    samples = {"seconds_count": 1, "seconds_sum": 0.5, 'seconds_bucket{le="0.1"}': 0, 'seconds_bucket{le="1"}': 1}
    given = case(lines=[{"event": "done", "duration_ms": 500}], expect={
        "counters": samples, "events": [{"schema": {"errors": [
            {"kind": "correlation_id_missing", "detail": "no correlation id; looked for correlation_id, correlationId, "
             "x_correlation_id, request_id, traceparent"}]}}], "quarantine": [],
    })  # fmt: skip
    code, out, err = shipper("test", "--config", str(config), suite(file, given))
    assert code == 0, out + err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: []", ["tests.yaml has 1 problem", "tests: must not be empty"]),
        ("tests: [{name: x, lines: [a], expect: {}}]", ["line 1", "a test expects something"]),
        ("tests:\n- name: x\n  lines: [a]\n  expct: {}", ["tests.0.expct", "did you mean `expect`?", "line 4"]),
        ("tests:\n- {name: x, lines: [1], expect: {dropped: 0}}", ["tests.0.lines", "put it in quotes"]),
        ("tests:\n- {name: x, lines: [a], expect: {counters: {'a{': 1}}}", ["is no series", "line 2"]),
        ("tests:\n- {name: x, lines: [a], type: dockr, expect: {dropped: 0}}", ["did you mean `docker`?"]),
        ("tests:\n- {name: x, lines: [a], expect: {quarantine: [blnk]}}", ["did you mean `blank`?"]),
        ("tests:\n- {name: x, lines: [a], now: noon, expect: {dropped: 0}}", ["2026-01-01T00:00:00Z", "line 2"]),
        ("tests: [", ["is no YAML in line 1"]),
        ("- a", ["holds list, not keys", "testing-rules.md"]),
        ("tests:\n- &a {name: x, lines: [a], expect: {dropped: 0}}\n- *a", ["the name of an earlier test"]),
    ],
)
def test_a_file_with_a_mistake_is_refused(shipper: Shipper, file: Path, text: str, said: list[str]) -> None:
    """Its line, its key and the hint; nothing is run."""
    file.write_text(text)
    code, out, err = shipper("test", str(file))
    assert (code, out) == (1, "")
    for piece in said:
        assert piece in err
    assert "Traceback" not in err


def test_the_schema_takes_what_is_taken(shipper: Shipper) -> None:
    """An editor that has it marks no example as wrong."""
    _, out, _ = shipper("test", "--schema")
    schema = json.loads(out)
    jsonschema.validate(yaml.safe_load(EXAMPLES.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"tests": [{"name": "x"}]}, schema)


def test_junit_is_as_ci_servers_read_it(shipper: Shipper, file: Path) -> None:
    """Numbers of tests and failures, a failure with its text; no sign that XML cannot hold."""
    wrong = case(name="wrong \x1b[2J", expect={"dropped": 1})
    code, out, _ = shipper("test", "--format", "junit", suite(file, case(), wrong))
    (told,) = ET.fromstring(out)
    assert code == 1
    assert (told.get("tests"), told.get("failures")) == ("2", "1")
    assert [failure.text for failure in told.iter("failure")] == ["dropped entries: expected 1, found 0"]


def test_only_the_tests_asked_for_run(shipper: Shipper, file: Path) -> None:
    """By a part of their name; a name that none has is a mistake."""
    given = suite(file, case(), case(name="other", expect={"dropped": 7}))
    assert shipper("test", given, "--only", "refused")[0] == 0
    assert shipper("test", given, "--only", "nothing")[0] == 2


def test_a_hash_leaves_no_key_behind(shipper: Shipper, file: Path, tmp_path: Path) -> None:
    """Nor does a test make the state directory."""
    config = tmp_path / "shipper.yaml"
    config.write_text(f"redact: {{mode: hash}}\nstate_dir: {tmp_path}/none\n")
    assert shipper("test", "--config", str(config), suite(file, case()))[0] == 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("text", ["a_total", 'a{x="1"}', 'a{x="a\\"b\\\\c\\nd",y=""}'])
def test_a_series_is_written_as_it_is_read(text: str) -> None:
    """Escapes included."""
    assert str(parse_series(text)) == text
