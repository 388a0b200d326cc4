"""No failed login hides, whatever stands around it; and no text of a client raises the counter."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from shipper_schemas.builtin_rules import FAILED_LOGINS
from tests.hazards.login_lines import CASES, FASTIFY, FASTIFY_END, LOGIN, STARTED, Case, with_field
from tests.shapes.agent_run import Chain, Run, chains, log_path, running
from tests.shapes.envelopes import PART, Envelope, cri_records, docker_records

pytestmark = pytest.mark.integration

COUNTER = "failed_login_attempts_total"
TIME, SECOND = "2026-11-30T12:00:00.126000417Z", "2026-11-30T12:00:01.126000417Z"
each_chain = pytest.mark.parametrize("chain", chains())
WRITERS: dict[str, Callable[..., bytes]] = {
    "docker": docker_records,
    "cri": cri_records,
    "plain": lambda line, _: f"{line}\n".encode(),
}


@cache
def counted(envelope: Envelope, chain: Chain) -> dict[str, float]:
    """Return the counter of each case's log; all logs are read by one agent."""
    with TemporaryDirectory() as name:
        root = Path(name)
        paths: dict[str, Path] = {}
        for number, case in enumerate(CASES):
            paths[case.name] = path = log_path(root / case.mode, number, envelope)
            path.parent.mkdir(parents=True)
            path.write_bytes(b"".join(WRITERS[envelope](line, TIME, case.stream) for line in case.lines))
        inputs = [
            {
                "type": envelope,
                "glob": f"{root}/{mode}/*/{'*' if envelope == 'docker' else '*/*'}.log",
                "http_source": mode,
            }
            for mode in ("structured", "access")
        ]
        with running(root, inputs, chain, counters={"max_label_values": 10_000}) as run:
            run.read()
            services = run.services()
            return {name: run.counter(COUNTER, services[str(path)]) for name, path in paths.items()}


