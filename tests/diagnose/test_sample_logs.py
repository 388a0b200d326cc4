"""Samples of logs for `shipper check`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.diagnose import sample_logs
from shipper.diagnose.preflight import Finding, _samples
from shipper.diagnose.sample_logs import SAMPLE_LINES, LogSample, Sampler, last_lines, sentences
from shipper.inputs.files.tailer import Input
from shipper.pipeline.pipeline import Pipeline
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError
from shipper_processors.assemble import Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Origin
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy

BOUNDS = Bounds(100, 65536, 65536, 1.0)
POLICIES = {**DEFAULT_POLICIES, Kind.LINE_CUT: Policy.QUARANTINE, Kind.UNSTRUCTURED: Policy.QUARANTINE}
GOOD = {"timestamp": "2026-11-30T10:00:00.000Z", "level": "info", "correlation_id": "a-1", "message": "done"}


class Paths:
    """The paths of an input."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths

    def paths(self) -> Iterator[str]:
        """Yield them."""
        yield from map(str, self._paths)


def docker(payload: object, time: str = "2026-11-30T10:00:00.5Z") -> str:
    """A record of Docker's json-file format."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return json.dumps({"log": f"{text}\n", "stream": "stdout", "time": time})


def samples(*logs: Path, kind: str = "docker", **origin: Any) -> list[LogSample | str]:
    """The samples of logs."""

    def origin_of(path: str, _real: str) -> Origin:
        return Origin(path, path, container_id="c1", container_name=Path(path).stem, **origin)

    chain = Pipeline(Enforce(), Counting(builtin_rules([])), Redactor(), POLICIES)
    sampler = Sampler([Input(kind, Paths(*logs), origin_of)], chain, BOUNDS, Clock())
    return list(sampler.samples())


def sample(folder: Path, *lines: str, kind: str = "docker") -> LogSample:
    """The sample of one log of these lines."""
    path = folder / "backend.log"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (only,) = samples(path, kind=kind)
    assert isinstance(only, LogSample)
    return only


def test_an_ordinary_log_is_ok_and_its_sources_are_named(tmp_path: Path) -> None:
    """Where time, level, message and id come from, also if nothing is wrong."""
    result = sample(tmp_path, *[docker(GOOD)] * 10)
    (finding,) = _samples(lambda: iter([result]))
    assert (finding.grade, finding.subject, finding.hint) == ("ok", "log backend", "")
    assert finding.what.startswith(
        "10 entries sampled, none would be quarantined; time from timestamp; level from level"
    )
    assert finding.what.endswith("message from message; id from correlation_id")


def test_the_share_that_would_be_quarantined_is_a_problem_from_a_few_percent_on(tmp_path: Path) -> None:
    """With the most frequent reason and the line of configuration."""
    for bad, grade in ((1, "note"), (10, "problem"), (100, "problem")):
        result = sample(tmp_path, *[docker("not JSON")] * bad, *[docker(GOOD)] * (100 - bad))
        (finding,) = _samples(lambda result=result: iter([result]))  # type: ignore[misc]
        assert finding.grade == grade
        assert f"{bad} ({bad} %) would be quarantined, for unstructured" in finding.what
        assert finding.hint == "to store such entries, configure `schema: {policies: {unstructured: allow}}`"


def test_several_sources_of_a_field_are_shown_with_their_shares(tmp_path: Path) -> None:
    """The rest are only counted."""
    without = {name: value for name, value in GOOD.items() if name not in ("level", "timestamp")}
    result = sample(tmp_path, *[docker(GOOD)] * 3, docker(without))
    assert result.sources["level"] == (("level", 3), ("missing", 1))
    what, _ = sentences(result)
    assert "time from timestamp 75 %, the runtime 25 %; level from level 75 %, missing 25 %;" in what
    many = result._replace(sources={"id": (("a", 5), ("b", 3), ("c", 1), ("d", 1))})
    assert sentences(many)[0].endswith("id from a 50 %, b 30 % and 2 more")


def test_missing_stands_last_however_frequent_it_is(tmp_path: Path) -> None:
    """It is no source; the sources are named before it."""
    without = {name: value for name, value in GOOD.items() if name != "correlation_id"}
    result = sample(tmp_path, docker(GOOD), *[docker(without)] * 3)
    assert sentences(result)[0].endswith("id from correlation_id 25 %, missing 75 %")
    many = result._replace(sources={"level": (("a", 5), ("b", 3), ("c", 1), ("missing", 1))})
    assert sentences(many)[0].endswith("level from a 50 %, b 30 % and 1 more, missing 10 %")


LOGIN = {**GOOD, "event": "login_failed"}
REQUEST = {**GOOD, "event": "request_complete", "method": "POST", "path": "/api/v1/auth/login", "status_code": 401}


def test_an_operation_that_would_count_twice_is_a_problem(tmp_path: Path) -> None:
    """An application that logs the event and the request is named, with the setting that counts it once."""
    result = sample(tmp_path, docker(LOGIN), docker(REQUEST), docker({**REQUEST, "correlation_id": "a-2"}))
    assert result.counted_twice == (("failed_login_attempts_total", 1), ("login_attempts_total", 1))
    (finding,) = _samples(lambda: iter([result]))
    assert finding.grade == "problem"
    assert (
        "counted twice, by an event and by the request that logged it: failed_login_attempts_total (1)" in finding.what
    )
    assert finding.hint == (
        "to count such operations by their events alone, label the container `shipper.http-source=off`"
    )
    assert sentences(result._replace(is_container=False))[1].endswith("set `http_source: off` for the input")


@pytest.mark.parametrize(
    "entries",
    [
        [LOGIN, LOGIN],
        [REQUEST, REQUEST],
        [LOGIN, {**REQUEST, "correlation_id": "a-2"}],
        [LOGIN, {**REQUEST, "status_code": 200}],
        [{**LOGIN, "correlation_id": "req-1"}, {**REQUEST, "correlation_id": "req-1"}],
    ],
)
def test_operations_that_count_once_are_no_problem(tmp_path: Path, entries: list[dict[str, Any]]) -> None:
    """Events alone, requests alone, different ids or outcomes, and ids that a process counts up."""
    assert sample(tmp_path, *map(docker, entries)).counted_twice == ()


BEGUN = {"time": 1796032500123, "level": 30, "reqId": "a-1", "req": {"method": "POST", "url": "/x"}, "msg": "incoming"}
ANSWERED = {"time": 1796032500125, "level": 30, "reqId": "a-1", "res": {"statusCode": 401}, "msg": "bye"}


def test_requests_in_two_entries_that_do_not_match_are_noted(tmp_path: Path) -> None:
    """No counter can see them; a request that any entry has whole, or whose answer is recognised, is none of these."""
    result = sample(tmp_path, docker(BEGUN), docker(ANSWERED), docker({**BEGUN, "reqId": "a-2"}))
    assert result.split_requests == 1
    (finding,) = _samples(lambda: iter([result]))
    assert finding.grade == "note"
    assert finding.what.endswith(
        "; 1 request has path and status in two entries that are not matched, and no counter sees them"
    )
    assert finding.hint.startswith("to count requests, log a duration with the status")
    whole = {**BEGUN, **ANSWERED}
    assert sample(tmp_path, *map(docker, (BEGUN, ANSWERED, whole))).split_requests == 0
    assert sample(tmp_path, docker(BEGUN), docker({**ANSWERED, "reqId": "a-2"})).split_requests == 0


def test_with_http_source_off_nothing_counts_twice(tmp_path: Path) -> None:
    """The hint of the problem ends it."""
    path = tmp_path / "backend.log"
    path.write_text(f"{docker(LOGIN)}\n{docker(REQUEST)}\n", encoding="utf-8")
    (result,) = samples(path, http_source="off")
    assert isinstance(result, LogSample)
    assert result.counted_twice == ()


def test_a_missing_id_can_be_admitted_for_one_container() -> None:
    """By a line of configuration, or by a label of the container; a pod has no such label."""
    result = LogSample("shop", "docker", "docker", True, 4, 4, (("correlation_id_missing", 4),), {})
    assert sentences(result)[1] == (
        "to store such entries, configure `schema: {require_correlation_id: never}`,"
        " or label the container `shipper.require-correlation-id=never`"
    )
    assert "label" not in sentences(result._replace(is_container=False))[1]


def test_a_wrong_type_of_input_is_named(tmp_path: Path) -> None:
    """The lines show which one is right; those of the other runtime are read as what they are."""
    result = sample(tmp_path, *["10:00:00 INFO hello"] * 3)
    assert result.reasons == (("envelope_invalid", 3),)
    assert sentences(result)[1] == "the lines have the format `plain`: change the type of the input"


def test_a_wrong_type_of_input_is_named_although_its_lines_are_read(tmp_path: Path) -> None:
    """They are read as what they are."""
    result = sample(tmp_path, *["2026-11-30T10:00:00.5Z stdout F " + json.dumps(GOOD)] * 3)
    assert (result.quarantined, result.reasons) == (0, ())
    assert [finding.grade for finding in _samples(lambda: iter([result]))] == ["problem"]
    assert sentences(result)[1] == "the lines have the format `cri`: change the type of the input"


def test_each_document_of_a_line_is_sampled(tmp_path: Path) -> None:
    """They are counted and stored one by one."""
    assert sample(tmp_path, docker(json.dumps(GOOD) + json.dumps(GOOD))).number == 2


def test_only_the_end_of_a_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole lines of it, bounded in number and bytes."""
    path = tmp_path / "long.log"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(2000)) + b"not yet whole")
    lines = last_lines(str(path))
    assert (len(lines), lines[-1]) == (SAMPLE_LINES, b"line 1999\n")
    monkeypatch.setattr(sample_logs, "SAMPLE_BYTES", 40)
    assert last_lines(str(path)) == [b"line 1998\n", b"line 1999\n"]


