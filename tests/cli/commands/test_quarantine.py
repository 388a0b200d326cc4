"""`shipper quarantine` on a real store."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from shipper.cli.commands.quarantine import release_entries, release_summary, render_groups, render_list
from shipper.model.documents import Document
from shipper.model.query import Query
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.presentation.quarantine_groups import Group
from shipper_schemas.violation import Kind, Violation
from tests.cli.conftest import made

Shipper = Callable[..., tuple[int, str, str]]


def accepting(entry: dict[str, Any]) -> tuple[Document | None, list[Violation]]:
    """Accept everything except broken JSON, as a chain."""
    if entry["raw"] == "{":
        return None, [Violation(Kind.JSON_INVALID, None, "cut \x1b short")]
    id_ = bytes.fromhex(entry["_id"])
    return Document(entry["index"], id_, 1_795_428_000_000, None, "e", "info", None, None, b'{"event":"e"}'), []


def test_list_shows_entries_and_reasons(shipper: Shipper) -> None:
    """Oldest first, one line each, hostile bytes visible."""
    code, out, err = shipper("quarantine", "list", "--entries")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 3)
    assert lines[0].split("  ")[1:] == [
        "2026-11-23 10:00:01", "correlation_id_missing", "backend", r'{"id": "lost-7"}\x1b[2J',
    ]  # fmt: skip
    assert r"line\nother line" in lines[2]


def test_list_narrows_by_reason_and_limit(shipper: Shipper) -> None:
    """Entries beyond the limit are mentioned; JSON is exact."""
    code, out, _ = shipper("quarantine", "list", "--entries", "--reason", "json_invalid", "--format", "json")
    assert [json.loads(line)["raw"] for line in out.splitlines()] == ["{"]
    code, out, err = shipper("quarantine", "list", "--entries", "--limit", "2")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "Showing only the oldest 2" in err
    assert "No quarantined entries for line_cut" in shipper("quarantine", "list", "--reason", "line_cut")[2]


def test_list_groups_by_reason_service_and_event(shipper: Shipper, store: LocalStore) -> None:
    """One line each with its number and newest time, newest first; then the total and how to store such entries."""
    reasons = [{"kind": "correlation_id_missing", "detail": "missing"}]
    store.write([made(9, "keneyapp-quarantine", event="login\x1b_failed", reasons=reasons, raw="x")])
    code, out, err = shipper("quarantine", "list")
    assert code == 0
    assert [line.split()[:6] for line in out.splitlines()] == [
        ["entries", "newest", "reason", "service", "event", "newest"],
        ["1", "2026-11-23", "10:00:09", "correlation_id_missing", "backend", r"login\x1b_failed"],
        ["2", "2026-11-23", "10:00:03", "correlation_id_missing", "backend", "tick"],
        ["1", "2026-11-23", "10:00:02", "json_invalid", "backend", "tick"],
    ]
    assert err.splitlines() == [
        "4 quarantined entries; --entries lists them singly.",
        (
            "correlation_id_missing: to store such entries, configure `schema: {require_correlation_id: never}`,"
            " then run `shipper quarantine release --reason correlation_id_missing`."
        ),
        (
            "json_invalid: to store such entries, configure `schema: {policies: {json_invalid: flag}}`,"
            " then run `shipper quarantine release --reason json_invalid`."
        ),
    ]
    newest = out.splitlines()[2].split()[-1]
    assert "line\n  other line" in shipper("quarantine", "show", newest)[1]


def test_groups_as_json_and_their_limit(shipper: Shipper) -> None:
    """One object a line; groups beyond the limit are mentioned."""
    _, out, err = shipper("quarantine", "list", "--format", "json", "--limit", "1")
    (group,) = [json.loads(line) for line in out.splitlines()]
    identity = group.pop("newest_id")
    assert group == {
        "reasons": ["correlation_id_missing"], "service": "backend", "event": "tick", "entries": 2,
        "newest": "2026-11-23T10:00:03.000Z",
    }  # fmt: skip
    assert shipper("quarantine", "show", identity)[0] == 0
    assert err == "Showing only the newest 1 groups; --limit 0 shows all.\n"


def test_a_narrow_screen_leaves_columns_of_groups_out() -> None:
    """Number, reason and event remain longest; no column is cut to nothing."""
    group = Group(("correlation_id_missing",), "shop", "payment_failed", 134, "2026-11-30T10:06:39.000Z", "0" * 40)
    lines = {
        100: "    134  2026-11-30 10:06:39  correlation_id_missing  shop     payment_failed  000000000000",
        80: "    134  2026-11-30 10:06:39  correlation_id_missing  shop     payment_failed",
        60: "    134  correlation_id_missing  shop     payment_failed",
        48: "    134  correlation_id_missing  payment_failed",
    }
    for width, line in lines.items():
        console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True, highlight=False)
        render_groups([group], console)
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue().splitlines()[1].rstrip() == line


def test_a_small_screen_keeps_the_id_and_the_reason() -> None:
    """Both are needed by the other commands."""
    entry = {"_id": "0" * 12 + "703366af69b7" + "0" * 16, "@timestamp": "2026-11-23T10:00:01.000Z",
             "reasons": [{"kind": "correlation_id_invalid"}], "service": {"name": "backend"}, "raw": "{}"}  # fmt: skip
    for width, line in (
        (40, "703366af69b7  correlation_id_invalid  {}"),
        (80, "703366af69b7  2026-11-23 10:00:01  corr"),
    ):
        console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True, highlight=False)
        render_list([entry], console)
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue().startswith(line)


def test_show_prints_one_entry(shipper: Shipper, store: LocalStore) -> None:
    """By short or full id: reasons, source, and the raw text with its lines."""
    full = [entry["_id"] for entry in LocalReader(store.directory).quarantine()][2]
    short = shipper("quarantine", "list", "--entries")[1].splitlines()[2].split()[0]
    for identity in (full, short, short[:6].upper()):
        code, out, _ = shipper("quarantine", "show", identity)
        assert code == 0
        assert f"id      {full} in keneyapp-quarantine-2026.11.23\n" in out
        assert "reason  correlation_id_missing (correlation_id): missing\n" in out
        assert "file    /var/log/a.log at byte 3\n" in out
        assert out.endswith("\n  line\n  other line\n")


@pytest.mark.parametrize(
    ("identity", "what"),
    [("ffffffffffff", "no unreleased entry ffffffffffff"), ("ab", "ambiguous id: ab"), ("", "ambiguous id: empty")],
)
def test_an_unknown_id_is_named_with_its_hint(shipper: Shipper, identity: str, what: str) -> None:
    """The hint for a wrong or ambiguous id is the list."""
    code, out, err = shipper("quarantine", "show", identity)
    assert (code, out) == (1, "")
    assert what in err
    assert "shipper quarantine list" in err


def test_release_moves_accepted_entries_and_keeps_the_rest(store: LocalStore) -> None:
    """Accepted entries move to the main index, rejected ones stay, none is in both."""
    reader = LocalReader(store.directory)
    released = release_entries(reader.quarantine(), reader, accepting, dry_run=False)
    assert [*release_summary(released, dry_run=False)] == [
        "released: 2",
        "still rejected: 1",
        r"  1 x json_invalid: cut \x1b short",
    ]
    assert len(list(reader.search(Query(event="e")))) == 2
    assert [entry["raw"] for entry in reader.quarantine()] == ["{"]
    reader.close()


def test_a_dry_run_changes_nothing(store: LocalStore) -> None:
    """It only shows the result of a release."""
    reader = LocalReader(store.directory)
    released = release_entries(reader.quarantine(), reader, accepting, dry_run=True)
    assert next(release_summary(released, dry_run=True)) == "would be released: 2"
    assert len(list(reader.quarantine())) == 3


@pytest.mark.parametrize("arguments", [(), ("abcd", "--all"), ("abcd", "--reason", "json_invalid")])
def test_release_needs_a_selection(shipper: Shipper, arguments: tuple[str, ...]) -> None:
    """Exactly one of ids, --all and --reason."""
    code, _, err = shipper("quarantine", "release", *arguments)
    assert code == 2
    assert "give IDs, --all or --reason" in err