@each_chain
@pytest.mark.parametrize("envelope", ["docker", "cri"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.mode}: {case.name}")
def test_each_failed_login_counts_and_nothing_else(case: Case, envelope: Envelope, chain: Chain) -> None:
    """Exactly as many as a person finds in the lines."""
    assert counted(envelope, chain)[case.name] == case.count


# --- records around it -----------------------------------------------------------------------------


@contextmanager
def one_log(folder: Path, envelope: str, chain: Chain, **settings: Any) -> Iterator[tuple[Run, Path]]:
    """Yield an agent that follows one log, and the log's path."""
    path = log_path(folder / "logs", 0, "docker" if envelope == "plain" else envelope)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with running(folder, [f"{envelope}:{path.parent}/*.log"], chain, **settings) as run:
        yield run, path


def append(path: Path, data: bytes) -> None:
    """Write at the end of a file."""
    with path.open("ab") as file:
        file.write(data)


@each_chain
@pytest.mark.parametrize("envelope", ["docker", "cri", "plain"])
def test_a_restart_between_the_two_entries_of_a_request_loses_nothing(
    tmp_path: Path, envelope: str, chain: Chain
) -> None:
    """The open request is committed with the offset; a second reading of the answer counts nothing again."""
    for number, line in enumerate((FASTIFY, STARTED, FASTIFY_END, FASTIFY_END)):
        with one_log(tmp_path, envelope, chain) as (run, path):
            append(path, WRITERS[envelope](line, TIME))
            run.read()
            (service,) = run.services().values()
            assert run.counter(COUNTER, service) == (number >= 2)


@each_chain
@pytest.mark.parametrize(
    "torn", ['{"log":"{\\"event\\":\\"sta', '{"log":"started\\n","stream":"stdo', '{"lo', '{"log":"started\\n"']
)
def test_a_torn_record_of_docker_does_not_hide_the_next(tmp_path: Path, chain: Chain, torn: str) -> None:
    """After a crash the next record stands on the same line."""
    with one_log(tmp_path, "docker", chain) as (run, path):
        append(path, docker_records(STARTED, TIME) + torn.encode() + docker_records(LOGIN, TIME))
        run.read()
        assert run.counter(COUNTER) == 1


@each_chain
@pytest.mark.parametrize("hole", [1, 100, 3_000, 70_000, 3_000_000])
@pytest.mark.parametrize("envelope", ["docker", "cri", "plain"])
def test_a_hole_of_nuls_after_copytruncate_does_not_hide_the_next(
    tmp_path: Path, chain: Chain, envelope: str, hole: int
) -> None:
    """A writer without O_APPEND goes on at its old offset, whatever its size."""
    write = WRITERS[envelope]
    with one_log(tmp_path, envelope, chain) as (run, path):
        before = write(LOGIN, TIME)
        append(path, before)
        run.read()
        os.truncate(path, 0)
        with path.open("r+b") as writer:
            writer.seek(max(hole, len(before)))
            writer.write(write(with_field("at", "2"), SECOND) + write(STARTED, SECOND))
        run.read()
        assert run.counter(COUNTER) == 2


def pieces(envelope: Envelope) -> tuple[bytes, bytes]:
    """Return a failed login in two records, as the runtime splits it."""
    records = WRITERS[envelope](with_field("dump", f'"{"x" * PART}"'), TIME).splitlines(keepends=True)
    assert len(records) == 2
    return records[0], records[1]


@each_chain
@pytest.mark.parametrize("envelope", ["docker", "cri"])
def test_two_pieces_of_a_line_far_apart_are_one(tmp_path: Path, chain: Chain, envelope: Envelope) -> None:
    """An open piece of a live file waits for its rest, however long that takes."""
    first, rest = pieces(envelope)
    with one_log(tmp_path, envelope, chain) as (run, path):
        append(path, first)
        run.read(pauses=5)
        append(path, rest)
        run.read()
        assert run.counter(COUNTER) == 1
        assert len(run.output.stored()) == 1


@each_chain
@pytest.mark.parametrize("envelope", ["docker", "cri"])
def test_an_open_piece_waits_over_a_run_with_an_end_too(tmp_path: Path, chain: Chain, envelope: Envelope) -> None:
    """`run --once` leaves it to the next run."""
    first, rest = pieces(envelope)
    fast = {"tail": {"poll_interval": "0.01s"}}
    with one_log(tmp_path, envelope, chain, **fast) as (run, path):
        append(path, first)
        run.read_once()
        assert run.output.stored() == []
    append(path, rest)
    with one_log(tmp_path, envelope, chain, **fast) as (run, path):
        run.read_once()
        assert run.counter(COUNTER) == 1


@each_chain
@pytest.mark.parametrize("envelope", ["docker", "cri"])
def test_rotation_between_two_pieces_hides_nothing(tmp_path: Path, chain: Chain, envelope: Envelope) -> None:
    """The rest stands in the new file."""
    first, rest = pieces(envelope)
    with one_log(tmp_path, envelope, chain) as (run, path):
        append(path, first)
        run.turns()
        path.rename(f"{path}.1")
        append(path, rest)
        run.read()
        assert run.counter(COUNTER) == 1


@each_chain
@pytest.mark.parametrize("envelope", ["docker", "cri"])
def test_removal_flushes_an_open_piece(tmp_path: Path, chain: Chain, envelope: Envelope) -> None:
    """Its beginning holds the event: it is counted, and stored as far as it is there."""
    first, _ = pieces(envelope)
    with one_log(tmp_path, envelope, chain) as (run, path):
        append(path, first)
        run.read()
        path.unlink()
        run.read()
        assert run.counter(COUNTER) == 1


@each_chain
def test_pieces_of_both_streams_far_apart_are_two_lines(tmp_path: Path, chain: Chain) -> None:
    """Each stream's open piece waits for its own rest."""
    long = with_field("dump", f'"{"x" * PART}"')
    records = [docker_records(long, TIME, stream).splitlines(keepends=True) for stream in ("stdout", "stderr")]
    with one_log(tmp_path, "docker", chain) as (run, path):
        for data in (records[0][0], records[1][0], records[1][1], records[0][1]):
            append(path, data)
            run.read()
        assert run.counter(COUNTER) == 2


@each_chain
@pytest.mark.parametrize(("configured", "written"), [("cri", "docker"), ("docker", "cri")])
def test_a_wrong_kind_of_input_hides_nothing(
    tmp_path: Path, chain: Chain, configured: Envelope, written: Envelope
) -> None:
    """The lines are read by what they certainly are."""
    with one_log(tmp_path, configured, chain) as (run, path):
        append(path, b"".join(WRITERS[written](line, TIME) for line in (STARTED, LOGIN, "text", LOGIN)))
        run.read()
        assert run.counter(COUNTER) == 2


@each_chain
@pytest.mark.parametrize("name", FAILED_LOGINS)
def test_every_name_of_a_failed_login_counts_without_a_line_of_its_own(tmp_path: Path, chain: Chain, name: str) -> None:
    """Two documents of each name on one line."""
    with one_log(tmp_path, "docker", chain) as (run, path):
        append(path, docker_records(LOGIN.replace("login_failed", name) * 2, TIME))
        run.read()
        assert run.counter(COUNTER) == 2
