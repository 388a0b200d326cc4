"""Names of files, which anybody who may write beside a log can choose."""

import os
from pathlib import Path

import pytest

from shipper.config.settings import InputSettings
from shipper.inputs.files.container_metadata import Provenance
from tests.hazards.rig import Rig

NAMES = {
    "no UTF-8": os.fsdecode(b"caf\xe9\xff.log"), "escape sequence": "\x1b[2J\x1b]0;owned\x07.log", "newline": 'a\nup{job="x"} 0\n.log',
    "quotes": "\"'`;$(reboot)'.log", "bidi": "\u202egol.log", "long": "n" * 240 + ".log", "percent": "%s%n{0}.log", "spaces": "  .log",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["docker", "cri", "plain"])
@pytest.mark.parametrize("name", NAMES)
def test_a_log_of_any_name_is_followed_over_restarts_and_stops_no_other(tmp_path: Path, name: str, kind: str) -> None:
    """A name that is not UTF-8 or looks like something else is a name: stored, saved in the state, shown in JSON."""
    rig = Rig(tmp_path, kind=kind)
    rig._origin = Provenance("node-1").of(InputSettings(type=kind, glob="*.log"))  # type: ignore[method-assign, arg-type]
    beside, rig.path = rig.path, rig.logs / NAMES[name]
    rig.write(rig.lines(2))
    rig.write(rig.lines(1), beside)
    rig.drain()
    rig.kill()
    rig.write(rig.lines(1))
    rig.start()
    rig.drain()
    assert len(rig.output.stored) == 4
    assert rig.counter("shipper_lines_read_total") == 4


@pytest.mark.parametrize("name", ["app.log.1.gz", "app.log.1", "pipe.log"])
def test_a_pipe_among_logs_blocks_nothing(tmp_path: Path, name: str) -> None:
    """Whoever may write there could block the reading of all logs: it is reported as not a log, and others are read."""
    rig = Rig(tmp_path)
    os.mkfifo(rig.logs / name)
    rig.write(rig.lines(2), rig.logs / "other.log")
    agent = rig.start()
    rig.read(2)
    assert rig.serials() == [1, 2]
    assert [Path(path).name for path in agent.tail.unreadable] == [name if name == "pipe.log" else "app.log"]
