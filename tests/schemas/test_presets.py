"""Presets: real lines of other systems count as logins, once an attempt, on both paths; imitations never do."""

import json
import os
from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.settings import Settings
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import native
from shipper_processors.login_lines import TESTS
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Origin
from shipper_schemas.presets import FAILURES, PRESETS, SUCCESSES, Preset
from shipper_schemas.rules import events_requiring_id
from tests.processors.both_paths import NOW, cri, docker, same

SOURCE = Source.of(Origin("/x.log", "c1", "backend", container_id="c1"))
FAILURE, SUCCESS, NOTHING = (1, 0), (0, 1), (0, 0)
PG = "2021-03-17 15:18:05.634 UTC [170] "
RABBIT = "2025-09-10 14:52:44.657199+00:00 "
SSH = "Dec 10 06:55:48 LabSZ sshd[24200]: "
KEYCLOAK = "2024-10-17 10:43:38,199 WARN  [org.keycloak.events] (executor-thread-26) "


def mongo(message: str, id_: int, **attr: Any) -> str:
    """Return a line of MongoDB."""
    head = {"t": {"$date": "2025-06-04T18:07:30.923+00:00"}, "s": "I", "c": "ACCESS", "id": id_, "ctx": "conn10494"}
    return json.dumps({**head, "msg": message, "attr": attr})


def vault(type_: str, path: str, **fields: Any) -> str:
    """Return a line of Vault's audit log."""
    request = {"id": "d3fa1512-787d-2575-9a39-797e710e79e7", "operation": "update", "path": path}
    return json.dumps({"time": "2024-10-17T10:43:38Z", "type": type_, "request": request, **fields})


def keycloak_json(message: str) -> str:
    """Return a line of Keycloak's JSON log."""
    fields = {
        "timestamp": "2024-10-30T17:27:03.414Z",
        "sequence": 9510,
        "loggerName": "org.keycloak.events",
        "level": "WARN",
    }
    return json.dumps({**fields, "message": message, "threadName": "executor-thread-7", "mdc": {}, "ndc": ""})


def postgres_json(severity: str, message: str, **fields: Any) -> str:
    """Return a line of PostgreSQL's jsonlog."""
    own = {"timestamp": "2024-10-17 10:43:38.199 UTC", "pid": 170, "error_severity": severity, "message": message}
    return json.dumps(own | {"backend_type": "client backend"} | fields)


def rabbit_json(level: str, message: str) -> str:
    """Return a line of RabbitMQ's JSON log."""
    return json.dumps({"time": "2024-10-17 10:43:38.199+00:00", "level": level, "msg": message, "pid": "<0.997.0>"})


