"""The harness of `make chaos` itself: schedules are repeatable, and the books report every error and nothing else."""

import subprocess
import sys
from pathlib import Path

from tests.chaos.books import DEAD, balance
from tests.chaos.lines import Fact, Truth, serials, token
from tests.chaos.schedule import Schedule

PATCH_ALL = """
from tests.chaos.launcher import POINTS, Countdown
for patch in POINTS.values():
    patch(Countdown(1_000_000))
"""
LOGS, QUARANTINE = "keneyapp-logs-2026.11.28", "keneyapp-quarantine-2026.11.28"


def test_a_seed_gives_the_same_schedule_again() -> None:
    """Equal seeds give equal faults and times; another seed gives others."""
    weights = {"kill": 2.0, "copytruncate": 1.0}
    first, again, other = (Schedule.of(seed, "files", weights, 20) for seed in (7, 7, 8))
    assert first == again
    assert str(first) == str(again)
    assert first.steps != other.steps
    assert "copytruncate" in {step.fault for step in Schedule.of(7, "files", {"kill": 1.0}, 3, ["copytruncate"]).steps}


def test_each_fail_point_is_at_a_function_that_exists() -> None:
    """A renamed function would end an agent at its start, before it passes anything; patched in a process of its own."""
    subprocess.run([sys.executable, "-c", PATCH_ALL], cwd=Path(__file__).parents[2], check=True)


def test_tokens_are_found_wherever_they_are() -> None:
    """Each serial number has its own token, recognised in any text."""
    numbers = {0, 1, 15, 16, 4096, 268_435_455}
    assert serials(" … ".join(f'\\"{token(number)}\\"' for number in numbers).encode()) == numbers


def truth() -> tuple[Truth, dict[tuple[str, ...], float]]:
    """Return four entries, one of them with a violation, and their counters."""
    written = Truth()
    for fact in (
        Fact(1, "login_failed"),
        Fact(2, "heartbeat"),
        Fact(1, "patient_created"),
        Fact(1, "", "correlation_id_missing"),
    ):
        written.note(fact)
    counters = {
        ("shipper_lines_read_total",): 5.0,
        ("shipper_lines_total", "indexed"): 4.0,
        ("shipper_lines_total", "quarantined"): 1.0,
        ("failed_login_attempts_total", "backend"): 1.0,
        ("patient_operations_total", "create"): 1.0,
        ("business_events_total", "patient_created"): 1.0,
        ("shipper_violations_total", "correlation_id_missing"): 1.0,
    }
    return written, counters


STORED = [(LOGS, token(serial).encode()) for serial in range(3)] + [(QUARANTINE, token(3).encode())]


def test_correct_books_balance() -> None:
    """Everything is stored once in its place."""
    written, counters = truth()
    assert balance(written, STORED, counters).balanced


def test_lost_duplicated_misplaced_and_miscounted_entries_are_named() -> None:
    """Each is named by its serial number or its metric."""
    written, counters = truth()
    assert balance(written, STORED[1:], counters).lost == [0]
    assert balance(written, [*STORED, STORED[2]], counters).duplicated == [2]
    assert balance(written, [*STORED, (LOGS, token(99).encode())], counters).duplicated == [99]
    assert balance(written, [*STORED[:3], (LOGS, token(3).encode())], counters).misplaced == [3]
    counters["failed_login_attempts_total", "backend"] = 2.0
    books = balance(written, STORED, counters)
    assert books.counters == {"failed_login_attempts_total": (1.0, 2.0, 1.0)}
    assert books.counter_error == 1.0
    assert "failed_login_attempts_total is 2, expected 1" in str(books)


def test_unreadable_lines_are_excused_but_not_miscounted() -> None:
    """Lines of a destroyed file may be stored or not, counted or not, but not twice."""
    written, counters = truth()
    written.excused = {0}
    assert balance(written, STORED, counters).balanced
    assert balance(written, STORED[1:], counters).excused == 1
    counters["failed_login_attempts_total", "backend"] = 0.0
    assert balance(written, STORED[1:], counters).balanced
    assert balance(written, [*STORED, STORED[0]], counters).duplicated == [0]


def test_a_dead_letter_is_not_lost_and_a_rejected_document_may_be_accepted_later() -> None:
    """A document that its index rejected, and accepted on a second attempt, is in both: reported separately, not as a duplicate."""
    written, counters = truth()
    assert balance(written, [*STORED[1:], (DEAD, token(0).encode())], counters).balanced
    both = [*STORED, (QUARANTINE, b'"kind":"refused_by_index" ' + token(0).encode())]
    books = balance(written, both, counters)
    assert (books.balanced, books.accepted_later) == (True, 1)


def test_an_entry_torn_by_the_loss_of_its_file_is_counted_separately() -> None:
    """Stored whole before a kill and in part after it: no duplicate of a readable line, and of no other entry."""
    written = Truth()
    for joined in (True, False):
        written.note(Fact(1, joined=joined))
    counters = {("shipper_lines_read_total",): 2.0, ("shipper_lines_total", "indexed"): 2.0}
    twice = [(LOGS, token(serial).encode()) for serial in (0, 0, 1)]
    assert balance(written, twice, counters).duplicated == [0]
    written.excused = {0, 1}
    books = balance(written, twice, counters)
    assert (books.balanced, books.torn) == (True, 1)
    assert balance(written, [*twice, twice[2]], counters).duplicated == [1]


def test_the_count_of_lost_files_has_to_agree_with_what_is_excused() -> None:
    """Too few, and the agent kept a loss to itself; too many, and it raises false alarms."""
    written, counters = truth()
    for least, most, balanced in ((0, 0, False), (1, 1, True), (2, 3, False)):
        books = balance(written, STORED, {**counters, ("shipper_files_lost_total",): 1.0}, (least, most))
        assert books.balanced == balanced
    assert balance(written, STORED, counters, (0, 0)).balanced
