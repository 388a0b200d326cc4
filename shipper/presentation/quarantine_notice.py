"""Sentences about quarantined entries: how many match a search, and how to store such entries instead."""

from typing import NamedTuple

from shipper.model.quarantine_matches import QuarantineMatches
from shipper_schemas.violation import DEFAULT_POLICIES, Kind, Policy

IDS = (Kind.CORRELATION_ID_MISSING, Kind.CORRELATION_ID_INVALID)
NOT_ADMITTED = {
    Kind.ENVELOPE_INVALID: "`shipper check` shows whether the type of the input is wrong",
    Kind.REFUSED_BY_INDEX: (
        "correct the mapping of the index, then run `shipper quarantine release --reason refused_by_index`"
    ),
    Kind.INTERNAL_ERROR: "please report the error with the raw line",
}
"""Kinds of violation that no setting admits, each with its fix."""
NO_ANSWER = "the quarantine was not searched to its end"


class QuarantineNotice(NamedTuple):
    """Quarantined entries that match a search."""

    what: str
    """Their number and their most frequent reason."""
    reason: str | None
    """The most frequent kind of violation; None if no entry names one."""
    line: str | None
    """The line of configuration that admits entries with this reason; None if no setting does."""
    fix: str
    """How to have such entries stored."""


def admitting_line(kind: str) -> str | None:
    """Return the line of configuration that admits entries with this kind of violation; None if no setting does."""
    if kind in IDS:
        return "schema: {require_correlation_id: never}"
    if kind not in list(Kind) or kind in NOT_ADMITTED:
        return None
    policy = Policy.ALLOW if DEFAULT_POLICIES[Kind(kind)] in (Policy.ALLOW, Policy.DROP) else Policy.FLAG
    return f"schema: {{policies: {{{kind}: {policy}}}}}"


def admission_of(kind: str | None) -> str:
    """Return how entries with this kind of violation are stored from now on, as a sentence without its full stop."""
    if kind is None or kind not in list(Kind):
        return "see their reasons"
    line = admitting_line(kind)
    return NOT_ADMITTED[Kind(kind)] if line is None else f"to store such entries, configure `{line}`"


def fix_of(kind: str | None) -> str:
    """Return the same with the command that releases those in quarantine."""
    admission = admission_of(kind)
    if kind is None or admitting_line(kind) is None:
        return admission
    return f"{admission}, then run `shipper quarantine release --reason {kind}`"


def quarantine_notice(matches: QuarantineMatches) -> QuarantineNotice | None:
    """Return the notice for a search; None if no quarantined entry matches it."""
    if matches.number == 0:
        return None if matches.complete else QuarantineNotice(NO_ANSWER, None, None, "narrow the search by time")
    least = "" if matches.complete else "at least "
    entries = "entry matches" if matches.number == 1 and matches.complete else "entries match"
    what = f"{least}{matches.number:,} quarantined {entries} this search"
    if not matches.reasons:
        return QuarantineNotice(what, None, None, fix_of(None))
    reason, number = matches.reasons[0]
    share = "" if matches.number == 1 else "all " if number == matches.number else f"{number:,} of them "
    return QuarantineNotice(f"{what}, {share}for {reason}", reason, admitting_line(reason), fix_of(reason))