END = '{"correlation_id":"z","event":"end"}'
"""A line after which no text waits for more."""
UNKNOWN = 'UserNotFound: Could not find user "unifi" for db "admin"'
LINES: list[tuple[Preset, str, tuple[int, int]]] = [
    ("sshd", f"{SSH}Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2", FAILURE),
    ("sshd", f"{SSH}Failed password for root from 112.95.230.3 port 45378 ssh2", FAILURE),
    ("sshd", f"{SSH}Failed keyboard-interactive/pam for root from fe80::1%eth0 port 45378 ssh2", FAILURE),
    ("sshd", "Failed password for root from 112.95.230.3 port 45378 ssh2 [preauth]", FAILURE),
    ("sshd", "2026-11-30T11:37:18.721000+00:00 bastion sshd-session[77]: Failed password for a b from ::1 port 9 ssh2", FAILURE),
    ("sshd", f"<38>{SSH}Failed password for root from 112.95.230.3 port 45378 ssh2", FAILURE),
    ("sshd", f"{SSH}message repeated 5 times: [ Failed password for root from 5.36.59.76 port 42393 ssh2]", FAILURE),
    ("sshd", f"{SSH}Failed password for invalid user x from 1.1.1.1 port 1 ssh2 from 2.2.2.2 port 2 ssh2", FAILURE),
    ("sshd", f"{SSH}Failed password for invalid user Accepted password for root from 1.1.1.1 from 2.2.2.2 port 2 ssh2", FAILURE),
    ("sshd", f"{SSH}Failed password for invalid user  from 2.2.2.2 port 2 ssh2", FAILURE),
    ("sshd", f"{SSH}Accepted password for fztu from 119.137.62.142 port 49116 ssh2", SUCCESS),
    ("sshd", f"{SSH}Accepted publickey for core from 10.0.2.2 port 36010 ssh2: RSA SHA256:abcDEF/+x", SUCCESS),
    ("sshd", f"{SSH}Invalid user webmaster from 173.234.31.186", NOTHING),
    ("sshd", f"{SSH}Invalid user Failed password for root from 1.1.1.1 port 1 ssh2 from 2.2.2.2 port 22", NOTHING),
    ("sshd", f"{SSH}Connection closed by authenticating user root 1.2.3.4 port 5 [preauth]", NOTHING),
    ("sshd", f"{SSH}Connection closed by invalid user Accepted password for root from 1.1.1.1 port 1 ssh2 1.2.3.4 port 5 [preauth]", NOTHING),
    ("sshd", f"{SSH}Failed none for invalid user x from 1.2.3.4 port 5 ssh2", NOTHING),
    ("sshd", f"{SSH}Failed publickey for invalid user x from 1.2.3.4 port 5 ssh2: RSA SHA256:a", NOTHING),
    ("sshd", f"{SSH}pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4 user=root", NOTHING),
    ("sshd", "app: Failed password for root from 112.95.230.3 port 45378 ssh2", NOTHING),
    ("sshd", f"comment: {SSH}Failed password for root from 112.95.230.3 port 45378 ssh2", NOTHING),
    ("postgresql", f'{PG}FATAL:  password authentication failed for user "x"', FAILURE),
    ("postgresql", f'{PG}postgres@postgres FATAL:  password authentication failed for user "x"', FAILURE),
    ("postgresql", f'{PG}[unknown]@[unknown] FATAL:  28P01: password authentication failed for user "a b"', FAILURE),
    ("postgresql", '<131>Mar 17 15:18:05 db postgres[170]: [3-1] FATAL:  password authentication failed for user "x"', FAILURE),
    ("postgresql", 'Mar 17 15:18:05 db postgres[170]: [3-1] a@b FATAL:  password authentication failed for user "a"', FAILURE),
    ("postgresql", 'Mar 17 15:18:05 db shop[170]: FATAL:  password authentication failed for user "a"', NOTHING),
    ("postgresql", 'FATAL:  LDAP authentication failed for user "x"', FAILURE),
    ("postgresql", f'{PG}FATAL:  password authentication failed for user "x"" FATAL:  password authentication failed for user "y"', FAILURE),
    ("postgresql", f'{PG}FATAL:  password authentication failed for user "LOG:  connection authorized: user=y"', FAILURE),
    ("postgresql", f'{PG}a LOG:  b@db FATAL:  password authentication failed for user "a LOG:  b"', FAILURE),
    ("postgresql", f'{PG}DETAIL:  Connection matched pg_hba.conf line 95: "host all all all scram-sha-256"', NOTHING),
    ("postgresql", f'{PG}x FATAL:  password authentication failed for user "y@db DETAIL:  Connection matched pg_hba.conf line 95: "host all all all md5"', NOTHING),
    ("postgresql", f'{PG}DETAIL:  Role "x FATAL:  password authentication failed for user "y" does not exist.', NOTHING),
    ("postgresql", f"{PG}LOG:  statement: SELECT 'FATAL:  password authentication failed for user \"x\"", NOTHING),
    ("postgresql", f'{PG}LOG:  statement: SELECT 1 @-- FATAL:  password authentication failed for user "LOG:  statement: SELECT 1 "', NOTHING),
    ("postgresql", f'{PG}me@db LOG:  statement: SELECT 1 -- FATAL:  password authentication failed for user "x"', NOTHING),
    ("postgresql", f'{PG}[FATAL:  password authentication failed for user "y] LOG:  statement: select 1 as "a"', NOTHING),
    ("postgresql", f'{PG}FATAL:  role "x" does not exist', NOTHING),
    ("postgresql", '2024-10-17 10:43:38 UTC:10.0.0.1(5432):me@db:[170]:FATAL:  password authentication failed for user "me"', FAILURE),
    ("postgresql", '2024-10-17 10:43:38 UTC [170]: [1-1] user=me,db=db,app=[unknown],client=10.0.0.1 FATAL:  password authentication failed for user "me"', FAILURE),
    ("postgresql", '2024-10-17 10:43:38,199 INFO shop searched for FATAL:  password authentication failed for user "x"', NOTHING),
    ("postgresql", 'searched for FATAL:  password authentication failed for user "x"', NOTHING),
    ("postgresql", f"{PG}LOG:  connection authorized: user=app database=app application_name=psql", SUCCESS),
    ("postgresql", f"{PG}app@app LOG:  connection authorized: user=app database=app SSL enabled (protocol=TLSv1.3, bits=256)", SUCCESS),
    ("postgresql", f"{PG}LOG:  replication connection authorized: user=replica", SUCCESS),
    ("postgresql", f"{PG}LOG:  connection received: host=127.0.0.1 port=5", NOTHING),
    ("postgresql", f'{PG}x LOG:  connection authorized: user=y@db DETAIL:  Connection matched pg_hba.conf line 95: "host all"', NOTHING),
    ("postgresql", postgres_json("FATAL", 'password authentication failed for user "x"', state_code="28P01", user="x"), FAILURE),
    ("postgresql", postgres_json("FATAL", 'Ident authentication failed for user "x"', state_code="28000"), FAILURE),
    ("postgresql", postgres_json("ERROR", 'password authentication failed for user "x"', state_code="P0001"), NOTHING),
    ("postgresql", postgres_json("LOG", "connection authorized: user=app database=app", state_code="00000"), SUCCESS),
    ("postgresql", postgres_json("LOG", "statement: connection authorized: user=app", state_code="00000"), NOTHING),
    ("postgresql", json.dumps({"level": "info", "logger": "postgres", "msg": "record", "record": {"error_severity": "FATAL", "sql_state_code": "28P01", "message": 'password authentication failed for user "x"'}}), FAILURE),
    ("mongodb", mongo("Authentication failed", 20249, mechanism="SCRAM-SHA-256", principalName="x", error="AuthenticationFailed: SCRAM authentication failed, storedKey mismatch"), FAILURE),
    ("mongodb", mongo("Authentication failed", 20249, mechanism="SCRAM-SHA-1", speculative=False, error=UNKNOWN), FAILURE),
    ("mongodb", mongo("Authentication failed", 20249, mechanism="SCRAM-SHA-256", speculative=True, error=UNKNOWN), NOTHING),
    ("mongodb", mongo("Failed to authenticate", 5286307, isSpeculative=True, mechanism="SCRAM-SHA-256", error=UNKNOWN), NOTHING),
    ("mongodb", mongo("Failed to authenticate", 5286307, isSpeculative=False, mechanism="SCRAM-SHA-1", error=UNKNOWN), FAILURE),
    ("mongodb", mongo("Failed to authenticate", 5286307, isSpeculative=True, error="AuthenticationFailed: SCRAM authentication failed, storedKey mismatch"), FAILURE),
    ("mongodb", mongo("Successfully authenticated", 5286306, isSpeculative=True, mechanism="SCRAM-SHA-256", user="app"), SUCCESS),
    ("mongodb", mongo("Successful authentication", 20250, mechanism="SCRAM-SHA-256", principalName="app"), SUCCESS),
    ("mongodb", mongo("Supported SASL mechanisms requested for unknown user", 20251, user={"user": "Authentication failed"}), NOTHING),
    ("mongodb", json.dumps({"c": "NETWORK", "msg": "Authentication failed", "attr": {"error": "x"}}), NOTHING),
    ("rabbitmq", f"{RABBIT}[warning] <0.997.0> HTTP access denied: user 'x' - invalid credentials", FAILURE),
    ("rabbitmq", f"{RABBIT}[error] <0.842.0> PLAIN login refused: user 'x' - invalid credentials", FAILURE),
    ("rabbitmq", f"{RABBIT}[error] <0.872.0> PLAIN login refused: user 'root' can only connect via localhost", FAILURE),
    ("rabbitmq", f"{RABBIT}[error] <0.1.0> PLAIN login refused: user 'a' authenticated and granted access to vhost '/' - invalid credentials", FAILURE),
    ("rabbitmq", f"{RABBIT}[info] <0.751.0> connection <0.751.0> (172.17.0.1:51234 -> 172.17.0.2:5672): user 'guest' authenticated and granted access to vhost '/'", SUCCESS),
    ("rabbitmq", f"{RABBIT}[info] <0.751.0> connection <0.751.0> ([::1]:51234 -> [::1]:5672 - my app): user 'a b' authenticated and granted access to vhost '/'", SUCCESS),
    ("rabbitmq", f"{RABBIT}[info] <0.751.0> connection 172.17.0.1:51234 -> 172.17.0.2:5672: user 'guest' authenticated and granted access to vhost '/'", SUCCESS),
    ("rabbitmq", f"{RABBIT}[error] <0.872.0> Error on AMQP connection <0.872.0> (172.19.0.6:35956 -> 172.19.0.4:5672 - PLAIN login refused: user 'x', state: starting):", NOTHING),
    ("rabbitmq", f"{RABBIT}[info] <0.1.0> connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2 - x): user 'a' authenticated and granted access to vhost '/') has a client-provided name: x): user 'a' authenticated and granted access to vhost '/'", NOTHING),
    ("rabbitmq", f"{RABBIT}[info] <0.1.0> closing AMQP connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2 - x, vhost: '/', user: 'guest')", NOTHING),
    ("rabbitmq", "shop: HTTP access denied: user 'x' - invalid credentials", NOTHING),
    ("rabbitmq", rabbit_json("warning", "HTTP access denied: user 'x' - invalid credentials"), FAILURE),
    ("rabbitmq", rabbit_json("error", "Error on AMQP connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2, state: starting):\nPLAIN login refused: user 'x' - invalid credentials"), FAILURE),
    ("rabbitmq", rabbit_json("info", "connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2): user 'guest' authenticated and granted access to vhost '/'"), SUCCESS),
    ("rabbitmq", json.dumps({"message": "HTTP access denied: user 'x' - invalid credentials"}), NOTHING),
    ("keycloak", f'{KEYCLOAK}type="LOGIN_ERROR", realmId="15b3", realmName="test", clientId="a", userId="null", ipAddress="192.168.65.1", error="invalid_user_credentials", username="x, type=LOGIN,"', FAILURE),
    ("keycloak", "10:28:42,779 WARN  [org.keycloak.events] (default task-83) type=LOGIN_ERROR, realmId=nwse, clientId=nexus, ipAddress=127.0.0.1, error=user_not_found", FAILURE),
    ("keycloak", f"{KEYCLOAK.replace('WARN ', 'DEBUG')}type=LOGIN, realmId=nwse, clientId=nexus, username=type=LOGIN_ERROR,", SUCCESS),
    ("keycloak", f"{KEYCLOAK}type=CODE_TO_TOKEN_ERROR, realmId=nwse", NOTHING),
    ("keycloak", f"{KEYCLOAK}type=CLIENT_LOGIN, clientId=x, username=type=LOGIN_ERROR, ", NOTHING),
    ("keycloak", KEYCLOAK.replace("events", "services") + 'type="LOGIN_ERROR", realmId="15b3"', NOTHING),
    ("keycloak", 'type="LOGIN_ERROR", realmId="15b3"', NOTHING),
    ("keycloak", keycloak_json('type="LOGIN_ERROR", realmId="f1", ipAddress="10.0.0.1", error="invalid_user_credentials"'), FAILURE),
    ("keycloak", keycloak_json("type=LOGIN_ERROR, realmId=f1, error=user_not_found"), FAILURE),
    ("keycloak", keycloak_json('type="LOGIN", realmId="f1", username="x"'), SUCCESS),
    ("keycloak", keycloak_json('type="LOGOUT", realmId="f1", username="type=LOGIN_ERROR,"'), NOTHING),
    ("keycloak", json.dumps({"message": 'type="LOGIN_ERROR", realmId="f1"'}), NOTHING),
    ("vault", vault("response", "auth/userpass/login/bob", error="invalid username or password"), FAILURE),
    ("vault", vault("response", "auth/approle/login", auth={"client_token": ""}, response={"data": {"error": "hmac-sha256:ee6b"}}), FAILURE),
    ("vault", vault("response", "auth/team/a/ldap/login/auth/x/login/y", error="ldap operation failed"), FAILURE),
    ("vault", vault("request", "auth/userpass/login/bob", error="invalid username or password"), NOTHING),
    ("vault", vault("response", "auth/userpass/login/bob", error="", auth={"client_token": "hmac-sha256:1f"}, response={"auth": {"client_token": "hmac-sha256:1f"}}), SUCCESS),
    ("vault", vault("response", "secret/data/auth/userpass/login/bob", error="permission denied"), NOTHING),
    ("vault", vault("response", "auth/token/create/login", error="permission denied"), NOTHING),
    ("vault", vault("response", "auth/userpass/users/login", error="permission denied"), NOTHING),
]  # fmt: skip


