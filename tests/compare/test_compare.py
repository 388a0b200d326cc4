"""The comparison detects each kind of difference between two results, and none between equal ones."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compare.corpus import STAGES, Log, logs, write
from tests.compare.differences import CATEGORIES, Deliberate, deliberate, differences, judged
from tests.compare.results import NOW, TODAY, Document, Results, document, exposition, saved
from tests.compare.sink import CONFLICT, CREATED, REFUSED, Sent, Sink
from tests.compare.timing import Timed

CORPUS = Path("/corpus")
BEGAN, ENDED = 1_796_040_000.0, 1_796_040_060.0  # 2026-11-30T12:00:00Z, and a minute later
EXPECTED = Path(__file__).parent / "deliberate.toml"


def body(**fields: object) -> bytes:
    """A document of the line at offset 7 of `/corpus/plain/a.log`."""
    contents = {
        "@timestamp": "2026-11-23T10:00:00.000Z",
        **fields,
        "log": {"file": {"path": "/corpus/plain/a.log"}, "offset": 7},
    }
    return json.dumps(contents).encode()


def read(data: bytes, id_: str = "1", status: int = CREATED, index: str = "logs-2026.11.23") -> Document:
    """The document of a body."""
    return document(Sent(1, index, id_, data, status), CORPUS, BEGAN, ENDED)


def results(*documents: Document) -> Results:
    """Results with these documents, and a value of each other kind."""
    return Results(
        list(documents),
        {'stage 1: shipper_events_total["indexed"]': "1.0", "stage 1: visits_total[]": "2.0"},
        {"stage 1: plain/a.log: ship cursor": "plain/a.log at 7"},
        {"visits_total": "2.0"},
        {"HELP visits_total": "Visits."},
    )


def kinds(old: Results, new: Results) -> list[str]:
    """Categories of the differences."""
    return [one.category for one in differences(old, new)]


def test_equal_results_have_no_difference() -> None:
    """Two runs of one checkout compare as equal."""
    assert differences(results(read(body(level="info"))), results(read(body(level="info")))) == []


@pytest.mark.parametrize(
    ("changed", "category"),
    [
        (read(body(level="error")), "document"),
        (read(body(level="info", more=1)), "document"),
        (read(body()), "document"),
        (read(body(level="info"), index="quarantine-2026.11.23"), "document"),
        (read(body(level="info"), status=REFUSED), "document"),
        (read(body(level="info"), id_="2"), "id"),
        (read(body(level="info"), status=CONFLICT), "duplicate"),
        (read(body(level="info").replace(b'": ', b'":')), "rendering"),
        (read(body(level="info")[:-1] + b',"@timestamp":"2026-11-23T10:00:00.000Z"}'), "document"),
    ],
)
def test_a_changed_document_is_listed(changed: Document, category: str) -> None:
    """A field, index, answer, id or spelling that differs is one difference of its category."""
    assert kinds(results(read(body(level="info"))), results(changed)) == [category]


def test_a_changed_number_is_listed() -> None:
    """Numbers are compared as they are written, so that 12.50, 12.5 and a lost digit of a long one differ."""
    assert kinds(results(read(body(n=200))), results(read(body(n=200.0)))) == ["document"]
    long = body(n=9007199254740993)
    assert kinds(results(read(long)), results(read(long.replace(b"993", b"992")))) == ["document"]


def test_another_order_of_fields_is_listed() -> None:
    """The order of a body's fields is part of its rendering."""
    assert kinds(results(read(body(a=1, b=2))), results(read(body(b=2, a=1)))) == ["rendering"]


def test_the_sentence_of_a_violation_is_a_category_of_its_own() -> None:
    """Wording may change on purpose, the kind of a violation not with it."""
    old = read(body(reasons=[{"kind": "blank", "detail": "an empty line"}]))
    new = read(body(reasons=[{"kind": "blank", "detail": "empty line"}]))
    other = read(body(reasons=[{"kind": "line_cut", "detail": "an empty line"}]))
    assert kinds(results(old), results(new)) == ["wording"]
    assert kinds(results(old), results(other)) == ["document"]


def test_missing_and_extra_documents_are_listed() -> None:
    """Even if both have another document of the same line."""
    one, two = read(body(level="info")), read(body(level="info"), id_="2")
    assert kinds(results(one, two), results(one)) == ["missing"]
    assert kinds(results(one), results(one, two)) == ["extra"]
    assert kinds(results(one), results(replace(one, stage=2))) == ["missing", "extra"]


def test_counters_checkpoints_and_metrics_are_compared() -> None:
    """A value that differs, or that one of the two has not, is a difference."""
    old = results()
    new = Results(
        [],
        {'stage 1: shipper_events_total["indexed"]': "2.0"},
        {"stage 1: plain/a.log: ship cursor": "plain/a.log at 8"},
        {"visits_total": "3.0"},
        {"HELP visits_total": "Visits so far."},
    )
    assert kinds(old, new) == ["outcome", "counter", "checkpoint", "metric", "metric help"]


def test_the_time_of_reading_is_no_difference() -> None:
    """A line without a time has that of its reading; any other time is compared."""
    first, second = (
        read(body(index=f"logs-{day}").replace(b"2026-11-23T10:00:00.000Z", at.encode()), index=f"logs-{day}")
        for at, day in (("2026-11-30T12:00:01.000Z", "2026.11.30"), ("2026-11-30T12:00:59.999Z", "2026.11.30"))
    )
    assert dict(first.fields)["@timestamp"] == f'"{NOW}"'
    assert first.index == f"logs-{TODAY}"
    assert differences(results(first), results(second)) == []
    assert kinds(results(first), results(read(body(index="logs-2026.11.30")))) != []


