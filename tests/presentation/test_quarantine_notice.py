"""Notices about quarantined entries that match a search."""

import pytest
import yaml

from shipper.config.settings import SchemaSettings
from shipper.model.quarantine_matches import MOST_COUNTED, QuarantineMatches
from shipper.presentation.quarantine_notice import admitting_line, fix_of, quarantine_notice
from shipper_schemas.violation import Kind

IDS = {Kind.CORRELATION_ID_MISSING, Kind.CORRELATION_ID_INVALID}
WITHOUT_LINE = {Kind.ENVELOPE_INVALID, Kind.REFUSED_BY_INDEX, Kind.INTERNAL_ERROR}


def test_without_a_match_there_is_no_notice() -> None:
    """Unless the quarantine was not searched to its end."""
    assert quarantine_notice(QuarantineMatches()) is None
    notice = quarantine_notice(QuarantineMatches(complete=False))
    assert notice is not None
    assert (notice.what, notice.line) == ("the quarantine was not searched to its end", None)


@pytest.mark.parametrize(
    ("matches", "what"),
    [
        (QuarantineMatches(1, reasons=(("json_invalid", 1),)), "1 quarantined entry matches this search, for json_invalid"),
        (
            QuarantineMatches(7, reasons=(("json_invalid", 7),)),
            "7 quarantined entries match this search, all for json_invalid",
        ),
        (
            QuarantineMatches(7, reasons=(("json_invalid", 5), ("line_cut", 2))),
            "7 quarantined entries match this search, 5 of them for json_invalid",
        ),
        (
            QuarantineMatches(1000, complete=False, reasons=(("json_invalid", 1000),)),
            "at least 1,000 quarantined entries match this search, all for json_invalid",
        ),
        (QuarantineMatches(2), "2 quarantined entries match this search"),
    ],
)  # fmt: skip
def test_a_notice_has_the_number_and_the_most_frequent_reason(matches: QuarantineMatches, what: str) -> None:
    """In words that fit one entry, several, and more than were counted."""
    notice = quarantine_notice(matches)
    assert notice is not None
    assert notice.what == what


def test_the_count_ends_at_its_bound() -> None:
    """An entry with two reasons counts once for each of them."""
    entry = {"reasons": [{"kind": "a"}, {"kind": "b"}, {"kind": "a"}]}
    assert QuarantineMatches.of([entry] * 3) == (3, True, (("a", 3), ("b", 3)))
    assert QuarantineMatches.of([entry] * (MOST_COUNTED + 5))[:2] == (MOST_COUNTED, False)


@pytest.mark.parametrize("kind", sorted(set(Kind) - IDS - WITHOUT_LINE))
def test_the_line_of_a_policy_is_valid_configuration(kind: Kind) -> None:
    """It can be pasted into the file as it is, and admits the entries."""
    line = admitting_line(kind)
    assert line is not None
    schema = SchemaSettings.model_validate(yaml.safe_load(line)["schema"])
    assert schema.policies[kind] in ("flag", "allow")
    assert line in fix_of(kind)


def test_kinds_that_no_setting_admits_have_another_fix() -> None:
    """A reason that another program wrote is never part of a command."""
    for kind in WITHOUT_LINE:
        assert admitting_line(kind) is None
        assert fix_of(kind)
    assert admitting_line("x; rm -rf /") is None
    assert fix_of("x; rm -rf /") == "see their reasons"
    assert {admitting_line(kind) for kind in IDS} == {"schema: {require_correlation_id: never}"}
