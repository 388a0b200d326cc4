"""One guard: an entry that a step fails on stops nothing, on every path through the chain."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shipper.agent.kafka_messages import Translate
from shipper.agent.live_tail import LiveTail
from shipper.bootstrap import build_inputs
from shipper.bootstrap.build_pipeline import compiled_of, counting_of, history_of, pipeline_of, redactor_of
from shipper.cli.commands.explain import Explainer, described
from shipper.config.settings import Settings
from shipper.diagnose.rule_tests.run import outcome_of
from shipper.diagnose.rule_tests.test_file import Case
from shipper.inputs.kafka.read_message import Received
from shipper.metrics.catalogue import VIOLATIONS
from shipper.model.batch import INDEXED, QUARANTINED, Batch
from shipper.model.source import Source
from shipper.outputs.kafka.message import Prefixes, Topics, messages
from shipper.pipeline.pipeline import Pipeline
from shipper.pipeline.quarantine_release import Releaser
from shipper.replay.time_filter import OUTSIDE, Span, TimeFilteredPipeline
from shipper_processors.assemble import Bounds, JsonFileAssembler
from shipper_processors.count import Contribution, Counting, GroupEffect
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from shipper_schemas.entry import Entry, Origin
from shipper_schemas.metrics import Increment
from shipper_schemas.violation import Kind, Violation
from tests.hazards.rig import ManualClock, Rig, docker_line
from tests.outputs.conftest import make_document

SETTINGS = Settings.model_validate({"compiled": False, "redact": {"key": "k" * 32}, "host": "node-1"})
STAMP = "2026-11-23T10:00:00.000Z"
NOW_MS = 1_795_428_000_000
ORIGIN = Origin("/app.log", "app", service="backend", host="node-1")
DEEP = json.loads("[" * 70 + "]" * 70)
"""Nested so deeply that the native path leaves the entry to Python."""
TEXTS = [
    json.dumps({"correlation_id": "c-1", "event": "login_failed", "message": message, **more})
    for message, more in (("first", {}), ("poison a@b.example", {"deep": DEEP}), ("last", {}))
]


class FailingEnforce(Enforce):
    """A schema with a defect."""

    def enforce(self, fields: dict[str, Any], *policy: Any) -> tuple[dict[str, Any], list[Violation]]:
        if "poison" in str(fields.get("message")):
            raise ZeroDivisionError
        return super().enforce(fields, *policy)


class FailingRedactor(Redactor):
    """Redaction with a defect in each of its steps."""

    def suspicious(self, event: dict[str, Any]) -> bool:
        return "poison" in str(event) or super().suspicious(event)

    def redact_event(self, event: dict[str, Any]) -> dict[str, Any]:
        if "poison" in str(event):
            raise ZeroDivisionError
        return super().redact_event(event)

    def redact_raw(self, text: str) -> str:
        if "poison" in text:
            raise ZeroDivisionError
        return super().redact_raw(text)


class FailingCounting(Counting):
    """A rule with a defect."""

    def increments(self, event: dict[str, Any], *log: Any) -> list[Increment]:
        if "poison" in str(event.get("message")):
            raise ZeroDivisionError
        return super().increments(event, *log)


def chain(**steps: Any) -> Pipeline:
    """Return the chain of SETTINGS with some steps replaced."""
    return replace(pipeline_of(SETTINGS, counting_of(SETTINGS, ()), redactor_of(SETTINGS)), **steps)


def enforce() -> Pipeline:
    """Return a chain whose schema fails."""
    return chain(enforce=FailingEnforce())


def redactor() -> Pipeline:
    """Return a chain whose redaction fails."""
    return chain(redactor=FailingRedactor())


def counting() -> Pipeline:
    """Return a chain whose rules fail."""
    return chain(counting=FailingCounting([rule.rule for rule in counting_of(SETTINGS, ())._rules.values()]))


class Result(NamedTuple):
    """Entries by outcome, quarantine reasons, everything stored as text, and counters if there are any."""

    outcomes: Mapping[str, int]
    reasons: list[str]
    stored: str
    counters: Mapping[str, float] | None = None


Way = Callable[[Pipeline, Path], Result]


def sums_of(batch: Batch) -> dict[str, float]:
    """Return the sums of the two counters that the entries increment."""
    wanted = {("failed_login_attempts_total", ("backend",)): "logins", (VIOLATIONS.name, ("internal_error",)): "errors"}
    return {name: batch.counted.sums[key] for key, name in wanted.items() if key in batch.counted.sums}


def result(ended: list[tuple[str, dict[str, Any]]], counters: Mapping[str, float] | None = None) -> Result:
    """Return the result of entries with their outcomes and documents."""
    reasons = [reason["kind"] for _, body in ended for reason in body.get("reasons", ())]
    return Result(Counter(outcome for outcome, _ in ended), reasons, json.dumps(ended), counters)


def processed(pipeline: Pipeline) -> Result:
    """Return the result of the entries after `Pipeline.process`."""
    batch = Batch()
    entries = [Entry(text, "stdout", STAMP, n, 1, b"%014d" % n) for n, text in enumerate(TEXTS)]
    pipeline.process(entries, Source.of(ORIGIN), batch, NOW_MS, count=True, ship=True)
    bodies = [json.loads(document.body) for document in batch.documents]
    ended = [(QUARANTINED if "reasons" in body else INDEXED, body) for body in bodies]
    assert batch.events == Counter(outcome for outcome, _ in ended)
    return result(ended, sums_of(batch))


def selecting(pipeline: Pipeline, **choice: Any) -> TimeFilteredPipeline:
    """A pipeline as a replay with `--since` or `--metrics-out` has it."""
    return TimeFilteredPipeline(**{name: getattr(pipeline, name) for name in Pipeline.__dataclass_fields__}, **choice)


def replay(pipeline: Pipeline, _folder: Path) -> Result:
    """A replay of everything."""
    return processed(pipeline)


def replay_since(pipeline: Pipeline, _folder: Path) -> Result:
    """A replay of a span."""
    return processed(selecting(pipeline, span=Span(since_ms=NOW_MS - 1000)))


def replay_metrics_out(pipeline: Pipeline, _folder: Path) -> Result:
    """A replay with a history, which agrees with the counters."""
    history = history_of(SETTINGS)
    replayed = processed(selecting(pipeline, history=history))
    noted = history.added[("failed_login_attempts_total", ("backend",))]
    assert replayed.counters is not None
    assert sum(sum(steps.values()) for steps in noted.values()) == replayed.counters["logins"]
    return replayed


def agent(pipeline: Pipeline, folder: Path) -> Result:
    """The agent over a real log."""
    rig = Rig(folder, native=False)
    rig.path.write_bytes(b"".join(docker_line(f"{text}\n") for text in TEXTS))
    rig.start().pipeline = pipeline
    rig.drain()
    committed = rig.agent.ledger.committed if rig.agent else {}
    counters = {
        "logins": committed["failed_login_attempts_total", ("backend",)],
        "errors": committed[VIOLATIONS.name, ("internal_error",)],
    }
    rig.stop()
    ended = [(QUARANTINED if "reasons" in body else INDEXED, body) for body in rig.output.stored.values()]
    return result(ended, {name: float(str(value)) for name, value in counters.items()})


def native(pipeline: Pipeline, _folder: Path) -> Result:
    """The native path, which runs schema and rules once per group of lines."""
    source, batch = Source.of(ORIGIN), Batch()
    compiled = compiled_of(SETTINGS.model_copy(update={"compiled": True}), pipeline)
    if compiled is None:
        pytest.skip("the native extension is not installed: .ci/setup builds it where cargo is there")
    assembler = JsonFileAssembler("app", Bounds(), compiled.of_log("docker", ORIGIN, source.renderer))
    lines = b"".join(docker_line(f"{text}\n") for text in TEXTS)
    pipeline.process(list(assembler.feed(lines, 0)), source, batch, NOW_MS, count=True, ship=True)
    bodies = [json.loads(document.body) for document in batch.documents]
    return result([(QUARANTINED if "reasons" in body else INDEXED, body) for body in bodies], sums_of(batch))


def tail(pipeline: Pipeline, folder: Path) -> Result:
    """`shipper tail`."""
    log, clock = folder / "app.log", ManualClock()
    log.write_bytes(b"")
    settings = SETTINGS.model_validate({"inputs": [f"docker:{folder}/*.log"], "state_dir": folder / "state"})
    follower = LiveTail(build_inputs.follower(settings, clock).tail, pipeline, clock)
    ended = list(follower.turn())
    log.write_bytes(b"".join(docker_line(f"{text}\n") for text in TEXTS))
    for _ in range(5):
        clock.pass_seconds(3)
        ended += follower.turn()
    follower.close()
    return result([(outcome, json.loads(document.body)) for outcome, document in ended])


def explain(pipeline: Pipeline, _folder: Path) -> Result:
    """`shipper explain`, which names the failure among the violations."""
    explainer = Explainer(pipeline, [], SETTINGS, Source.of(ORIGIN))
    entries = [Entry(text, "stdout", STAMP, n, 1, b"%014d" % n) for n, text in enumerate(TEXTS)]
    steps = [explainer.explained(entry, NOW_MS) for entry in entries]
    assert all(list(described(number, step)) for number, step in enumerate(steps))
    assert [[violation["kind"] for violation in step["violations"]] for step in steps] == [[], ["internal_error"], []]
    logins = sum(step["counters"].get("failed_login_attempts_total['backend']", 0) for step in steps)
    errors = sum(step["counters"].get(f"{VIOLATIONS.name}['internal_error']", 0) for step in steps)
    ended = [(step["outcome"], step["document"]) for step in steps]
    return result(ended, {"logins": logins, "errors": errors})


def test(pipeline: Pipeline, _folder: Path) -> Result:
    """`shipper test`."""
    case = Case.model_validate(
        {"name": "n", "lines": TEXTS, "service": "backend", "now": STAMP, "expect": {"dropped": 0}}
    )
    outcome = outcome_of(case, pipeline, Bounds())
    samples = {str(series): value for series, value in outcome.samples.items()}
    counters = {
        "logins": samples['failed_login_attempts_total{service="backend"}'],
        "errors": sum(value for name, value in samples.items() if name.startswith(VIOLATIONS.name)),
    }
    outcomes = {INDEXED: len(outcome.events), QUARANTINED: len(outcome.quarantined)}
    reasons = [kind for kinds in outcome.quarantined for kind in kinds]
    return Result(outcomes, reasons, json.dumps(outcome.events), counters)


test.__test__ = False  # type: ignore[attr-defined]  # a path through the chain, not a test


def release(pipeline: Pipeline, _folder: Path) -> Result:
    """`shipper quarantine release`."""
    entry = {
        "@timestamp": STAMP, "reasons": [{"kind": "json_invalid", "detail": ""}], "stream": "stdout",
        "log": {"file": {"path": "/a.log"}, "offset": 0}, "_id": make_document(1).id.hex(),
    }  # fmt: skip
    answers = [Releaser(pipeline)({**entry, "raw": text}) for text in TEXTS]
    reasons = [reason.kind.value for _, refused in answers for reason in refused]
    ended = [document for document, _ in answers if document is not None]
    stored = "".join(document.body.decode() for document in ended)
    return Result({INDEXED: len(ended), QUARANTINED: len(answers) - len(ended)}, reasons, stored)


WAYS = (agent, native, replay, replay_since, replay_metrics_out, tail, explain, test, release)


@pytest.mark.parametrize("broken", [enforce, redactor])
@pytest.mark.parametrize("way", WAYS)
def test_an_entry_that_a_step_fails_on_is_quarantined_and_the_rest_goes_on(
    way: Way, broken: Callable[[], Pipeline], tmp_path: Path
) -> None:
    """Schema or redaction: the reason is `internal_error`, and no unmasked text is stored."""
    handled = way(broken(), tmp_path)
    assert +Counter(handled.outcomes) == {INDEXED: 2, QUARANTINED: 1}
    assert handled.reasons == ["internal_error"]
    assert broken is enforce or "poison" not in handled.stored
    logins = 2 if broken is enforce else 3
    assert handled.counters in (None, {"logins": logins, "errors": 1})


@pytest.mark.parametrize("way", WAYS)
def test_an_entry_that_counting_fails_on_is_stored_and_the_rest_is_counted(way: Way, tmp_path: Path) -> None:
    """The failure is a violation, counted once; a defect in a rule costs no event."""
    handled = way(counting(), tmp_path)
    assert +Counter(handled.outcomes) == {INDEXED: 3}
    assert handled.reasons == []
    assert handled.counters in (None, {"logins": 2, "errors": 1})


def test_a_failed_entry_is_kept_whatever_span_is_replayed() -> None:
    """Its own time could not be read; a readable event outside the span increments no counter."""
    later = Span(since_ms=NOW_MS + 1)
    batch = Batch()
    entries = [Entry(text, "stdout", STAMP, n, 1, b"%014d" % n) for n, text in enumerate(TEXTS)]
    selecting(enforce(), span=later).process(entries, Source.of(ORIGIN), batch, NOW_MS, count=True, ship=True)
    assert batch.events == {OUTSIDE: 2, QUARANTINED: 1}
    assert sums_of(batch) == {"errors": 1}


def test_a_redactor_that_always_fails_lets_no_text_out() -> None:
    """The last resort does not call it."""

    class Broken(Redactor):
        def redact_raw(self, text: str) -> str:
            raise ZeroDivisionError(text)

        def redact_text(self, text: str) -> str:
            raise ZeroDivisionError(text)

        redact_event = suspicious = redact_text  # type: ignore[assignment]

    handled = processed(chain(redactor=Broken()))
    assert (handled.outcomes, handled.reasons) == ({QUARANTINED: 3}, ["internal_error"] * 3)
    assert "poison" not in handled.stored


class FailingOnGroups(FailingCounting):
    """A rule with a defect that affects every event."""

    def group_effect(self, event: dict[str, Any], *log: Any) -> GroupEffect:
        if self.at == "group_effect":
            raise ZeroDivisionError
        return super().group_effect(event, *log)

    def contribution(self, event: dict[str, Any], *log: Any) -> Contribution:
        if self.at == "contribution":
            raise ZeroDivisionError
        return super().contribution(event, *log)

    at = ""


@pytest.mark.parametrize(
    ("at", "counters"), [("group_effect", {"logins": 2, "errors": 1}), ("contribution", {"errors": 3})]
)
def test_a_group_of_lines_that_counting_fails_on_is_stored(at: str, counters: dict[str, int], tmp_path: Path) -> None:
    """Each of its events is one failure; if only the group evaluation fails, each event is counted separately."""
    failing = FailingOnGroups([rule.rule for rule in counting_of(SETTINGS, ())._rules.values()])
    failing.at = at
    handled = native(chain(counting=failing), tmp_path)
    assert (handled.outcomes, handled.reasons, handled.counters) == ({INDEXED: 3}, [], counters)


PREFIXES = Prefixes("keneyapp-logs", "keneyapp-quarantine")


@pytest.mark.parametrize("redacting", [Redactor(), FailingRedactor()])
def test_a_message_that_we_fail_on_is_quarantined(redacting: Redactor) -> None:
    """Otherwise the indexer would stop at it forever; an entry that was never read cannot be released."""

    class Unreadable(bytes):
        def split(self, *_: Any) -> Any:
            raise ZeroDivisionError

    (sent,) = messages([make_document(1), make_document(1)], Topics("logs", "refused"), PREFIXES, 2)
    received = Received("logs", 0, 7, NOW_MS, Unreadable(b"poison"), sent.headers)
    (document,) = Translate.of(PREFIXES, redacting, "node-1", Skew())(received, NOW_MS)
    body = json.loads(document.body)
    assert document.index == "keneyapp-quarantine-2026.11.23"
    assert [reason["kind"] for reason in body["reasons"]] == ["internal_error", "envelope_invalid"]
    assert body["log"] == {"file": {"path": "kafka://logs/0"}, "offset": 7}
    assert ("poison" in body["raw"]) == (type(redacting) is Redactor)
    again, reasons = Releaser(chain())({**body, "_id": document.id.hex()})
    assert (again, [reason.kind for reason in reasons]) == (None, [Kind.ENVELOPE_INVALID])
