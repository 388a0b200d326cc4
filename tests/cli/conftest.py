"""A small store, and the command line on it."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.cli import main
from shipper.model.documents import Document
from shipper.outputs.sqlite.output import LocalStore
from shipper_processors.render import searched_text
from shipper_processors.times import format_ms

START = 1_795_428_000_000  # 2026-11-23T10:00:00Z
Shipper = Callable[..., tuple[int, str, str]]


def made(number: int, prefix: str = "keneyapp-logs", **fields: Any) -> Document:
    """Return document `number`, one second after the previous one."""
    time_ms = START + number * 1000
    body = {"@timestamp": format_ms(time_ms), "event": "tick", "level": "info", "stream": "stdout", **fields,
            "service": {"name": "backend"}, "log": {"file": {"path": "/var/log/a.log"}, "offset": number}}  # fmt: skip
    return Document(
        f"{prefix}-2026.11.23",
        time_ms.to_bytes(6, "big") + hashlib.blake2b(f"{prefix}{number}".encode(), digest_size=14).digest(),
        time_ms, body.get("correlation_id"), body["event"], body["level"], "backend", searched_text(body),
        orjson.dumps(body),
    )  # fmt: skip


def quarantined(number: int, raw: str, kind: str = "correlation_id_missing") -> Document:
    """Return a quarantined document."""
    reasons = [{"kind": kind, "field": "correlation_id", "detail": "missing"}]
    return made(number, "keneyapp-quarantine", reasons=reasons, raw=raw, index="keneyapp-logs-2026.11.23")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    """Yield a store with 150 entries, three of one request, and three quarantined ones."""
    opened = LocalStore(tmp_path / "store")
    opened.write([made(number, message=f"entry {number}") for number in range(147)])
    opened.write([made(number, correlation_id="abc-1", event="step", level="error") for number in (200, 201, 202)])
    opened.write(
        [
            quarantined(1, '{"id": "lost-7"}\x1b[2J'),
            quarantined(2, "{", "json_invalid"),
            quarantined(3, "line\nother line"),
        ]
    )
    yield opened
    opened.close()


@pytest.fixture
def shipper(store: LocalStore, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shipper:
    """Return a function that runs the command line on the store: exit code, standard output, standard error."""
    monkeypatch.setenv("SHIPPER_OUTPUT", store.url)
    monkeypatch.setenv("SHIPPER_STATE_DIR", str(store.directory / "state"))

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return run
