"""Deterministic json-file logs of a healthcare backend: the same arguments give the same bytes."""

import json
import random
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BEGIN_MS = 1_795_428_000_000  # 2026-11-23T10:00:00Z
ROUTES = ("patients", "appointments", "prescriptions", "lab/results", "messages")
METHODS = ("GET", "GET", "GET", "POST", "PUT")
STATUSES = (200, 200, 200, 201, 404)
VERSION = 1


def stamp(ms: int) -> str:
    """RFC 3339 time with milliseconds, within the day of the logs."""
    seconds, ms = divmod(ms - BEGIN_MS, 1000)
    hours, seconds = divmod(seconds, 3600)
    return f"2026-11-23T{10 + hours % 13:02d}:{seconds // 60:02d}:{seconds % 60:02d}.{ms:03d}Z"


def payload(rng: random.Random, ms: int) -> tuple[str, str]:
    """A line and its stream: 94 % requests, 3 % access lines, 2 % failed logins, 1 % violations."""
    share = rng.random()
    route = f"/api/v1/{rng.choice(ROUTES)}/{rng.randrange(20_000)}"
    address = f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    if share < 0.03:  # noqa: PLR2004
        return f'INFO:     {address}:{rng.randrange(1024, 65536)} - "GET {route} HTTP/1.1" 200 OK', "stdout"
    fields: dict[str, object] = {"timestamp": stamp(ms), "level": ("warning", "info")[share < 0.95]}  # noqa: PLR2004
    if share < 0.99:  # noqa: PLR2004
        fields["correlation_id"] = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    failed = 0.03 <= share < 0.05  # noqa: PLR2004
    fields |= {
        "event": "login_failed" if failed else "request_complete",
        "method": "POST" if failed else rng.choice(METHODS),
        "path": "/api/v1/auth/login" if failed else route,
        "status_code": 401 if failed else rng.choice(STATUSES),
        "duration_ms": round(rng.random() * 300, 2),
        "client_ip": address,
        "user_id": None if failed else f"u-{rng.randrange(9000)}",
        "message": "Login failed" if failed else "Request completed for the patient record",
    }
    return json.dumps(fields), "stdout" if share < 0.98 else "stderr"  # noqa: PLR2004


def records(lines: int, seed: int) -> Iterator[bytes]:
    """`lines` json-file records."""
    rng, ms = random.Random(seed), BEGIN_MS
    for _ in range(lines):
        ms += rng.randrange(1, 4)
        text, stream = payload(rng, ms)
        yield record(rng, ms, text, stream)


def record(rng: random.Random, ms: int, text: str, stream: str = "stdout") -> bytes:
    """A json-file record, at a nanosecond of `ms`."""
    time = f"{stamp(ms)[:-1]}{rng.randrange(1_000_000):06d}Z"
    return json.dumps({"log": f"{text}\n", "stream": stream, "time": time}, separators=(",", ":")).encode() + b"\n"


def ensure(folder: Path, lines: int, files: int, seed: int = 1) -> Path:
    """The folder of `files` container logs with `lines` lines in total, generated if it does not exist."""
    first = seed * 1_000_000
    root = folder / f"v{VERSION}-{lines}-{files}-{seed}"
    return generated(root, first, files, lambda number: records(lines // files, first + number))


def generated(root: Path, first: int, files: int, content: Callable[[int], Iterable[bytes]]) -> Path:
    """The folder `root`, with the logs of `files` containers from the id `first` on if it was not generated before."""
    done = root / "done"
    if not done.exists():
        for number in range(files):
            container = f"{first + number:064x}"
            (root / container).mkdir(parents=True, exist_ok=True)
            with (root / container / f"{container}-json.log").open("wb", buffering=1 << 20) as file:
                file.writelines(content(number))
        done.touch()
    return root
