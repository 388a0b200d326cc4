"""The corpus: logs of all three kinds, written in stages, so that lines and files end in the middle between two runs."""

import gzip
import json
import lzma
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.lines import records
from tests.compare.envelopes import PART, cri, damaged, docker, mingled, plain
from tests.compare.shapes import NO_JSON, entries

RECORDED = Path(__file__).parent / "recorded.json.xz"
STAGES = 3
GONE = "gone"
"""Folder of files that were removed."""
REJECTED, BURIED, THROTTLED = "the-index-rejects-this", "every-index-rejects-this", "the-server-is-busy-once"
"""Texts that the sink rejects with 400, the second in the quarantine too, and one that gets 429 at first."""

Rotation = Literal["none", "renamed", "compressed", "truncated", "removed", "dated"]


@dataclass(frozen=True, slots=True)
class Log:
    """One log: its path below the root, all that is ever written to it, and what becomes of its file meanwhile."""

    path: str
    content: bytes
    rotation: Rotation = "none"
    cuts: tuple[float, float] = (0.43, 0.81)
    """Share of it that is written before the first and the second run; cut between any two bytes."""
    beside: dict[str, bytes] | None = None
    """Files in the same folder, by name."""

    @property
    def unfinished(self) -> int:
        """Bytes after the last newline, which a following agent waits to see finished."""
        return len(self.content.rpartition(b"\n")[2])

    def part(self, stage: int) -> bytes:
        """Return the bytes that are written in a stage, from 0."""
        size = len(self.content)
        ends = [0, *(int(size * cut) for cut in self.cuts), size]
        return self.content[ends[stage] : ends[stage + 1]]


def write(logs: Iterable[Log], root: Path, stage: int) -> None:
    """Bring the folder from one stage to the next; stage 0 begins from nothing."""
    if stage == 0:
        shutil.rmtree(root, ignore_errors=True)
    for log in logs:
        file = root / log.path
        file.parent.mkdir(parents=True, exist_ok=True)
        for name, data in (log.beside or {}).items() if stage == 0 else ():
            (file.parent / name).write_bytes(data)
        _advance(log, file, root / GONE, stage)


def _advance(log: Log, file: Path, gone: Path, stage: int) -> None:
    part = log.part(stage)
    if stage and log.rotation == "removed":
        _put_away(file, gone)
        return
    if stage and log.rotation in ("renamed", "compressed", "dated"):
        late = part[: len(part) // 3]
        _append(file, late)
        part = part[len(late) :]
        _rotate(log, file, gone, stage)
    if stage and log.rotation == "truncated":
        os.truncate(file, 0)
    _append(file, part)


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)


def _put_away(file: Path, gone: Path) -> None:
    """Take a file out of its folder; its inode stays in use, else a new file may have the same number."""
    gone.mkdir(exist_ok=True)
    if file.exists():
        file.rename(gone / f"{file.parent.name}-{file.name}")


def _rotate(log: Log, file: Path, gone: Path, stage: int) -> None:
    """Give the live file's place to a new one; the older siblings move up, or are compressed."""
    if log.rotation == "dated":
        file.rename(file.with_name(f"{file.name}-2026112{stage}"))
        return
    first, second = file.with_name(f"{file.name}.1"), file.with_name(f"{file.name}.2")
    if first.exists():
        first.rename(second)
    file.rename(first)
    if log.rotation == "compressed" and second.exists():
        second.with_name(f"{second.name}.gz").write_bytes(gzip.compress(second.read_bytes(), mtime=0))
        _put_away(second, gone)


def container(number: int, service: str | None = None, http: str | None = None) -> dict[str, bytes]:
    """Return the files that Docker keeps beside a container's log."""
    labels = {"shipper.service": service, "shipper.http-source": http, "team": "ada@team.example"}
    config = {
        "ID": f"{number:064x}", "Name": f"/app-{number}",
        "Config": {"Image": "registry/app:1", "Labels": {name: text for name, text in labels.items() if text}},
    }  # fmt: skip
    return {"config.v2.json": json.dumps(config).encode()}


