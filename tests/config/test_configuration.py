"""Configuration: precedence, secrets, and errors that list every key, value and fix at once."""

from pathlib import Path
from typing import Any

import pytest

from shipper.config import load
from shipper.config.settings import Settings
from shipper.system.errors import ConfigurationError
from shipper_schemas.violation import Kind, Policy


def written(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "shipper.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def message_of(
    folder: Path, text: str, environ: dict[str, str] | None = None, flags: dict[str, Any] | None = None
) -> str:
    """Return the message for an invalid configuration."""
    with pytest.raises(ConfigurationError) as caught:
        load(written(folder, text), environ or {}, flags or {})
    return str(caught.value)


def test_defaults_need_no_file() -> None:
    """The agent starts without any configuration."""
    settings = load(None, {}, {})
    assert settings.inputs[0].glob == "/var/lib/docker/containers/*/*-json.log"
    assert settings.output == "local:./shipper-data"
    assert settings.listen == "127.0.0.1:9108"


def test_flags_override_variables_and_variables_the_file(tmp_path: Path) -> None:
    """The precedence is the same for plain and nested keys."""
    file = written(tmp_path, "output: local:/file\nhost: file\ntail: {poll_interval: 1s, batch_bytes: 1MiB}\n")
    environ = {"SHIPPER_HOST": "variable", "SHIPPER_OUTPUT": "local:/variable", "SHIPPER_TAIL__POLL_INTERVAL": "500ms"}
    settings = load(file, environ, {"output": "local:/flag"})
    assert (settings.output, settings.host) == ("local:/flag", "variable")
    assert (settings.tail.poll_interval, settings.tail.batch_bytes) == (0.5, 1024 * 1024)


def test_a_file_can_set_everything(tmp_path: Path) -> None:
    """Inputs in both spellings, policies by kind, rules, units."""
    file = written(
        tmp_path,
        """
inputs:
  - docker:/var/lib/docker/containers/*/*-json.log
  - {type: plain, glob: /var/log/nginx/access.log, from: end, http_source: access, service: gateway, timezone: Asia/Tokyo}
schema:
  policies: {correlation_id_missing: flag, blank: allow}
  max_past: 2d
  timezone: Europe/Paris
counters:
  rules:
    - name: no_shows_total
      help: Appointments that nobody came to.
      when: {event: appointment_missed}
local: {retention_days: 30, retention_bytes: 10GB}
""",
    )
    settings = load(file, {}, {})
    assert settings.inputs[1].start == "end"
    assert (settings.inputs[1].service, settings.inputs[1].timezone) == ("gateway", "Asia/Tokyo")
    assert settings.schema_.policies == {Kind.CORRELATION_ID_MISSING: Policy.FLAG, Kind.BLANK: Policy.ALLOW}
    assert settings.schema_.max_past == 172_800
    assert settings.schema_.timezone == "Europe/Paris"
    assert settings.counters.rules[0].name == "no_shows_total"
    assert settings.local.retention_bytes == 10**10


def test_lists_and_mappings_come_from_variables_as_yaml() -> None:
    """Variables can express everything that the file can."""
    settings = load(None, {"SHIPPER_INPUTS": "['cri:/x/*.log', 'plain:/y']"}, {})
    assert [source.type for source in settings.inputs] == ["cri", "plain"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outptu: local:/x", ["outptu: unknown key", "did you mean `output`"]),
        ("tail: {pol_interval: 1s}", ["tail.pol_interval", "did you mean `poll_interval`"]),
        ("tail: {poll_interval: soon}", ["tail.poll_interval", "a duration such as 250ms", "'soon'"]),
        ("tail: {batch_bytes: 4 parsecs}", ["tail.batch_bytes", "a size such as", "4 parsecs"]),
        ("tail: {batch_bytes: 12}", ["tail.batch_bytes", "1024"]),
        ("inputs: [docker]", ["inputs.0", "TYPE:GLOB"]),
        ("inputs: ['journal:/x']", ["inputs.0", "docker"]),
        ("inputs: docker:/x", ["inputs", "a list"]),
        ("listen: '9108'", ["listen", "HOST:PORT"]),
        ("index: {prefix: Logs}", ["index.prefix", "Logs"]),
        ("index: {prefix: a, quarantine_prefix: a}", ["are the same"]),
        ("schema: {policies: {correlation_id_missing: allow}}", ["schema.policies", "quarantine, flag or drop"]),
        ("schema: {policies: {corelation: drop}}", ["schema.policies"]),
        ("schema: {timezone: Paris}", ["schema.timezone", "unknown time zone 'Paris'", "such as Europe/Paris"]),
        ("schema: {timezone: ../../etc/passwd}", ["schema.timezone", "unknown time zone"]),
        ("inputs: [{type: plain, glob: /x, timezone: Mars}]", ["inputs.0.timezone", "unknown time zone 'Mars'"]),
        ("redact: {patterns: [emial]}", ["emial", "email"]),
        ("redact: {extra_patterns: {x: '('}}", ["not a valid RE2 expression"]),
        ("counters: {rules: [{name: x_total, help: h, when: {event: e}, labels: {u: user_id}}]}", ["personal data"]),
        (
            "counters: {rules: [{name: patient_operations_total, help: h, when: {event: e}}]}",
            ["two rules have the name"],
        ),
        ("just text", ["expected keys at the top level, got str"]),
        ("a: [", ["invalid YAML in line"]),
    ],
)
def test_an_invalid_key_or_value_is_named_with_its_fix(tmp_path: Path, text: str, said: list[str]) -> None:
    """The message has the key, the reason and the fix."""
    message = message_of(tmp_path, text)
    for part in said:
        assert part in message


