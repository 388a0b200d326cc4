"""A model of a log under fire: random writes, rotations, truncations, restarts, kills and outages.

The model is a list of what was written and what could no longer be read when it vanished. Whatever the order, in the
end every line is stored once, lines read equal lines accounted for, and counters equal a recount of the truth.
"""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.hazards.rig import Killed, Rig, docker_line

EVENTS = ("login_failed", "patient_created", "request_complete", "unheard_of")


class LogUnderFire(RuleBasedStateMachine):
    """See the module."""

    kind = "docker"

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="shipper-model-"))
        self.rig = Rig(self.folder, kind=self.kind)
        self.rig.path.touch()
        self.truth: Counter[str] = Counter()
        self.refused = 0
        self.unfinished = b""
        self.generation = 0

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.balance()
            self.rig.kill()
            shutil.rmtree(self.folder)

    # --- the writer ---

    def put(self, text: str) -> None:
        self.rig.write(
            docker_line(text + "\n", at=self.rig.sequence) if self.kind == "docker" else text.encode() + b"\n"
        )

    def finish(self) -> None:
        """Complete the line that was begun, as a writer does before its file is rotated."""
        if self.unfinished:
            self.rig.write(self.unfinished)
            self.unfinished = b""

    @rule(number=st.integers(1, 5), event=st.sampled_from(EVENTS))
    def write(self, number: int, event: str) -> None:
        self.finish()
        for _ in range(number):
            self.put(self.rig.entry(event=event, method="POST", path="/api/v1/auth/login", status_code=401))
            self.truth[event] += 1

    @rule()
    def write_a_violation(self) -> None:
        self.finish()
        self.rig.sequence += 1
        self.put('{"correlation_id":"not usable \\u001b","event":"login_failed","n":%d}' % self.rig.sequence)
        self.truth["login_failed"] += 1
        self.refused += 1

    @rule()
    def write_half_a_line(self) -> None:
        self.finish()
        line = (
            docker_line(self.rig.entry(event="login_failed") + "\n")
            if self.kind == "docker"
            else (self.rig.entry(event="login_failed").encode() + b"\n")
        )
        self.truth["login_failed"] += 1
        self.rig.write(line[:17])
        self.unfinished = line[17:]

    @rule(compress=st.booleans())
    def rotate(self, compress: bool) -> None:
        self.finish()
        self.rig.rotate(keep=50, compress=compress)
        self.rig.path.touch()

    @rule()
    def copytruncate(self) -> None:
        self.finish()
        self.rig.rotate(keep=50)
        shutil.copy(f"{self.rig.path}.1", self.rig.path)  # the same inode stays live: swap the two names
        os.rename(f"{self.rig.path}.1", f"{self.rig.path}.swap")
        os.rename(self.rig.path, f"{self.rig.path}.1")
        os.rename(f"{self.rig.path}.swap", self.rig.path)
        os.truncate(self.rig.path, 0)

    # --- the agent ---

    @rule()
    def read(self) -> None:
        self.rig.read()

    @rule(seconds=st.sampled_from([1, 7, 40]))
    def time_passes(self, seconds: int) -> None:
        self.rig.clock.pass_seconds(seconds)

    @rule()
    def stop(self) -> None:
        if self.rig.agent is not None:
            self.rig.stop()

    @rule(compiled=st.booleans())
    def kill(self, *, compiled: bool) -> None:
        """The next agent may go the other way: positions and ids are the same for both."""
        self.rig.kill()
        self.rig.compiled = compiled

    @rule()
    def kill_between_write_and_commit(self) -> None:
        self.rig.output.killed_after_write = True
        try:
            self.rig.read()
        except Killed:
            self.rig.kill()
        self.rig.output.killed_after_write = False

    @rule(away=st.booleans())
    def output_comes_and_goes(self, away: bool) -> None:
        self.rig.output.away = away

    @rule(slow=st.booleans())
    def output_becomes_slow_or_quick(self, slow: bool) -> None:
        self.rig.output.slow = slow

    @rule(which=st.integers(0, 5), refuse=st.booleans())
    def output_answers(self, which: int, refuse: bool) -> None:
        """In any order, and also after the agent that asked was killed."""
        if self.rig.output.unanswered:
            self.rig.output.answer(which, refuse=refuse)

    # --- the books ---

    @invariant()
    def nothing_is_stored_twice(self) -> None:
        if hasattr(self, "rig"):
            serials = self.rig.serials()
            assert len(serials) == len(set(serials))

    def balance(self) -> None:
        """Let everything settle, then compare with the truth."""
        self.finish()
        self.rig.output.away = self.rig.output.slow = False
        while self.rig.output.unanswered:
            self.rig.output.answer(0)
        for _ in range(60):
            self.rig.clock.pass_seconds(45)
            self.rig.read(2)
        total = sum(self.truth.values())
        assert len(self.rig.serials()) == total - self.refused
        assert len(self.rig.quarantined()) == self.refused
        count = self.rig.counter
        assert count("shipper_lines_read_total") == total
        outcomes = ("indexed", "quarantined", "dropped")
        assert sum(count("shipper_lines_total", outcome) for outcome in outcomes) == total
        self.compare_counters()

    def compare_counters(self) -> None:
        """The business counters against a recount of what was written."""
        failed = self.truth["login_failed"] + self.truth["request_complete"]
        assert self.rig.counter("failed_login_attempts_total", "backend") == failed
        created = self.truth["patient_created"]
        assert self.rig.counter("patient_operations_total", "create") == created


class PlainLogUnderFire(LogUnderFire):
    """The same for a plain file, whose lines have no time of their own."""

    kind = "plain"


pytestmark = pytest.mark.integration
QUICK = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLogUnderFire = LogUnderFire.TestCase
TestLogUnderFire.settings = QUICK
TestPlainLogUnderFire = PlainLogUnderFire.TestCase
TestPlainLogUnderFire.settings = QUICK
