"""Both paths of a log, the Python chain and the native one: what each comes to, and whether that is the same."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from shipper.model.batch import Batch
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.chain_plan import SCHEMA, SchemaPlan
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastChain
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import HttpSource, Origin
from shipper_schemas.rules import Rule

NOW = 1_795_428_000_000


class Came(NamedTuple):
    """All that a log came to."""

    documents: list[Any]
    sums: dict[Any, float]
    observations: list[Any]
    overflows: dict[str, int]
    ended: dict[Any, int]
    lines: int
    residue: bytes


def came_of(
    chunks: Iterable[bytes],
    *,
    kind: str = "docker",
    compiled: bool,
    rules: list[dict[str, Any]] | None = None,
    http_source: HttpSource = "structured",
    most: int = 3,
    schema: SchemaPlan = SCHEMA,
) -> tuple[Came, int]:
    """What the chunks of a log come to, and how many lines went the compiled way."""
    counting = Counting(
        [*builtin_rules(["patient_read"]), *(Rule.model_validate(rule) for rule in rules or [])], max_label_values=most
    )
    histograms = frozenset(metric.name for metric in counting.metrics() if metric.type == "histogram")
    chain = Pipeline(Enforce(schema=schema), counting, Redactor(), histograms=histograms)
    source = Source.of(
        Origin("/x.log", "c1", service="backend", container_id="c1", container_name="b-1", http_source=http_source)
    )
    log = None
    if compiled:
        made = FastChain.of(chain.enforce, counting, chain.redactor, chain.skew)
        assert made is not None
        log = made.of_log(kind, source.origin, source.renderer)
    assembler = ASSEMBLERS[kind](source.origin.source, Bounds(), log)
    batch, offset, taken = Batch(), 0, 0
    for chunk in chunks:
        chain.process(assembler.feed(chunk, offset), source, batch, NOW, count=True, ship=True)
        offset += len(chunk)
    taken = sum(len(piece) for piece in batch.documents.chunks if type(piece) is not list)
    tally = batch.counted
    found = Came(
        [tuple(document) for document in batch.documents],
        dict(tally.sums),
        tally.observations,
        counting.take_overflows(),
        dict(batch.ended),
        batch.lines,
        assembler.residue(),
    )
    return found, taken


def docker(text: str, stream: str = "stdout", time: str = "2026-11-23T10:00:00.123456789Z") -> bytes:
    """A json-file line, as Docker escapes it."""
    log = json.dumps(text + "\n", ensure_ascii=False)
    for sign in "<>&":
        log = log.replace(sign, f"\\u{ord(sign):04x}")
    return f'{{"log":{log},"stream":"{stream}","time":"{time}"}}\n'.encode("utf-8", "surrogatepass")


def cri(text: str, stream: str = "stdout", time: str = "2026-11-23T10:00:00.123456789Z") -> bytes:
    """A CRI line."""
    return f"{time} {stream} F {text}\n".encode("utf-8", "surrogatepass")


def same(chunks: list[bytes], **settings_: Any) -> int:
    """Compare both ways; how many lines went the compiled one."""
    plain, none = came_of(chunks, compiled=False, **settings_)
    fast, taken = came_of(chunks, compiled=True, **settings_)
    assert none == 0
    for mine, its in zip(fast, plain, strict=True):
        assert mine == its
    return taken
