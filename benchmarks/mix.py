"""Json-file logs of the kinds of line that people have, each alone and all mixed; equal arguments give equal bytes.

python -m benchmarks.mix [--lines N] [--files N] [--data DIR] [KIND]...   generates and prints the folders

A figure over one kind says little: an agent may be fast on it and slow on the next. `WEIGHTS` is the mix, in percent.
"""

import json
import random
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from benchmarks.lines import BEGIN_MS, generated, record, stamp

HERE = Path(__file__).parent
VERSION = 1
MIX = "mix"
Fields = dict[str, object]


def request(rng: random.Random, ms: int) -> Fields:
    """The fields of a request's entry, as an application with the schema's names logs it."""
    return {
        "timestamp": stamp(ms),
        "level": "info",
        "correlation_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event": "request_complete",
        "method": "GET",
        "path": f"/api/v1/patients/{rng.randrange(20_000)}",
        "status_code": 200,
        "duration_ms": round(rng.random() * 300, 2),
        "client_ip": f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
        "user_id": f"u-{rng.randrange(9000)}",
        "message": "Request completed for the patient record",
    }


def ordinary(rng: random.Random, ms: int) -> Fields:
    """Known fields alone."""
    return request(rng, ms)


def unknown(rng: random.Random, ms: int) -> Fields:
    """Three fields more, which no schema knows."""
    return request(rng, ms) | {"ward": "cardiology", "tenant": "t-17", "response_bytes": rng.randrange(9999)}


def nested(rng: random.Random, ms: int) -> Fields:
    """A field that is an object, with a list in it."""
    return request(rng, ms) | {"user": {"id": rng.randrange(9000), "roles": ["nurse", "admin"]}}


def escapes(rng: random.Random, ms: int) -> Fields:
    """Quotes and a line break in the message."""
    text = f'statement "SELECT 1" took {rng.randrange(99)} ms\nshard {rng.randrange(9)}'
    return request(rng, ms) | {"message": text}


def accents(rng: random.Random, ms: int) -> Fields:
    """Letters beyond ASCII, escaped as most JSON encoders do it."""
    return request(rng, ms) | {"message": "Dossier créé à Besançon, prêt"}


def traceback(rng: random.Random, ms: int) -> Fields:
    """A stack trace of a dozen frames in one field."""
    frames = "".join(f'  File "/srv/app/part{n}.py", line {n}, in step\n    call()\n' for n in range(12))
    text = f"Traceback (most recent call last):\n{frames}ValueError: not a record"
    return request(rng, ms) | {"level": "error", "exception": text}


def noid(rng: random.Random, ms: int) -> Fields:
    """A request without a correlation id, which goes to quarantine."""
    return {name: value for name, value in request(rng, ms).items() if name != "correlation_id"}


def text(rng: random.Random, _ms: int) -> str:
    """A line of a logger that writes text."""
    job, seconds = rng.randrange(99_999), rng.random()
    return f"2026-11-23 10:00:00,123 INFO app.worker[{rng.randrange(9)}]: job {job} took {seconds:.3f}s"


def access(rng: random.Random, _ms: int) -> str:
    """An access line of uvicorn."""
    client = f"10.0.0.{rng.randrange(255)}:{rng.randrange(1024, 65_536)}"
    return f'INFO:     {client} - "GET /api/v1/patients/{rng.randrange(20_000)} HTTP/1.1" 200 OK'


def email(rng: random.Random, ms: int) -> Fields:
    """Personal data in a message, which is masked."""
    return request(rng, ms) | {"message": f"Letter sent to user{rng.randrange(9999)}@example.org"}


def query(rng: random.Random, ms: int) -> Fields:
    """A secret in a query string, which is masked."""
    return request(rng, ms) | {"path": f"/api/v1/patients?token={rng.getrandbits(64):x}&page={rng.randrange(9)}"}


def logger(rng: random.Random, ms: int) -> Fields:
    """What a logging library adds of the place in the code."""
    where = {"logger": "app.api.patients", "lineno": rng.randrange(400), "func_name": "get_patient"}
    return request(rng, ms) | where | {"module": "patients", "process": 7}


def localtime(rng: random.Random, ms: int) -> Fields:
    """A time without a zone, with a blank instead of the T."""
    return request(rng, ms) | {"timestamp": stamp(ms)[:-1].replace("T", " ")}


Kind = Callable[[random.Random, int], Fields | str]
WEIGHTS: dict[Kind, int] = {
    ordinary: 18, unknown: 10, nested: 12, escapes: 10, accents: 4, traceback: 2, noid: 8, text: 10, access: 10,
    email: 4, query: 2, logger: 8, localtime: 2,
}  # fmt: skip
KINDS: dict[str, Kind] = {kind.__name__: kind for kind in WEIGHTS}


def records(kind: str, lines: int, seed: int) -> Iterator[bytes]:
    """`lines` json-file records of a kind, or of the mix."""
    rng, ms = random.Random(seed), BEGIN_MS
    makers = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=lines) if kind == MIX else [KINDS[kind]] * lines
    for make in makers:
        ms += rng.randrange(1, 4)
        content = make(rng, ms)
        yield record(rng, ms, content if isinstance(content, str) else json.dumps(content))


def ensure(folder: Path, kind: str, lines: int, files: int) -> Path:
    """The folder of `files` container logs with `lines` lines of a kind in total, generated if it does not exist."""
    root, first = folder / f"{kind}-v{VERSION}-{lines}-{files}", sum(kind.encode()) * 1_000_000
    return generated(root, first, files, lambda number: records(kind, lines // files, 5 + number))


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice([MIX, *KINDS]))
@click.option("--lines", default=200_000, show_default=True, help="Lines of each kind.")
@click.option("--files", default=(1,), multiple=True, show_default=True, help="Number of files; repeatable.")
@click.option("--data", default=HERE / "data", type=click.Path(path_type=Path), help="Folder for generated logs.")
def main(kinds: tuple[str, ...], lines: int, files: tuple[int, ...], data: Path) -> None:
    """Generate logs and print their folders."""
    for kind in kinds or (MIX, *KINDS):
        for number in files:
            print(ensure(data, kind, lines, number))


if __name__ == "__main__":
    main()
