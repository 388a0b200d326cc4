"""Logs of a real Docker engine: every line arrives once, whatever is rotated, restarted or removed."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.json_file import record, records
from shipper.inputs.files.container_metadata import DockerApi
from tests.integration.agent import AgentProcess
from tests.integration.conftest import Engine
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
WRITER = """
i=0
while [ $i -lt %d ]; do
  i=$((i+1))
  echo '{"correlation_id":"c-'$i'","event":"e","message":"json '$i'"}'
  echo "plain $i"
  echo '{"correlation_id":"c-'$i'","event":"e","message":"err '$i'"}' >&2
  if [ $((i %% 40)) = 0 ]; then
    big=$(head -c 40000 /dev/zero | tr '\\0' x)
    echo '{"correlation_id":"c-'$i'","event":"e","message":"big '$i'","filler":"'$big'"}'
    printf 'ERROR:    trace %%d\\nTraceback (most recent call last):\\n  File "x.py", line 1, in f\\n    boom()\\nValueError: bad\\n' $i >&2
  fi
  if [ $((i %% 10)) = 0 ]; then usleep 60000; fi
done
"""


@pytest.fixture
def agent(tmp_path: Path, engine: Engine) -> Iterator[AgentProcess]:
    """Yield an agent over the engine's logs, not yet started."""
    follower = AgentProcess(tmp_path, engine.glob)
    yield follower
    if follower.process is not None and follower.process.poll() is None:
        follower.process.kill()
        follower.process.wait()


def stored_messages(agent: AgentProcess) -> Counter[str]:
    """Return the number of stored events of each message; of a trace by its first line."""
    return Counter(event["message"].partition("\n")[0] for event in agent.events())


def expected(number: int) -> Counter[str]:
    """Return the messages that the writer prints, with their number."""
    messages = Counter(f"{kind} {i}" for kind in ("json", "plain", "err") for i in range(1, number + 1))
    for i in range(40, number + 1, 40):
        messages[f"big {i}"] += 1
        messages[f"ERROR:    trace {i}"] += 1
    return messages


@pytest.mark.parametrize(
    "options", [{}, {"max_size": "100k", "max_file": "8"}, {"max_size": "200k", "max_file": "4", "compress": "true"}]
)  # all written lines are kept, so that a busy machine's pause destroys no unread ones
def test_every_line_arrives_once_while_the_engine_rotates(
    agent: AgentProcess, engine: Engine, options: dict[str, str]
) -> None:
    """JSON, plain text, 40 KiB lines and stack traces on both streams, rotated under the agent."""
    agent.start()
    container = engine.run(WRITER % 400, **options)
    container.wait(timeout=90)
    wanted = expected(400)
    until(lambda: stored_messages(agent).total() >= wanted.total())
    assert agent.stop() == 0
    assert stored_messages(agent) == wanted
    assert agent.quarantined() == []
    big = [event for event in agent.events() if event["message"].startswith("big")]
    assert {len(event["extra"]["filler"]) for event in big} == {40_000}
    trace = next(event for event in agent.events() if event["message"].startswith("ERROR"))
    assert trace["exception"].endswith("boom()\nValueError: bad")
    assert trace["error_type"] == "ValueError"
    assert {event["service"]["name"] for event in agent.events()} == {"backend"}
    assert {event["container"]["id"] for event in agent.events()} == {container.id}


def test_rotation_while_the_agent_is_stopped_is_read_on(agent: AgentProcess, engine: Engine) -> None:
    """It is stopped in the middle, and started after the file that it read was rotated and compressed."""
    agent.start()
    container = engine.run(WRITER % 600, max_size="60k", max_file="20", compress="true")
    until(lambda: stored_messages(agent).total() > 50)
    assert agent.stop() == 0
    container.wait(timeout=90)
    agent.start()
    wanted = expected(600)
    until(lambda: stored_messages(agent).total() >= wanted.total())
    assert agent.stop() == 0
    assert stored_messages(agent) == wanted


def test_container_started_again_appends_and_is_followed(agent: AgentProcess, engine: Engine) -> None:
    """A restarted container continues in the same file."""
    agent.start()
    container = engine.run("echo first")
    container.wait(timeout=90)
    container.restart()
    container.wait(timeout=90)
    until(lambda: stored_messages(agent)["first"] == 2)
    assert agent.stop() == 0
    assert stored_messages(agent)["first"] == 2