@cache
def pipeline(presets: tuple[Preset, ...]) -> Pipeline:
    """Return the Python chain with presets."""
    return Pipeline(Enforce(), Counting(builtin_rules([], presets)), Redactor())


def logins(lines: list[str], presets: tuple[Preset, ...]) -> tuple[int, int]:
    """Return the failed and the successful logins that a log counts."""
    chain, counted = pipeline(presets), Counter[tuple[str, ...]]()
    for entry in ASSEMBLERS["docker"]("c1", Bounds(), None).feed(b"".join(map(docker, [*lines, END])), 0):
        handled = chain.handle(entry, SOURCE, NOW, ship=False)  # type: ignore[arg-type]
        counted.update((added.metric, *added.labels) for added in handled.increments or ())
    failed = counted["login_attempts_total", "backend", "failure"]
    assert counted["failed_login_attempts_total", "backend"] == failed
    return failed, counted["login_attempts_total", "backend", "success"]


@pytest.mark.parametrize(("preset", "line", "expected"), LINES, ids=lambda value: str(value)[:40])
def test_a_real_line_counts_as_it_is(preset: Preset, line: str, expected: tuple[int, int]) -> None:
    """With its preset alone and with all; never without, and by no other preset."""
    others = tuple(other for other in PRESETS if other != preset)
    assert logins([line], (preset,)) == logins([line], PRESETS) == expected
    assert logins([line], others) == logins([line], ()) == NOTHING


