"""Harmless lines: the texts of the shapes of real loggers, and seeded ids, numbers, dates and versions of every form."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import UUID

from shipper_processors.redact_numbers import luhn

CORPUS = Path(__file__).parents[1] / "shapes" / "corpus"
TEMPLATES = (
    "Order {card} shipped", "order_id={card} total=12", "invoice {card} paid", "tracking {d16}", "record {phone} read",
    "mrn {phone} admitted", "patient {phone} discharged", "took {d3}.{d6} ms for {d5} rows", "{d13} events since {d13}",
    "block blk_-{d19} of {d8} bytes", "id={uuid} at {iso}", "{iso} version {v} of build {d10}", "commit {hex40}",
    "GET /api/v1/patients/{d7} 200 {d4} {d3}", "client {ip}:{d5} sent {d9} bytes", "{us} epoch", "ts={ms} seq={d9}",
    "token_count: {d4} max_tokens={d4} tokens: {d3}", "password_length={d2} token_type=Bearer expires_in={d4}",
    "Basic authentication failed", "the bearer authentication scheme", "session opened for user root by (uid=0)",
    "PWD=/root ; USER=root ; COMMAND=/bin/sh", "password: null token=none secret=true", "pass: {d2} fail: 0",
    "status_code={d3} zip={d5} keyboard=us monkey: no", "GET /reset/password 200", "GET /verify/certificate 200",
    "{d4}-{d2}-{d2} {d2}:{d2}:{d2},{d3} INFO worker[{d5}]: done", "port 55{d3} pid {d6} thread {d12}", "span {hex16} trace {hex32}",
    "memory {d10} total {d11} free", "{d3} {d3} {d4} {d5}", "{d3}.{d3}.{d4}.{d2}", "sha256:{hex32}{hex32}", "/dev/sda{d1} {d12} sectors",
    "secretary of the keynote at the token ring", "cookie consent shown", "author: jane authored: {d1} authority=x",
)  # fmt: skip


def corpus() -> Iterator[str]:
    """Yield the lines of the shapes' corpus that hold nothing to mask."""
    for path in sorted(CORPUS.rglob("*.json")):
        yield from _texts(json.loads(path.read_text(encoding="utf-8")))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value.get("lines", ())
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def lines(seed: int, count: int) -> Iterator[str]:
    """Yield seeded lines."""
    random = Random(seed)
    for _ in range(count):
        yield _filled(random, random.choice(TEMPLATES))


def _filled(random: Random, template: str) -> str:
    digits = {f"d{size}": "".join(random.choices("0123456789", k=size)) for size in range(1, 20)}
    body = "4" + "".join(random.choices("0123456789", k=14))
    card = next(f"{body}{last}" for last in range(10) if luhn(f"{body}{last}"))
    hexadecimal = f"{random.getrandbits(160):040x}"
    moment = f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}T{random.randrange(24):02}:{random.randrange(60):02}"
    return template.format(
        **digits, card=card, phone=f"06{digits['d8']}", uuid=UUID(int=random.getrandbits(128)), hex40=hexadecimal,
        hex32=hexadecimal[:32], hex16=hexadecimal[:16], ms=f"1795{digits['d9']}", us=f"1795{digits['d12']}",
        iso=f"{moment}:{random.randrange(60):02}.{digits['d9']}Z", v=f"{digits['d1']}.{digits['d2']}.{digits['d3']}",
        ip=".".join(str(random.randrange(256)) for _ in range(4)),
    )  # fmt: skip
