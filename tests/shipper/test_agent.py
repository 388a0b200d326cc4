"""The agent's loop: when it commits under load, and what it does when nothing comes."""

from dataclasses import replace
from pathlib import Path

from tests.hazards.rig import Rig


def test_commits_under_load_wait_for_one_another_and_a_kill_between_them_costs_nothing(tmp_path: Path) -> None:
    """Full batches are written at once; positions follow a few times a second, and ids make up for the rest."""
    rig = Rig(tmp_path)
    agent = rig.start()
    agent.pace = replace(agent.pace, batch_lines=1, commit=60.0)
    rig.write(rig.lines(1))
    agent.turn()
    before = agent.state.logs()
    rig.write(rig.lines(5))
    agent.turn()
    assert len(rig.output.stored) == 6
    assert agent.state.logs() == before
    rig.kill()
    rig.read()
    assert rig.serials() == list(range(1, 7))
    assert rig.counter("shipper_lines_read_total") == 6


def test_a_stop_commits_what_was_put_off(tmp_path: Path) -> None:
    """The next start has nothing to send again."""
    rig = Rig(tmp_path)
    agent = rig.start()
    agent.pace = replace(agent.pace, batch_lines=1, commit=60.0)
    rig.write(rig.lines(3))
    agent.turn()
    rig.stop()
    rig.read()
    assert rig.counter("shipper_events_total", "duplicate") == 0
    assert rig.counter("shipper_events_total", "indexed") == 3


def test_quiet_is_told_once_until_something_comes(tmp_path: Path) -> None:
    """Memory is given back after a while without lines, not at every poll."""
    rig = Rig(tmp_path)
    agent = rig.start()
    told: list[float] = []
    agent.when_quiet = lambda: told.append(rig.clock.now)
    agent.pace = replace(agent.pace, poll=0.0)

    def rests(seconds: float) -> None:
        for _ in range(int(seconds)):
            agent.turn()
            agent.rest()
            rig.clock.pass_seconds(1)

    rig.write(rig.lines(1))
    rests(4)
    assert not told
    rests(6)
    assert len(told) == 1
    rig.write(rig.lines(1))
    rests(10)
    assert len(told) == 2