@pytest.mark.skipif(native is None and not os.environ.get("CI"), reason="the extension is not installed")
@pytest.mark.parametrize("kind", ["docker", "cri"])
def test_both_paths_count_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines in one log, each followed by one of an application."""
    monkeypatch.setattr("shipper_processors.assemble.MOST_PYTHON_LINES", 1)
    wrap = {"docker": docker, "cri": cri}[kind]
    lines = b"".join(wrap(line.replace("\n", " ")) + wrap(END) for _, line, _ in LINES)
    assert same([lines], kind=kind, presets=PRESETS) > 20, "the lines of an application stay native"


def test_an_attempt_of_several_lines_counts_once() -> None:
    """An invalid user, its password, and the closed connection; a refused connection and its reason."""
    ssh = [
        f"{SSH}Invalid user webmaster from 173.234.31.186 port 38926",
        f"{SSH}Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2",
        f"{SSH}Connection closed by invalid user webmaster 173.234.31.186 port 38926 [preauth]",
    ]
    rabbit = [
        f"{RABBIT}[error] <0.1.0> Error on AMQP connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2, state: starting):",
        f"{RABBIT}[error] <0.1.0> PLAIN login refused: user 'x' - invalid credentials",
        f"{RABBIT}[info] <0.1.0> closing AMQP connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2)",
    ]
    postgres = [
        f'{PG}x@db FATAL:  password authentication failed for user "x"',
        f'{PG}x@db DETAIL:  Connection matched pg_hba.conf line 95: "host all all all scram-sha-256"',
    ]
    for lines in (ssh, rabbit, postgres):
        assert logins(lines, PRESETS) == FAILURE


NAME = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30),
    st.sampled_from([line for _, line, _ in LINES if "\n" not in line]).map(lambda line: line[-60:]),
    st.sampled_from([line for _, line, _ in LINES if "\n" not in line]).map(lambda line: line[:60]),
)


@given(NAME)
def test_a_name_that_a_client_chooses_changes_nothing(name: str) -> None:
    """A failure stays one failure, and lines about the same client stay nothing, whatever it calls itself."""
    failures = [
        f"{SSH}Failed password for invalid user {name} from 1.2.3.4 port 5 ssh2",
        f"{RABBIT}[warning] <0.997.0> HTTP access denied: user '{name}' - invalid credentials",
        f"{RABBIT}[error] <0.997.0> PLAIN login refused: user '{name}' - invalid credentials",
        f'{KEYCLOAK}type="LOGIN_ERROR", realmId="f1", error="user_not_found", username="{name}"',
        keycloak_json(f'type="LOGIN_ERROR", realmId="f1", error="user_not_found", username="{name}"'),
        vault("response", f"auth/userpass/login/{name}", error="invalid username or password"),
        mongo("Authentication failed", 20249, principalName=name, error="AuthenticationFailed: no"),
    ]
    nothing = [
        f"{SSH}Invalid user {name} from 1.2.3.4 port 5",
        f"{SSH}Connection closed by invalid user {name} 1.2.3.4 port 5 [preauth]",
        f"{RABBIT}[info] <0.1.0> connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2 - {name}) has a client-provided name: {name}",
        f"{RABBIT}[error] <0.1.0> Error on AMQP connection <0.1.0> (1.1.1.1:1 -> 1.1.1.1:2 - {name}, state: starting):",
        f'{PG}DETAIL:  Role "{name}" does not exist.',
        f'{KEYCLOAK}type="LOGOUT", realmId="f1", username="{name}"',
    ]
    for line in failures:
        assert logins([line], PRESETS) == FAILURE, line
    if len(name.encode()) < 64:
        assert logins([f'{PG}FATAL:  password authentication failed for user "{name}"'], PRESETS) == FAILURE
    for line in nothing:
        assert logins([line], PRESETS) == NOTHING, line


def test_presets_are_whole_and_ask_for_no_id() -> None:
    """Each has failures and successes, each test exists, and no event of theirs must carry a correlation id."""
    assert set(PRESETS) == set(FAILURES) == set(SUCCESSES)
    assert set(TESTS) == set(
        Settings.model_json_schema()["$defs"]["Matcher"]["properties"]["preset"]["anyOf"][0]["enum"]
    )
    assert events_requiring_id(builtin_rules([], PRESETS)) == events_requiring_id(builtin_rules([]))


@pytest.mark.parametrize("builtin", [True, False])
def test_the_setting_switches_presets_on(builtin: bool) -> None:
    """With or without the built-in counters; none by default."""
    counters = Settings.model_validate({"counters": {"builtin": builtin, "presets": ["sshd", "sshd"]}}).counters
    names = {rule.name for rule in counters.all_rules()}
    assert {"failed_login_attempts_total", "login_attempts_total"} <= names
    assert ("patient_operations_total" in names) == builtin
    assert Settings.model_validate({"counters": {"builtin": False}}).counters.all_rules() == []
