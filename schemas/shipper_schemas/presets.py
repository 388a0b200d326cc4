"""Presets: cases of the login rules for systems whose logs nobody can change. `counters.presets` switches them on.

`failed_login_attempts_total` and `login_attempts_total` count their logins beside those of applications, by service.
A preset finds its lines by what only the system itself writes: the form of a text line, or fields beside the message.
"""

from collections.abc import Iterable
from typing import Any, Literal, get_args

Preset = Literal["keycloak", "sshd", "postgresql", "mongodb", "rabbitmq", "vault"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
Conditions = list[dict[str, Any]]

TEXT = {"event": "unstructured"}
"""A plain text, of which the message is the whole."""
FAILURES: dict[Preset, Conditions] = {
    "keycloak": [
        {**TEXT, "message": {"contains": "LOGIN_ERROR", "preset": "keycloak_failure"}},
        {"logger": "org.keycloak.events", "message": {"prefix": 'type="LOGIN_ERROR"'}},
        {"logger": "org.keycloak.events", "message": {"prefix": "type=LOGIN_ERROR,"}},
        {"loggerName": "org.keycloak.events", "message": {"prefix": 'type="LOGIN_ERROR"'}},
        {"loggerName": "org.keycloak.events", "message": {"prefix": "type=LOGIN_ERROR,"}},
    ],
    "sshd": [
        {
            "any": [TEXT, {"logger": {"one_of": ["sshd", "sshd-session", "sshd-auth"]}}],
            "message": {"contains": "Failed ", "preset": "sshd_failure"},
        }
    ],
    "postgresql": [
        {
            "any": [TEXT, {"logger": {"one_of": ["postgres", "postgresql"]}}],
            "message": {"contains": " authentication failed for user ", "preset": "postgresql_failure"},
        },
        {
            "state_code": {"one_of": ["28P01", "28000"]},
            "error_severity": "FATAL",
            "message": {"contains": " authentication failed for user "},
        },
        {
            "record.sql_state_code": {"one_of": ["28P01", "28000"]},
            "record.error_severity": "FATAL",
            "record.message": {"contains": " authentication failed for user "},
        },
    ],
    "mongodb": [
        {
            "c": "ACCESS",
            "msg": {"one_of": ["Authentication failed", "Failed to authenticate"]},
            "any": [
                {"attr.isSpeculative": False},
                {"attr.speculative": False},
                {"attr.error": {"preset": "mongodb_rejected"}},
            ],
        }
    ],
    "rabbitmq": [
        {**TEXT, "message": {"contains": "user '", "preset": "rabbitmq_failure"}},
        {"pid": {"prefix": "<0."}, "message": {"contains": "user '", "preset": "rabbitmq_failure"}},
        {"pid": {"prefix": "<0."}, "msg": {"contains": "user '", "preset": "rabbitmq_failure"}},
    ],
    "vault": [
        {
            "type": "response",
            "request.path": {"preset": "vault_login"},
            "any": [{"error": {"preset": "not_empty"}}, {"response.data.error": {"preset": "not_empty"}}],
        }
    ],
}
"""By preset, alternatives of a failed login."""
SUCCESSES: dict[Preset, Conditions] = {
    "keycloak": [
        {**TEXT, "message": {"contains": "[org.keycloak.events]", "preset": "keycloak_success"}},
        {"logger": "org.keycloak.events", "message": {"prefix": 'type="LOGIN"'}},
        {"logger": "org.keycloak.events", "message": {"prefix": "type=LOGIN,"}},
        {"loggerName": "org.keycloak.events", "message": {"prefix": 'type="LOGIN"'}},
        {"loggerName": "org.keycloak.events", "message": {"prefix": "type=LOGIN,"}},
    ],
    "sshd": [
        {
            "any": [TEXT, {"logger": {"one_of": ["sshd", "sshd-session", "sshd-auth"]}}],
            "message": {"contains": "Accepted ", "preset": "sshd_success"},
        }
    ],
    "postgresql": [
        {
            "any": [TEXT, {"logger": {"one_of": ["postgres", "postgresql"]}}],
            "message": {"contains": "connection authorized: user=", "preset": "postgresql_success"},
        },
        {
            "error_severity": "LOG",
            "backend_type": {"one_of": ["client backend", "walsender"]},
            "message": {"prefix": "connection authorized: user="},
        },
        {
            "record.error_severity": "LOG",
            "record.backend_type": {"one_of": ["client backend", "walsender"]},
            "record.message": {"prefix": "connection authorized: user="},
        },
    ],
    "mongodb": [
        {
            "c": "ACCESS",
            "msg": {"one_of": ["Authentication succeeded", "Successful authentication", "Successfully authenticated"]},
        }
    ],
    "rabbitmq": [
        {**TEXT, "message": {"contains": " authenticated and granted access ", "preset": "rabbitmq_success"}},
        {
            "pid": {"prefix": "<0."},
            "message": {"contains": " authenticated and granted access ", "preset": "rabbitmq_success"},
        },
        {
            "pid": {"prefix": "<0."},
            "msg": {"contains": " authenticated and granted access ", "preset": "rabbitmq_success"},
        },
    ],
    "vault": [
        {
            "type": "response",
            "request.path": {"preset": "vault_login"},
            "any": [
                {"auth.client_token": {"preset": "not_empty"}},
                {"response.auth.client_token": {"preset": "not_empty"}},
            ],
        }
    ],
}
"""By preset, alternatives of a successful login; a failed one is tried before them."""


def failures(presets: Iterable[Preset]) -> Conditions:
    """Return the alternatives of a failed login, without duplicates of a preset."""
    return [condition for preset in dict.fromkeys(presets) for condition in FAILURES[preset]]


def successes(presets: Iterable[Preset]) -> Conditions:
    """Return the alternatives of a successful login, without duplicates of a preset."""
    return [condition for preset in dict.fromkeys(presets) for condition in SUCCESSES[preset]]
