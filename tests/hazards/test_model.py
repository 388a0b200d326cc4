"""A model of logs under random writes, rotations, truncations, restarts, kills and outages.

The model is a list of what was written and what was deleted before it could be read. Whatever the order, in the end
every line is stored once, lines read equal lines accounted for, and counters equal a recount of the truth. One log has
all hazards; beside it are many small ones, so that threads scan some logs while others are processed.
"""

import gzip
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipper.inputs.files.limits import Limits
from tests.examples import TIMES
from tests.hazards.rig import Killed, Rig, docker_line

OTHERS = 12
"""Number of small logs."""
EVENTS = ("login_failed", "patient_created", "request_complete", "unheard_of")


def has_live_file(machine: "LogMachine") -> bool:
    """Return True if a live file exists."""
    return machine.rig.path.exists()


def output_accepts(machine: "LogMachine") -> bool:
    """Return True if the output accepts every batch immediately."""
    output = machine.rig.output
    return not (output.unavailable or output.slow or output.unanswered)


class LogMachine(RuleBasedStateMachine):
    """State machine of one log; see the module."""

    kind = "docker"

    @initialize(
        chunk_bytes=st.sampled_from([256 * 1024, 300]),
        dated=st.booleans(),
        threads=st.sampled_from([1, 4]),
        batch_lines=st.sampled_from([50_000, 4]),
    )
    def begin(self, chunk_bytes: int, threads: int, batch_lines: int, *, dated: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="shipper-model-"))
        limits = Limits(chunk_bytes=chunk_bytes)
        self.rig = Rig(self.folder, kind=self.kind, limits=limits, threads=threads, batch_lines=batch_lines)
        self.rig.path.touch()
        self.dated = dated
        self.truth: Counter[str] = Counter()
        self.quarantined = 0
        self.unfinished = b""
        self.generation = 0

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.balance()
            self.rig.kill()
            shutil.rmtree(self.folder)

    # --- the writer ---

    def put(self, text: str, path: Path | None = None) -> None:
        line = docker_line(text + "\n", at=self.rig.sequence) if self.kind == "docker" else text.encode() + b"\n"
        self.rig.write(line, path)

    def finish(self) -> None:
        """Complete a line that was begun, as a writer does before its file is rotated."""
        if self.unfinished:
            self.rig.write(self.unfinished)
            self.unfinished = b""

    @rule(number=st.integers(1, 5), event=st.sampled_from(EVENTS))
    def write(self, number: int, event: str) -> None:
        self.finish()
        for _ in range(number):
            self.put(self.rig.entry(event=event, method="POST", path="/api/v1/auth/login", status_code=401))
            self.truth[event] += 1

    @rule(logs=st.integers(1, OTHERS), number=st.integers(1, 6), declined=st.integers(1, 4))
    def write_to_other_logs(self, logs: int, number: int, declined: int) -> None:
        """Write ordinary lines to the small logs, with lines between them that take the Python path."""
        for log in range(logs):
            for line in range(number):
                entry = self.rig.entry(event="login_failed")
                if (log + line) % declined == 0:
                    entry = entry.replace("{", '{"event":"hidden",', 1)
                self.put(entry, self.rig.other(log))
                self.truth["login_failed"] += 1

    @rule(log=st.integers(0, OTHERS - 1))
    def rotate_another_log(self, log: int) -> None:
        """Rotate a small log once; the writer begins a new file."""
        path = self.rig.other(log)
        rotated = Path(f"{path}.1")
        if path.exists() and not rotated.exists():
            path.rename(rotated)
            path.touch()

    @rule()
    def write_a_violation(self) -> None:
        self.finish()
        self.rig.sequence += 1
        self.put('{"correlation_id":"not usable \\u001b","event":"login_failed","n":%d}' % self.rig.sequence)
        self.truth["login_failed"] += 1
        self.quarantined += 1

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

    def shift(self) -> Path:
        """Shift the rotated files and return the name of the youngest one."""
        self.finish()
        if self.dated:
            self.generation += 1
            return Path(f"{self.rig.path}.20261123-{self.generation:06d}")
        self.rig.make_room(keep=50)
        return Path(f"{self.rig.path}.1")

    @precondition(has_live_file)
    @rule(compress=st.booleans(), new=st.booleans())
    def rotate(self, *, compress: bool, new: bool) -> None:
        """Rotate; some writers create no live file until they have something to write."""
        rotated = self.shift()
        self.rig.path.rename(rotated)
        if compress:
            self.rig.compress(rotated)
        if new:
            self.rig.path.touch()

    @precondition(has_live_file)
    @rule(look=st.booleans())
    def rotate_by_link(self, *, look: bool) -> None:
        """Rotate by a hard link; for a moment the live file has both names."""
        os.link(self.rig.path, self.shift())
        if look:
            self.rig.read()
        (self.rig.logs / "new").touch()
        (self.rig.logs / "new").rename(self.rig.path)

    @precondition(has_live_file)
    @rule()
    def copytruncate(self) -> None:
        shutil.copy(self.rig.path, self.shift())
        os.truncate(self.rig.path, 0)

    @rule(which=st.integers(0, 5), halfway=st.booleans())
    def compress(self, which: int, *, halfway: bool) -> None:
        """Compress an older rotated file; halfway, its .gz is still being written."""
        plain = [path for path in self.rig.logs.glob("app.log.*") if path.suffix != ".gz"]
        if not plain:
            return
        path = sorted(plain)[which % len(plain)]
        if halfway:
            packed = gzip.compress(path.read_bytes())
            Path(f"{path}.gz").write_bytes(packed[: len(packed) // 2])
        else:
            self.rig.compress(path)

    @precondition(output_accepts)
    @rule(number=st.integers(1, 5), rotated=st.booleans(), cut=st.booleans())
    def destroy(self, number: int, *, rotated: bool, cut: bool) -> None:
        """Remove or empty the live file, or remove the whole log, which is read meanwhile and to its end."""
        self.write(number, "login_failed")
        agent = self.rig.agent or self.rig.start()
        agent.tail.max_open = 10
        agent.turn()
        if cut:
            self.settle()
            os.truncate(self.rig.path, 0)
        else:
            self.rig.path.unlink()
        if rotated:
            for path in self.rig.logs.glob("app.log.*"):
                path.unlink()
        self.settle()

    # --- the agent ---

    @rule()
    def read(self) -> None:
        self.rig.read()

    @rule()
    def turn(self) -> None:
        (self.rig.agent or self.rig.start()).turn()
        self.rig.clock.pass_seconds(0.25)

    @rule(most=st.sampled_from([0, 10]))
    def allow_descriptors(self, most: int) -> None:
        (self.rig.agent or self.rig.start()).tail.max_open = most

    @precondition(output_accepts)
    @rule()
    def reload(self) -> None:
        """Remove the input and add it again, with nothing in flight."""
        agent = self.rig.agent or self.rig.start()
        if agent.settle():
            inputs = agent.tail.inputs
            agent.tail.follow([])
            agent.tail.scan()
            agent.tail.follow(inputs)

    @rule(seconds=st.sampled_from([1, 7, 40]))
    def time_passes(self, seconds: int) -> None:
        self.rig.clock.pass_seconds(seconds)

    @rule()
    def stop(self) -> None:
        if self.rig.agent is not None:
            self.rig.stop()

    @rule(native=st.booleans())
    def kill(self, *, native: bool) -> None:
        """Kill; the next agent may use the other path, since offsets and ids are the same for both."""
        self.rig.kill()
        self.rig.native = native

    @rule()
    def kill_between_write_and_commit(self) -> None:
        self.rig.output.killed_after_write = True
        try:
            self.rig.read()
        except Killed:
            self.rig.kill()
        self.rig.output.killed_after_write = False

    @rule(unavailable=st.booleans())
    def output_comes_and_goes(self, unavailable: bool) -> None:
        self.rig.output.unavailable = unavailable

    @rule(slow=st.booleans())
    def output_becomes_slow_or_quick(self, slow: bool) -> None:
        self.rig.output.slow = slow

    @rule(which=st.integers(0, 5), fail=st.booleans())
    def output_answers(self, which: int, fail: bool) -> None:
        """Complete a batch, in any order, even after the agent that sent it was killed."""
        if self.rig.output.unanswered:
            self.rig.output.answer(which, fail=fail)

    # --- the books ---

    @invariant()
    def nothing_is_stored_twice(self) -> None:
        if hasattr(self, "rig"):
            serials = self.rig.serials()
            assert len(serials) == len(set(serials))

    def settle(self, times: int = 6) -> None:
        """Read while time passes."""
        for _ in range(times):
            self.rig.clock.pass_seconds(45)
            self.rig.read(2)

    def balance(self) -> None:
        """Let everything settle, then compare with the truth."""
        self.finish()
        self.rig.output.unavailable = self.rig.output.slow = False
        while self.rig.output.unanswered:
            self.rig.output.answer(0)
        self.settle(60)
        total = sum(self.truth.values())
        assert len(self.rig.serials()) == total - self.quarantined
        assert len(self.rig.quarantined()) == self.quarantined
        count = self.rig.counter
        assert count("shipper_lines_read_total") == total
        outcomes = ("indexed", "quarantined", "dropped")
        assert sum(count("shipper_lines_total", outcome) for outcome in outcomes) == total
        self.compare_counters()

    def compare_counters(self) -> None:
        """Compare the business counters with a recount of what was written."""
        # An entry with method, path and status is a request, whatever its event is called, unless a rule names that.
        failed = sum(self.truth[event] for event in ("login_failed", "request_complete", "unheard_of"))
        assert self.rig.counter("failed_login_attempts_total", "backend") == failed
        created = self.truth["patient_created"]
        assert self.rig.counter("patient_operations_total", "create") == created


class PlainLogMachine(LogMachine):
    """State machine of a plain file, whose lines carry no time."""

    kind = "plain"


pytestmark = pytest.mark.integration
QUICK = settings(
    max_examples=60 * TIMES,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = QUICK
TestPlainLogMachine = PlainLogMachine.TestCase
TestPlainLogMachine.settings = QUICK
