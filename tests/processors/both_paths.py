"""Run a log through the Python path and the native path, and compare the results."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shipper.metrics.catalogue import NATIVE_DECLINED
from shipper.model.batch import Batch
from shipper.model.documents import Documents
from shipper.model.source import Source
from shipper.pipeline.pipeline import Pipeline
from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.chain_plan import SCHEMA, SchemaPlan
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastBatch, FastChain, Threads, Verdicts
from shipper_processors.normalise import FieldPaths
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import HttpSource, Origin, Paths, RequireId
from shipper_schemas.presets import Preset
from shipper_schemas.rules import Rule
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy

NOW = 1_795_428_000_000
FEWEST = 400
"""Bytes that are worth a thread: about two lines."""


class Outcome(NamedTuple):
    """All results of a log."""

    documents: list[Any]
    sums: dict[Any, float]
    observations: list[Any]
    overflows: dict[str, int]
    ended: dict[Any, int]
    lines: int
    partial_state: bytes


def outcome_of(
    chunks: Iterable[bytes],
    *,
    kind: str = "docker",
    fast_path: bool,
    threads: int = 1,
    rules: list[dict[str, Any]] | None = None,
    http_source: HttpSource = "structured",
    paths: Paths = "tolerant",
    presets: Sequence[Preset] = (),
    most: int = 3,
    schema: SchemaPlan = SCHEMA,
    fields: FieldPaths = (),
    own: FieldPaths = (),
    require: RequireId = "requests",
    policies: Mapping[Kind, Policy] = DEFAULT_POLICIES,
) -> tuple[Outcome, int]:
    """Return the outcome of a log's chunks, and the number of lines that went the native path."""
    counting = Counting(
        [*builtin_rules(["patient_read"], presets), *(Rule.model_validate(rule) for rule in rules or [])],
        max_label_values=most,
    )
    histograms = frozenset(metric.name for metric in counting.metrics() if metric.type == "histogram")
    enforce = Enforce(fields, schema=schema, require=require, requiring_events=("login_failed",))
    chain = Pipeline(enforce, counting, Redactor(), policies, histograms=histograms)
    source = Source.of(
        Origin(
            "/x.log",
            "c1",
            "backend",
            container_id="c1",
            container_name="b-1",
            http_source=http_source,
            paths=paths,
            fields=own,
        )
    )
    log = None
    if fast_path:
        verdicts = Verdicts(policies, chain.namespaces, chain.index_prefix)
        fast_chain = FastChain.of(chain.enforce, counting, chain.redactor, chain.skew, verdicts=verdicts)
        assert fast_chain is not None
        fast_chain.threads = Threads.of(threads, least=FEWEST)
        log = fast_chain.of_log(kind, source.origin, source.renderer)
    assembler = ASSEMBLERS[kind](source.origin.source, Bounds(), log, chain.pair_rules.of_log(source.origin))
    batch, offset, taken = Batch(), 0, 0
    for chunk in chunks:
        for entry in assembler.feed(chunk, offset):
            taken += entry.lines if isinstance(entry, FastBatch) else 0
            chain.process([entry], source, batch, NOW, count=True, ship=True)
        offset += len(chunk)
    tally = batch.counted
    outcome = Outcome(
        # a batch of the native path has one block for each index, so that only the order within one is the same
        sorted(map(tuple, batch.documents), key=lambda document: str(document[0])),
        {key: number for key, number in tally.sums.items() if key[0] != NATIVE_DECLINED.name},
        tally.observations,
        counting.take_overflows(),
        dict(batch.ended),
        batch.lines,
        assembler.partial_state(),
    )
    return outcome, taken


def blocks_of(chunks: Iterable[bytes]) -> Documents:
    """Return the documents of a log on the native path, in its blocks."""
    chain = Pipeline(Enforce(), Counting(builtin_rules(["patient_read"])), Redactor())
    source = Source.of(Origin("/x.log", "c1", "backend", container_id="c1", container_name="b-1"))
    fast_chain = FastChain.of(chain.enforce, chain.counting, chain.redactor, chain.skew)
    assert fast_chain is not None
    log = fast_chain.of_log("docker", source.origin, source.renderer)
    assembler = ASSEMBLERS["docker"](source.origin.source, Bounds(), log, chain.pair_rules.of_log(source.origin))
    batch, offset = Batch(), 0
    for chunk in chunks:
        chain.process(assembler.feed(chunk, offset), source, batch, NOW, count=True, ship=True)
        offset += len(chunk)
    return batch.documents


def docker(text: str, stream: str = "stdout", time: str = "2026-11-23T10:00:00.123456789Z") -> bytes:
    """Return a json-file line with Docker's escapes."""
    log = json.dumps(text + "\n", ensure_ascii=False)
    for sign in "<>&":
        log = log.replace(sign, f"\\u{ord(sign):04x}")
    return f'{{"log":{log},"stream":"{stream}","time":"{time}"}}\n'.encode("utf-8", "surrogatepass")


def cri(text: str, stream: str = "stdout", time: str = "2026-11-23T10:00:00.123456789Z") -> bytes:
    """Return a CRI line."""
    return f"{time} {stream} F {text}\n".encode("utf-8", "surrogatepass")


def same(chunks: list[bytes], **settings_: Any) -> int:
    """Assert that both paths give the same, the native one also with several threads.

    Returns the number of lines that took the native path.
    """
    python, none = outcome_of(chunks, fast_path=False, **settings_)
    fast, taken = outcome_of(chunks, fast_path=True, **settings_)
    threaded, _ = outcome_of(chunks, fast_path=True, threads=3, **settings_)
    assert none == 0
    for native_result, threaded_result, python_result in zip(fast, threaded, python, strict=True):
        assert native_result == python_result
        assert threaded_result == python_result
    return taken