@pytest.mark.parametrize(
    "text",
    [
        "inputs: {a: b}",
        "elasticsearch: {hosts: {a: b}}",
        "schema: {fields: {message: {a: b}}}",
        "redact: {fields: {a: b}}",
        "counters: {rules: {a: b}}",
        "counters: {rules: [{name: a_total, help: a, when: {any: {event: b}}}]}",
        "counters: {rules: [{name: a_total, help: a, when: {event: {one_of: {a: b}}}}]}",
    ],
)
def test_a_mapping_in_place_of_a_list_is_named_as_such(tmp_path: Path, text: str) -> None:
    """YAML has lists and mappings; Python's types are not named."""
    assert ": expected a list, got a mapping" in message_of(tmp_path, text)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Four mistakes need one start, not four."""
    message = message_of(tmp_path, "outptu: x\nlisten: x\ntail: {batch_age: x}\n", {"SHIPPER_LOG_LEVEL": "loud"})
    assert "4 problems" in message
    for name in ("outptu", "listen", "tail.batch_age", "log_level"):
        assert f"- {name}: " in message
    assert "shipper config schema" in message


def test_hostile_values_are_shown_escaped(tmp_path: Path) -> None:
    """A value from a variable cannot write on the terminal."""
    assert "\x1b" not in message_of(tmp_path, "", {"SHIPPER_LISTEN": "\x1b[31m" * 100})


def test_secrets_come_from_files_and_are_masked(tmp_path: Path) -> None:
    """The value is used, and never shown."""
    (tmp_path / "token").write_text("s3cret-token\n")
    settings = load(written(tmp_path, f"token_file: {tmp_path}/token\n"), {"SHIPPER_REDACT__KEY": "k3y-value"}, {})
    assert settings.token is not None
    assert settings.token.get_secret_value() == "s3cret-token"
    shown = f"{settings!r} {settings.model_dump(mode='json')}"
    assert "s3cret" not in shown
    assert "k3y" not in shown


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    """The error masks it too."""
    assert "s3cret" not in message_of(tmp_path, "token: [s3cret]\n")


@pytest.mark.parametrize("content", [None, ""])
def test_an_unusable_secret_file_is_an_error(tmp_path: Path, content: str | None) -> None:
    """Absent or empty: the message names the key and the file."""
    if content is not None:
        (tmp_path / "token").write_text(content)
    message = message_of(tmp_path, f"token_file: {tmp_path}/token\n")
    assert "token_file: " in message
    assert f"{tmp_path}/token" in message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A mistyped --config never means the defaults."""
    with pytest.raises(ConfigurationError, match=r"cannot read the file.*\n.*--config"):
        load(tmp_path / "absent.yaml", {}, {})


def test_every_setting_has_a_description() -> None:
    """Reference and help are generated from the descriptions."""

    def walk(properties: dict[str, Any], definitions: dict[str, Any]) -> None:
        for name, schema_of_key in properties.items():
            target = schema_of_key.get("$ref", "").rpartition("/")[2]
            if target and "properties" in definitions[target]:
                walk(definitions[target]["properties"], definitions)
            else:
                assert schema_of_key.get("description"), name

    schema = Settings.model_json_schema(by_alias=True)
    walk(schema["properties"], schema["$defs"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema: {fields: {nonsense: [a]}}", "`nonsense` is not a known field"),
        ("schema: {fields: {message: []}}", "`message` has an empty path"),
        ("schema: {require_correlation_id: often}", "schema.require_correlation_id"),
        ("schema: {namespaces: {payments: often}}", "schema.namespaces.payments"),
    ],
)
def test_an_invalid_source_or_policy_of_ids_is_named(tmp_path: Path, text: str, said: str) -> None:
    """With the key that holds it."""
    assert said in message_of(tmp_path, text)