def test_the_number_of_logs_is_bounded_and_unreadable_or_empty_ones_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node has many logs; those that cannot be read are reported by another check."""
    good, empty = tmp_path / "good.log", tmp_path / "empty.log"
    good.write_text(docker(GOOD) + "\n", encoding="utf-8")
    empty.touch()
    assert len(samples(tmp_path / "gone.log", empty, good)) == 1
    monkeypatch.setattr(sample_logs, "MOST_LOGS", 2)
    results = samples(good, good, good)
    assert results[2:] == ["only the first 2 logs were sampled"]
    assert [finding.grade for finding in _samples(lambda: iter(results))] == ["ok", "ok", "note"]


def test_a_chain_that_cannot_be_built_is_a_problem() -> None:
    """With the hint of the error."""

    def failing() -> Iterator[LogSample | str]:
        raise ConfigurationError("no key", "give one")
        yield

    assert list(_samples(failing)) == [Finding("problem", "logs", "no log was sampled: no key", "give one")]


def test_blank_lines_and_text_have_sources_too(tmp_path: Path) -> None:
    """What is dropped is not sampled; a text's own time counts only without the runtime's."""
    result = sample(tmp_path, docker("  "), docker("2026-11-30 10:00:00 ERROR boom"))
    assert (result.number, result.sources["time"], result.sources["level"]) == (
        1,
        (("the runtime", 1),),
        (("text", 1),),
    )
