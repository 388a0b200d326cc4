"""State that a replay keeps over an interruption."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from shipper.model.documents import Documents
from shipper.replay.committer import Committer
from shipper.replay.discover import Problem
from shipper.replay.job import Job
from shipper.replay.segment import Segment
from shipper.state.database import FILE
from shipper.state.store import State
from shipper.system.errors import StateError
from tests.replay.rig import NOW_MS, SETTINGS, Keeping

KEY = b"k" * 32
PROBLEMS = [
    Problem('"a.log" is\ndamaged; after 7 bytes', "put a whole 'copy' in its place;\n\trun it again"),
    Problem("b.log\udcff went", "see what removes it"),
    Problem("c\0.log", ""),
]


def segment(*problems: Problem) -> Segment:
    """A segment with one line and these problems."""
    return Segment(Documents(), Counter(), {("dropped", 1): 1}, 1, 10, {}, [], [], [*problems])


def committer(state: State | None) -> Committer:
    """A committer that resumes from `state`."""
    return Committer(Job(SETTINGS, history=False, now_ms=NOW_MS), Keeping(), state)


def test_problems_survive_an_interruption_beside_the_counters(tmp_path: Path) -> None:
    """Each once, whatever characters it contains; no metric label contains any."""
    for problems in ([PROBLEMS[0], PROBLEMS[1]], [PROBLEMS[1], PROBLEMS[2]], []):
        state = State(tmp_path, KEY)
        replay = committer(state)
        replay.add(segment(*problems))
        assert replay.finish()
        outcome = replay.outcome(finished=False)
        state.close()
    assert sorted(outcome.problems) == sorted(PROBLEMS)
    assert (outcome.lines, outcome.counters) == (3, {})
    with sqlite3.connect(tmp_path / FILE) as db:
        labels = [label for (label,) in db.execute("SELECT labels FROM series")]
    assert labels
    assert not any("log" in label or "copy" in label for label in labels)


def test_problems_that_are_not_committed_are_not_reported(tmp_path: Path) -> None:
    """They are reported when the segment is read again; one transaction has all of it."""
    state = State(tmp_path, KEY)
    replay = committer(state)
    replay.add(segment(PROBLEMS[0]))
    assert replay.outcome(finished=False).problems == []
    state.close()
    again = State(tmp_path, KEY)
    assert again.problems() == []
    again.close()


def test_without_a_state_problems_are_reported_all_the_same() -> None:
    """A dry run keeps nothing."""
    replay = committer(None)
    replay.add(segment(*PROBLEMS, *PROBLEMS))
    assert replay.finish()
    assert replay.outcome(finished=True).problems == PROBLEMS


def test_a_problem_changed_in_the_database_is_damage(tmp_path: Path) -> None:
    """The seal is over problems too."""
    state = State(tmp_path, KEY)
    replay = committer(state)
    replay.add(segment(PROBLEMS[0]))
    replay.finish()
    state.close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE problem SET hint = 'none'")
    with pytest.raises(StateError, match="rows differ from the last commit"):
        State(tmp_path, KEY)
