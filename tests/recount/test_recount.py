"""The counter of failed logins equals a plain recount over a mixed corpus, in both chains and envelopes."""

import random
from pathlib import Path
from typing import Literal, get_args

import pytest

from tests.hazards.login_lines import CASES, Case
from tests.recount.failed_logins import failed_logins
from tests.shapes.agent_run import Chain, chains, log_path, running
from tests.shapes.envelopes import NOON_MS, WRITERS, Envelope, rfc3339
from tests.shapes.truth import own_shapes

pytestmark = pytest.mark.integration

COUNTER = "failed_login_attempts_total"
LOGS = 12
LONGEST = 100_000
"""Characters of a line; longer ones are tried alone."""
APART_MS = 40
"""Time between two lines, so short that lines of one event can be joined."""


def mixed(seed: int, mode: Literal["structured", "access"]) -> list[str]:
    """Return lines of all loggers with failed logins between them, in an order of its own; events stay whole."""
    rng = random.Random(seed)
    events = [entry.lines for shape in own_shapes() for entry in shape.entries]
    logins = [case.lines for case in CASES if case.mode == mode and case.stream == "stdout" and fits(case)]
    chosen = rng.sample(events, 60) + rng.choices(logins, k=60)
    rng.shuffle(chosen)
    return [line for lines in chosen for line in lines]


def fits(case: Case) -> bool:
    """Return True for a case whose lines are not too long to be mixed."""
    return sum(map(len, case.lines)) <= LONGEST


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.mode}: {case.name}")
def test_the_recount_finds_what_a_person_finds(case: Case) -> None:
    """The oracle is right on each class alone."""
    assert failed_logins(case.lines, case.mode, case.stream) == case.count


@pytest.mark.parametrize("chain", chains())
@pytest.mark.parametrize("envelope", get_args(Envelope))
@pytest.mark.parametrize("mode", ["structured", "access"])
def test_counters_equal_the_recount(
    tmp_path: Path, mode: Literal["structured", "access"], envelope: Envelope, chain: Chain
) -> None:
    """Log by log, over lines of every logger with every class of failed login between them."""
    logs = {log_path(tmp_path / "logs", seed, envelope): mixed(seed, mode) for seed in range(LOGS)}
    for path, lines in logs.items():
        path.parent.mkdir(parents=True)
        times = (rfc3339(NOON_MS + at * APART_MS) for at in range(len(lines)))
        path.write_bytes(b"".join(WRITERS[envelope](line, time) for line, time in zip(lines, times, strict=True)))
    pattern = f"{tmp_path}/logs/*/{'*' if envelope == 'docker' else '*/*'}.log"
    with running(tmp_path, [{"type": envelope, "glob": pattern, "http_source": mode}], chain) as run:
        run.read()
        services = run.services()
        counted = {str(path): run.counter(COUNTER, services[str(path)]) for path in logs}
    assert counted == {str(path): failed_logins(lines, mode) for path, lines in logs.items()}