def test_a_deliberate_difference_is_recognised_by_category_and_pattern(tmp_path: Path) -> None:
    """It is listed with its reason; differences that the pattern does not match stay unexpected."""
    file = tmp_path / "deliberate.toml"
    file.write_text('[[deliberate]]\ncategory = "document"\npattern = \': level: "info"\'\nreason = "renamed"\n')
    old, new = results(read(body(level="info", event="a"))), results(read(body(level="error", event="b"), id_="2"))
    outcome = judged(differences(old, new), deliberate(file))
    assert [(one.category, reason) for one, reason in outcome] == [
        ("id", None),
        ("document", "renamed"),
        ("document", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[[deliberate]]\ncategory = "document"\npattern = "."\n',
        '[[deliberate]]\ncategory = "document"\npattern = "."\nreason = " "\n',
        '[[deliberate]]\ncategory = "anything"\npattern = "."\nreason = "x"\n',
    ],
)
def test_an_incomplete_entry_is_invalid(tmp_path: Path, text: str) -> None:
    """Each deliberate difference is named with a category that exists and a reason."""
    file = tmp_path / "deliberate.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"deliberate\.toml"):
        deliberate(file)


def test_the_entries_beside_the_script_are_valid() -> None:
    """`deliberate.toml` can be read, and no entry takes in a whole category of results."""
    for entry in deliberate(EXPECTED):
        assert isinstance(entry, Deliberate)
        assert entry.category in ("id", "wording", "metric help") or len(entry.pattern.pattern) > 3


def test_metrics_without_those_of_the_process() -> None:
    """Times and the process differ each time; rules may have names that end alike."""
    text = (
        "# HELP process_cpu_seconds_total x\nprocess_cpu_seconds_total 1.0\nshipper_lag_seconds 0.1\n"
        '# HELP visits_total Visits of all.\nvisits_total{a="b c"} 2.0\nrequest_duration_seconds_sum 3.5\n'
    )
    samples, described = exposition(text)
    assert samples == {'visits_total{a="b c"}': "2.0", "request_duration_seconds_sum": "3.5"}
    assert described == {"HELP visits_total": "Visits of all."}


def test_the_sink_answers_as_a_server_does() -> None:
    """An existing id is a conflict; marked documents are rejected, the quarantine takes them."""
    sink = Sink()
    action, marked = b'{"create":{"_id":"1"}}\n', b'{"a":"the-index-rejects-this"}\n'
    other = b'{"create":{"_index":"quarantine-1","_id":"1"}}\n'
    answer = sink.bulk("/logs-1/_bulk", action + b"{}\n" + action + b"{}\n" + action + marked + other + marked)
    assert [item["create"]["status"] for item in answer["items"]] == [CREATED, CONFLICT, REFUSED, CREATED]
    assert answer["errors"]
    late = b'{"a":"the-server-is-busy-once"}\n'
    twice = [sink.bulk("/logs-1/_bulk", b'{"create":{"_id":"2"}}\n' + late)["items"][0] for _ in range(2)]
    assert [item["create"]["status"] for item in twice] == [429, CREATED]
    assert [sent.status for sent in sink.sent] == [CREATED, CONFLICT, REFUSED, CREATED, CREATED]


def test_a_log_is_written_in_stages_that_make_up_the_whole(tmp_path: Path) -> None:
    """Rotated or not, all that a log has ever been given is in its files; a second writing gives the same."""
    content = b"".join(b"line %d\n" % number for number in range(100))
    kept = [Log(f"{name}/app.log", content, name) for name in ("none", "renamed", "dated")]
    for _ in range(2):
        for stage in range(STAGES):
            write(kept, tmp_path, stage)
        for log in kept:
            files = [*(tmp_path / log.path).parent.iterdir()]
            live = tmp_path / log.path
            older = sorted(
                (file for file in files if file != live), key=lambda file: file.name, reverse=log.rotation == "renamed"
            )
            assert b"".join(file.read_bytes() for file in [*older, live]) == content
            assert len(files) == (1 if log.rotation == "none" else STAGES)


def test_the_corpus_is_the_same_each_time() -> None:
    """Two checkouts are run over equal bytes, with lines that end in the middle between two stages."""
    first = logs()
    assert first == logs()
    assert {log.path.partition("/")[0] for log in first} == {"docker", "pods", "plain"}
    assert any(not log.part(0).endswith(b"\n") for log in first if log.path.startswith("docker"))


def test_an_unknown_state_is_reported(tmp_path: Path) -> None:
    """A column of another name stops the comparison; nothing is passed over in silence."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        db.execute("CREATE TABLE log (path TEXT, kind TEXT)")
    with pytest.raises(LookupError, match="count offset"):
        saved(tmp_path, tmp_path, 1)


def test_categories_are_those_that_differences_have() -> None:
    """A deliberate difference can name every category that the help lists."""
    old = results(read(body(level="info")))
    assert set(kinds(old, replace(results(), documents=[]))) <= set(CATEGORIES)


def test_costs_are_told_in_their_unit() -> None:
    """The ratio is new over old, of the medians and of the lowest."""
    timed = Timed("ordinary", "python", [(10.0, 11.0), (20.0, 18.0), (12.0, 12.0)], "k")
    assert "old   12.00 k/line  new   12.00 k/line  ratio 1.000  of the lowest 1.100" in str(timed)
