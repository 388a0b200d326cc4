"""Configurations that every checkout runs with. Keys, host and ports are fixed, so that two runs can be equal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHAINS: Mapping[str, bool] = {"python": False, "native": True}
"""The two implementations of the chain, and the value of the setting `compiled` that chooses one."""

RULES: list[dict[str, Any]] = [
    {"name": "visits_total", "help": "equals", "when": {"event": "visit"}, "labels": {"department": {"field": "department", "default": "none"}},
     "declare": {"department": ["cardiology", "radiology"]}},
    {"name": "cared_total", "help": "one_of", "when": {"event": {"one_of": ["visit", "visit_ended", "prescription_created"]}}},
    {"name": "visit_like_total", "help": "prefix", "when": {"event": {"prefix": "visit"}}, "labels": {"level": "level"}},
    {"name": "csv_total", "help": "glob", "when": {"path": {"glob": "/export/*.csv"}}, "labels": {"format": {"field": "format", "default": "none"}}},
    {"name": "patient_requests_total", "help": "route", "when": {"path": "/api/v1/patients/{id}"},
     "labels": {"status": {"field": "status_code", "map": {"200": "ok", "404": "missing"}, "default": "other"}}},
    {"name": "failures_total", "help": "min", "when": {"status_code": {"min": 500}}, "labels": {"service": "service", "stream": "stream"}},
    {"name": "small_total", "help": "max", "when": {"size": {"max": 9.99}}},
    {"name": "middling_total", "help": "min and max", "when": {"all": [{"size": {"min": 1, "max": 10}}, {"event": "prescription_created"}]}},
    {"name": "either_total", "help": "any", "when": {"any": [{"urgent": True}, {"medication": "aspirin"}, {"user_id": 7}]},
     "labels": {"kind": {"value": "constant"}}},
    {"name": "recorded_requests_total", "help": "request", "when": {"request": True}, "labels": {"method": "method", "service": "service"}},
    {"name": "nested_total", "help": "a nested field", "when": {"user.id": {"min": 0}}},
    {"name": "exports_total", "help": "more values than a label may have", "when": {"event": "export"}, "labels": {"format": "format"}},
    {"name": "outcomes_total", "help": "cases", "cases": [
        {"when": {"event": "login_failed"}, "labels": {"result": {"value": "failed"}, "where": "container"}},
        {"when": {"event": {"prefix": "login"}}, "labels": {"result": {"value": "passed"}, "where": "container"}}]},
    {"name": "request_duration_seconds", "type": "histogram", "help": "histogram", "when": {"request": True}, "field": "duration_ms", "scale": 0.001,
     "buckets": [0.05, 0.1, 0.2], "labels": {"service": "service"}},
]  # fmt: skip

SCENARIOS: Mapping[str, dict[str, Any]] = {
    "usual": {
        "redact": {"mode": "hash", "key": "compare-key-one\ncompare-key-two"},
        "counters": {"rules": [rule for rule in RULES if rule["help"] != "histogram"], "services": ["backend", "quiet"]},
        "schema": {"max_age": "100000d"},
    },
    "strict": {
        "counters": {"rules": RULES, "max_label_values": 5},
        "schema": {
            "max_age": "100000d", "max_past": "1h", "max_future": "1m", "fields": {"correlation_id": ["request_id"]},
            "policies": {
                "correlation_id_missing": "flag", "level_invalid": "drop", "field_invalid": "quarantine", "unstructured": "flag",
                "blank": "allow", "json_invalid": "flag", "timestamp_invalid": "quarantine", "timestamp_skewed": "quarantine",
            },
        },
        "join": {"max_lines": 5, "max_bytes": "4KiB", "wait": "0.3s"},
        "tail": {"max_line_bytes": "20KiB"},
    },
    "searching": {
        "redact": {"extra_patterns": {"ward": "ward-[0-9]+"}, "fields": ["note", "tenant"], "patterns": ["email", "card"]},
        "join": {"wait": "0.3s"},
        "schema": {"max_age": "100000d"},
    },
}  # fmt: skip
"""A histogram, as in `strict`, has the native chain ask the rules for each event. With a pattern of its own, as in
`searching`, it declines every line."""


def settings(scenario: str, chain: str, corpus: Path, state: Path, sink: str, listen: str) -> dict[str, Any]:
    """The content of a configuration file."""
    own = SCENARIOS[scenario]
    return {
        **own,
        "inputs": [
            {"type": "docker", "glob": f"{corpus}/docker/*/*-json.log"},
            {"type": "cri", "glob": f"{corpus}/pods/*/*/*.log"},
            {"type": "plain", "glob": f"{corpus}/plain/*.log", "service": "desk"},
        ],
        "output": sink,
        "state_dir": str(state),
        "state_key": "compare-state-key",
        "listen": listen,
        "log_format": "json",
        "host": "compare-node",
        "compiled": CHAINS[chain],
        "elasticsearch": {"require_template": False, "in_flight": 1, "compress": False},
        "tail": {"poll_interval": "0.05s", "scan_interval": "0.1s", "rotate_wait": "0.2s", **own.get("tail", {})},
        "reload": {"watch": False},
    }