def _container_log(
    number: int, content: bytes, rotation: Rotation = "none", service: str | None = None, http: str | None = None
) -> Log:
    name = f"{number:064x}"
    return Log(f"docker/{name}/{name}-json.log", content, rotation, beside=container(number, service, http))


def _pod_log(name: str, content: bytes, rotation: Rotation = "none") -> Log:
    return Log(f"pods/clinic_{name}_0a1b2c3d-0000-4000-8000-000000000001/app/0.log", content, rotation)


def _traces(recorded: dict[str, dict[str, str]]) -> list[str]:
    texts = [text.encode("latin-1").decode("utf-8", "replace") for text in recorded["golden"].values()]
    return [line for text in texts for line in text.splitlines()]


def _long() -> list[str]:
    """Texts around each limit: a part, joined text, the longest message."""
    sizes = (PART - 1, PART, PART + 1, 2 * PART, 5 * PART + 7, 256 * 1024, 1024 * 1024 - 1, 1024 * 1024 + 50_000)
    return ["é" * (size // 2) if size % 2 else "w" * size for size in sizes] + [
        f'{{"correlation_id":"long-1","event":"visit","message":"{"m" * size}"}}' for size in sizes
    ]


def _answered() -> list[str]:
    return [
        f'{{"correlation_id":"s-{number}","event":"visit","message":"{text}"}}'
        for number, text in enumerate((REJECTED, "between", THROTTLED, BURIED, REJECTED, "after"))
    ]


def logs() -> list[Log]:
    """All logs of the corpus."""
    recorded: dict[str, dict[str, str]] = json.loads(lzma.decompress(RECORDED.read_bytes()))
    shapes = entries()
    return [*_docker_logs(recorded, shapes), *_pod_logs(recorded, shapes), *_plain_logs(recorded, shapes)]


def _bytes(recorded: dict[str, dict[str, str]], *groups: str) -> list[bytes]:
    return [text.encode("latin-1") for group in groups for text in recorded[group].values()]


def _lines(recorded: dict[str, dict[str, str]], *groups: str) -> list[str]:
    """Recorded texts as lines that an application prints."""
    return [
        line
        for data in _bytes(recorded, *groups)
        for line in data.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    ]


ORDINARY = '{"correlation_id":"c-1","event":"visit","level":"info","path":"/api/v1/patients/7","message":"ordinary"}'


def _between_ordinary(texts: list[str]) -> list[str]:
    """Each text after an ordinary one: the native chain gives up on a log for a while where it declines many in a row."""
    return [one for text in texts for one in (ORDINARY, text)]


FUZZED = ("access", "chain", "compiled_payload", "escaping", "levels", "payload", "times", "traces", "release")


def _docker_logs(recorded: dict[str, dict[str, str]], shapes: list[str]) -> Iterator[Log]:
    ordinary = list(records(1500, 5))
    yield _container_log(
        1, b"".join(line * (3 if at % 97 == 0 else 1) for at, line in enumerate(ordinary)), service="backend"
    )
    yield _container_log(2, b"".join(docker(shapes)), service="backend")
    yield _container_log(3, b"".join(_bytes(recorded, "hostile records")), service="hostile")
    yield _container_log(4, b"\n".join(_bytes(recorded, "docker", "compiled_docker")))
    yield _container_log(5, b"".join(docker(_lines(recorded, *FUZZED), 0.1)))
    yield _container_log(6, b"".join(docker(_lines(recorded, "secrets"), 0.2)), service="secrets")
    traces = _traces(recorded)
    yield _container_log(7, mingled(docker(traces * 3, 1.0), docker(shapes[::9]), 1), service="traces")
    yield _container_log(8, mingled(docker(_long(), 1.0), docker([*_long(), *shapes[::50]]), 2), service="long")
    yield _container_log(9, mingled(docker(shapes[::3], 1.0, 40), docker(traces, 0.0, 30), 4), service="parts")
    yield _container_log(10, damaged(docker(shapes, 0.3), 5), service="damaged")
    yield _container_log(11, b"".join(records(400, 6)), "renamed", "backend", "access")
    yield _container_log(12, b"".join(docker(shapes[::4], 0.2)), "compressed", "backend", "off")
    yield _container_log(13, b"".join(records(200, 8)), "truncated")
    yield _container_log(14, b"".join(docker([*traces, "", "held back:", "  at last"], 0.5)), "removed")
    yield _container_log(15, b"".join(docker(_answered())), service="answers")
    yield _container_log(
        16, b"".join(ordinary[:300]) + b"\xff" * 70_000 + b"\n" + b"x" * (3 << 20) + b"\n" + b"".join(ordinary[300:320])
    )
    yield _container_log(17, b"".join(docker(_between_ordinary(shapes))), service="backend")
    yield _container_log(
        18, b"".join(docker(_between_ordinary(_lines(recorded, *FUZZED, "secrets")))), service="backend"
    )
    for number, service in enumerate(recorded["services"].values(), 20):
        yield _container_log(number, b"".join(docker([*shapes[:3], *NO_JSON[-3:]])), service=service)


def _pod_logs(recorded: dict[str, dict[str, str]], shapes: list[str]) -> Iterator[Log]:
    traces = _traces(recorded)
    yield _pod_log("shapes", b"".join(cri(shapes, 0.1)))
    yield _pod_log(
        "between", b"".join(cri(_between_ordinary([*shapes, *_lines(recorded, "compiled_payload", "secrets")])))
    )
    yield _pod_log("fuzzed", b"\n".join(_bytes(recorded, "cri", "compiled_cri")))
    yield _pod_log("texts", b"".join(cri(_lines(recorded, *FUZZED))), "renamed")
    yield _pod_log("secrets", b"".join(cri(_lines(recorded, "secrets"), 0.2)))
    yield _pod_log("traces", mingled(cri(traces * 2, 1.0), cri(shapes[::9]), 1), "compressed")
    yield _pod_log("long", mingled(cri(_long(), 1.0), cri(_long()), 2))
    yield _pod_log("parts", mingled(cri(shapes[::5], 1.0, 40), cri(traces, 0.0, 30), 4))
    yield _pod_log("damaged", damaged(cri(shapes[::2], 0.3), 6))
    yield _pod_log("truncated", b"".join(cri(shapes[::11])), "truncated")


def _plain_logs(recorded: dict[str, dict[str, str]], shapes: list[str]) -> Iterator[Log]:
    yield Log("plain/shapes.log", b"".join(plain(shapes)))
    yield Log("plain/fuzzed.log", b"\xef\xbb\xbf" + b"\n".join(_bytes(recorded, "plain", "escaping")))
    yield Log("plain/texts.log", b"".join(plain(_lines(recorded, *FUZZED))), "dated")
    yield Log("plain/secrets.log", b"".join(plain(_lines(recorded, "secrets"))), "renamed")
    yield Log("plain/traces.log", b"".join(plain(_traces(recorded) * 2)), "compressed")
    yield Log("plain/long.log", b"".join(plain([*_long(), *shapes[::60]])))
    yield Log("plain/damaged.log", damaged(plain(shapes[::2]), 7))
    old = {
        "app.log.1": b"".join(plain(shapes[:40])),
        "app.log.2.gz": gzip.compress(b"".join(plain(shapes[40:80])), mtime=0),
    }
    yield Log("plain/app.log", b"".join(plain(shapes[80:160])), beside=old)
    torn = {"torn.log.1.gz": gzip.compress(b"".join(plain(shapes[:200])), mtime=0)[:-700]}
    yield Log("plain/torn.log", b"".join(plain(shapes[80:90])), "removed", beside=torn)
    empty = {"\udcff name.log": b"its name is no UTF-8\n"}
    yield Log("plain/empty.log", b"", beside=empty)