def test_container_removed_at_once_after_its_last_line(agent: AgentProcess, engine: Engine) -> None:
    """All lines of a followed container before `docker rm -f` are stored."""
    agent.start()
    container = engine.run(
        "echo begun; sleep 2; i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo last $i; done; sleep 60"
    )
    until(lambda: stored_messages(agent)["begun"] == 1)
    until(lambda: b"last 500\n" in container.logs())
    container.remove(force=True)
    engine.containers.remove(container)
    until(lambda: stored_messages(agent)["last 500"] == 1)
    assert agent.stop() == 0
    assert stored_messages(agent) == Counter(["begun", *(f"last {i}" for i in range(1, 501))])


def test_run_once_twice_and_over_a_copy_adds_nothing(agent: AgentProcess, engine: Engine, tmp_path: Path) -> None:
    """The same lines keep their ids, from the engine's folder or from a copy of it."""
    container = engine.run(WRITER % 100, max_size="30k", max_file="9")
    container.wait(timeout=90)
    first = agent.once()
    assert first.returncode == 0, first.stderr
    wanted = stored_messages(agent)
    assert wanted == expected(100)
    assert agent.once().returncode == 0
    copy = tmp_path / "copy"
    (copy / container.id).mkdir(parents=True)
    for path in (engine.root / "containers" / container.id).glob("*-json.log*"):
        (copy / container.id / path.name).write_bytes(path.read_bytes())
    again = AgentProcess(tmp_path, f"docker:{copy}/*/*-json.log")
    assert again.once().returncode == 0
    elsewhere = subprocess_state(again)
    assert "0 indexed" in elsewhere
    assert stored_messages(agent) == wanted


def subprocess_state(agent: AgentProcess) -> str:
    """Return the output of `run --once` with a new state over the same store."""
    command = [part if not part.endswith("/state") else f"{part}-of-the-copy" for part in agent.command("--once")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_api_gives_the_metadata_of_an_unreadable_configuration(engine: Engine, docker_address: str) -> None:
    """If it is enabled, the Docker API replaces the runtime's file."""
    container = engine.run("sleep 30")
    metadata = DockerApi(docker_address).lookup(container.id)
    assert metadata.name == container.name
    assert metadata.labels == {"com.docker.compose.service": "backend"}


SAMPLES = [
    b'{"correlation_id":"a","event":"e"}\n',
    b"<html> & more\n",
    "Grüße \u2028 \u2029 ☃\n".encode(),
    b"control \x01\x1b[31m\x7f end\n",
    b'tab\there "quoted" back\\slash\n',
    b"invalid \xff\xfe utf-8\n",
    b"x" * 16_384 + b"\n",
    b"y" * 40_000 + b"\n",
    b"no newline at the end",
]


def printing(sample: bytes) -> str:
    """Return a shell command that prints a sample."""
    if len(sample) > 1000:
        return f"{{ head -c {len(sample) - 1} /dev/zero | tr '\\0' {chr(sample[0])}; echo; }}"
    octal = "".join(f"\\{byte:03o}" for byte in sample)
    return f"printf '{octal}'"


def test_our_writer_writes_what_the_engine_writes(engine: Engine) -> None:
    """The json-file writer of the demo and the tests equals a real engine byte for byte, except the time."""
    container = engine.run("\n".join(printing(sample) for sample in SAMPLES))
    container.wait(timeout=90)
    path = engine.root / "containers" / container.id / f"{container.id}-json.log"
    real = path.read_bytes().splitlines()
    times = [json.loads(line)["time"] for line in real]
    ours = [line.rstrip(b"\n") for sample in SAMPLES for line in records(sample, "stdout", "TIME")]
    assert [line.replace(time.encode(), b"TIME") for line, time in zip(real, times, strict=True)] == ours
    assert record(b"x", "stdout", "T") == b'{"log":"x","stream":"stdout","time":"T"}\n'


def test_a_renamed_container_has_its_new_name_with_the_next_line(agent: AgentProcess, engine: Engine) -> None:
    """`docker rename`, several times while it writes; a line that is written after the rename carries the new name."""
    agent.start()
    container = engine.run("while true; do sleep 0.2; i=$((i+1)); echo line $i; done")
    own = container.name
    for number in range(20):
        name = f"{own}-{number}"
        container.rename(name)
        seen = container.logs().count(b"line ")
        until(lambda: stored_messages(agent)[f"line {seen + 2}"] == 1)  # noqa: B023 -- called at once
        event = next(event for event in agent.events() if event["message"] == f"line {seen + 2}")
        assert event["container"]["name"] == name
    container.kill()
    assert agent.stop() == 0
