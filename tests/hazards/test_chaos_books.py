"""The harness of `make chaos` itself: schedules repeat, and its books tell what is wrong and nothing else."""

from tests.chaos.books import DEAD, balance
from tests.chaos.lines import Fact, Truth, serials, token
from tests.chaos.schedule import Schedule

LOGS, QUARANTINE = "keneyapp-logs-2026.11.28", "keneyapp-quarantine-2026.11.28"


def test_a_seed_gives_the_same_schedule_again() -> None:
    """Fault by fault, with times; another seed gives another one."""
    weights = {"kill": 2.0, "copytruncate": 1.0}
    first, again, other = (Schedule.of(seed, "files", weights, 20) for seed in (7, 7, 8))
    assert first == again
    assert str(first) == str(again)
    assert first.steps != other.steps
    assert "copytruncate" in {step.fault for step in Schedule.of(7, "files", {"kill": 1.0}, 3, ["copytruncate"]).steps}


def test_tokens_are_found_wherever_they_are() -> None:
    """Each serial number has its own, in text of any kind."""
    numbers = {0, 1, 15, 16, 4096, 268_435_455}
    assert serials(" … ".join(f'\\"{token(number)}\\"' for number in numbers).encode()) == numbers


def truth() -> tuple[Truth, dict[tuple[str, ...], float]]:
    """Four entries, one of them refused, and the counters that belong to them."""
    found = Truth()
    for fact in (
        Fact(1, "login_failed"),
        Fact(2, "heartbeat"),
        Fact(1, "patient_created"),
        Fact(1, "", "correlation_id_missing"),
    ):
        found.note(fact)
    counters = {
        ("shipper_lines_read_total",): 5.0,
        ("shipper_lines_total", "indexed"): 4.0,
        ("shipper_lines_total", "quarantined"): 1.0,
        ("failed_login_attempts_total", "backend"): 1.0,
        ("patient_operations_total", "create"): 1.0,
        ("business_events_total", "patient_created"): 1.0,
        ("shipper_violations_total", "correlation_id_missing"): 1.0,
    }
    return found, counters


STORED = [(LOGS, token(serial).encode()) for serial in range(3)] + [(QUARANTINE, token(3).encode())]


def test_books_that_balance_are_even() -> None:
    """Everything once where it belongs."""
    written, counters = truth()
    assert balance(written, STORED, counters).even


def test_what_is_lost_doubled_misplaced_or_miscounted_is_named() -> None:
    """Each by its serial number or its metric."""
    written, counters = truth()
    assert balance(written, STORED[1:], counters).lost == [0]
    assert balance(written, [*STORED, STORED[2]], counters).doubled == [2]
    assert balance(written, [*STORED, (LOGS, token(99).encode())], counters).doubled == [99]
    assert balance(written, [*STORED[:3], (LOGS, token(3).encode())], counters).misplaced == [3]
    counters["failed_login_attempts_total", "backend"] = 2.0
    found = balance(written, STORED, counters)
    assert found.counters == {"failed_login_attempts_total": (1.0, 2.0, 1.0)}
    assert found.counter_error == 1.0
    assert "failed_login_attempts_total is 2, and should be 1" in str(found)


def test_what_nobody_could_have_read_is_excused_but_not_miscounted() -> None:
    """Lines of a destroyed file may be there or not, counted or not; more than once is still once too often."""
    written, counters = truth()
    written.excused = {0}
    assert balance(written, STORED, counters).even
    assert balance(written, STORED[1:], counters).excused == 1
    counters["failed_login_attempts_total", "backend"] = 0.0
    assert balance(written, STORED[1:], counters).even
    assert balance(written, [*STORED, STORED[0]], counters).doubled == [0]


def test_a_dead_letter_is_not_lost_and_a_refusal_taken_back_is_told_apart() -> None:
    """A document that its index refused, and on a second try took, is in both: told by itself, and no double."""
    written, counters = truth()
    assert balance(written, [*STORED[1:], (DEAD, token(0).encode())], counters).even
    both = [*STORED, (QUARANTINE, b'"kind":"refused_by_index" ' + token(0).encode())]
    found = balance(written, both, counters)
    assert (found.even, found.taken_back) == (True, 1)


def test_an_entry_torn_by_the_loss_of_its_file_is_told_apart() -> None:
    """Whole before a kill, its beginning after it: no double of a line that could be read, and of no other entry."""
    written = Truth()
    for joined in (True, False):
        written.note(Fact(1, joined=joined))
    counters = {("shipper_lines_read_total",): 2.0, ("shipper_lines_total", "indexed"): 2.0}
    twice = [(LOGS, token(serial).encode()) for serial in (0, 0, 1)]
    assert balance(written, twice, counters).doubled == [0]
    written.excused = {0, 1}
    found = balance(written, twice, counters)
    assert (found.even, found.torn) == (True, 1)
    assert balance(written, [*twice, twice[2]], counters).doubled == [1]
