"""`shipper search` on a real store."""

import json
from collections.abc import Callable

import pytest

from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.system.errors import StoreUnreadable
from tests.cli.conftest import made

Shipper = Callable[..., tuple[int, str, str]]


def test_a_correlation_id_gives_its_timeline(shipper: Shipper) -> None:
    """The id is enough, in a pipe and on a terminal."""
    code, out, err = shipper("search", "abc-1")
    assert (code, err) == (0, "")
    assert out.startswith("correlation id abc-1\n")
    assert out.endswith("3 errors, the first at +0.000s in backend: step\n")


def test_without_an_id_the_newest_entries_come_last(shipper: Shipper) -> None:
    """A table of the newest entries in time order, and a note about the rest."""
    code, out, err = shipper("search", "--limit", "5")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        f"2026-11-23T10:{time}.000Z" for time in ("02:25", "02:26", "03:20", "03:21", "03:22")
    ]
    assert err.startswith("Showing only the newest 5 entries; --limit 0 shows all.\n")


def test_the_default_limit_is_a_hundred_and_zero_is_none(shipper: Shipper) -> None:
    """A screenful by default, everything on request."""
    assert len(shipper("search")[1].splitlines()) == 100
    _, out, err = shipper("search", "--limit", "0", "--format", "json")
    assert [json.loads(line)["log"]["offset"] for line in out.splitlines()] == [*range(147), 200, 201, 202]
    assert err.startswith("3 quarantined entries match this search")


def test_quarantined_entries_that_match_are_reported_on_standard_error(shipper: Shipper) -> None:
    """In every format: their number, the most frequent reason, and the configuration that admits them."""
    for form in ("table", "json"):
        _, out, err = shipper("search", "--event", "tick", "--limit", "0", "--format", form)
        assert err == (
            "3 quarantined entries match this search, 2 of them for correlation_id_missing:"
            " see `shipper quarantine list --reason correlation_id_missing`.\n"
            "To store such entries, configure `schema: {require_correlation_id: never}`,"
            " then run `shipper quarantine release --reason correlation_id_missing`.\n"
        )
        assert "quarantine" not in out
    assert "quarantined" not in shipper("search", "--event", "step")[2]


def test_a_search_that_only_the_quarantine_answers(shipper: Shipper, store: LocalStore) -> None:
    """It has no result, and says where the entries are."""
    lost = {"correlation_id": "visit-9", "level": "error", "reasons": [{"kind": "status_code_invalid", "detail": "x"}]}
    store.write([made(4, "keneyapp-quarantine", raw="{}", **lost)])
    code, out, err = shipper("search", "visit-9")
    assert (code, out) == (1, "")
    assert err.splitlines()[1:] == [
        (
            "1 quarantined entry matches this search, for status_code_invalid:"
            " see `shipper quarantine list --reason status_code_invalid`."
        ),
        (
            "To store such entries, configure `schema: {policies: {status_code_invalid: flag}}`,"
            " then run `shipper quarantine release --reason status_code_invalid`."
        ),
    ]


def test_who_may_not_read_the_quarantine_can_search(shipper: Shipper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries are shown, and so is the reason why the quarantine was not searched."""

    def denied(*_: object) -> None:
        raise StoreUnreadable("no permission")

    monkeypatch.setattr(LocalReader, "matching_quarantine", denied)
    code, out, err = shipper("search", "abc-1")
    assert (code, err) == (0, "The quarantine could not be searched: no permission\n")
    assert out.startswith("correlation id abc-1\n")


def test_terms_and_times_narrow_the_search(shipper: Shipper) -> None:
    """Every option reaches the store."""
    code, out, _ = shipper(
        "search", "--since", "2026-11-23T10:00:10Z", "--until", "2026-11-23T10:00:20Z", "--text", "entry 12",
        "--event", "tick", "--level", "info", "--container", "backend", "--format", "json",
    )  # fmt: skip
    assert code == 0
    assert [json.loads(line)["message"] for line in out.splitlines()] == ["entry 12"]


def test_an_empty_result_shows_the_criteria_and_the_store(shipper: Shipper, store: LocalStore) -> None:
    """Exit code 1, with the message on standard error."""
    code, out, err = shipper("search", "--event", "no\x1bne", "--since", "2026-11-23")
    assert (code, out) == (1, "")
    assert store.url in err
    assert "event 'no\\x1bne', since 2026-11-23T00:00:00.000Z" in err


def test_an_id_in_quarantine_is_reported(shipper: Shipper) -> None:
    """A search for a quarantined request shows the entry."""
    code, _, err = shipper("search", "lost-7")
    assert code == 1
    assert "1 entry with this text in quarantine: see `shipper quarantine show " in err
    identity = err.rsplit("show ", 1)[1].split("`")[0]
    assert '{"id": "lost-7"}\\x1b[2J' in shipper("quarantine", "show", identity)[1]
    assert "No quarantined entry has or mentions this id either." in shipper("search", "nowhere")[2]


def test_an_id_that_stands_only_in_texts_is_reported(shipper: Shipper, store: LocalStore) -> None:
    """With the search that finds them; an id without a word is not looked for."""
    store.write([made(900, message="ERROR [requestId=req-77ab] posting failed")])
    code, out, err = shipper("search", "req-77ab")
    assert (code, out) == (1, "")
    assert """Entries without this id mention it: see `shipper search --text '"req-77ab"'`.""" in err
    assert "posting failed" in shipper("search", "--text", '"req-77ab"')[1]
    assert "mention it" not in shipper("search", "77ab-req")[2]
    assert "mention it" not in shipper("search", "--", "-")[2]


@pytest.mark.parametrize(
    "arguments",
    [("--since", "soon"), ("--format", "timeline"), ("--level", "loud"), ("--limit", "-1"),
     ("--text", ""), ("--text", "%"), ("--since", "1h", "--until", "2h"), ("--since", "2026-11-23", "--until", "2026-11-23")],
)  # fmt: skip
def test_usage_errors_are_exit_code_2(shipper: Shipper, arguments: tuple[str, ...]) -> None:
    """They are reported before anything is searched."""
    code, out, err = shipper("search", *arguments)
    assert (code, out) == (2, "")
    assert "Error:" in err


def test_a_missing_store_is_named_with_its_hint(shipper: Shipper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong folder is not an empty result."""
    monkeypatch.setenv("SHIPPER_OUTPUT", "local:/nonexistent/store")
    code, _, err = shipper("search", "abc-1")
    assert code == 1
    assert "/nonexistent/store" in err
    assert "--output" in err
