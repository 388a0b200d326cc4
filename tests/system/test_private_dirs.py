"""A folder that another user prepared, or can change, is refused."""

import os
from pathlib import Path

import pytest

from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.sqlite.clock_guard import FILE, look
from shipper.outputs.sqlite.output import LocalStore
from shipper.state.store import State
from shipper.system.errors import OutputUnavailable, StateError
from shipper.system.private_dirs import require_private
from tests.outputs.conftest import make_document


@pytest.mark.parametrize("name", ["lock", "state.db", "state.key", "state.mark", "state.db-journal"])
def test_a_link_in_a_prepared_state_directory_is_refused(tmp_path: Path, name: str) -> None:
    """The file that it leads to is left as it was."""
    victim, state = tmp_path / "victim", tmp_path / "state"
    victim.write_text("precious")
    state.mkdir(mode=0o700)
    (state / name).symlink_to(victim)
    with pytest.raises(StateError, match=rf"{name} in it is a symbolic link\n.*--state-dir"):
        State(state)
    assert victim.read_text() == "precious"


def test_a_link_in_a_prepared_store_is_refused(tmp_path: Path) -> None:
    """The store writes nothing through it."""
    victim, store = tmp_path / "victim", tmp_path / "store"
    victim.write_text("precious")
    store.mkdir(mode=0o700)
    (store / f"{make_document(1).index}.db").symlink_to(victim)
    with pytest.raises(OutputUnavailable, match="is a symbolic link"):
        LocalStore(store).write([make_document(1)])
    assert victim.read_text() == "precious"


def test_a_folder_that_every_user_can_write_to_is_refused(tmp_path: Path) -> None:
    """Whoever can add files could replace the state."""
    tmp_path.chmod(0o777)
    with pytest.raises(StateError, match=r"every user can write to it\n.*this user alone.*a new folder"):
        State(tmp_path)
    State(tmp_path / "new").close()


@pytest.mark.integration  # run as root
@pytest.mark.skipif(os.geteuid() != 0, reason="run the tests as root: only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    """Its owner could change it at any time."""
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(OSError, match="belongs to another user"):
        require_private(tmp_path)


@pytest.mark.integration  # run as root
@pytest.mark.skipif(os.geteuid() != 0, reason="run the tests as root: only root can give a file away")
@pytest.mark.parametrize("name", ["state.db", "state.db-wal", "lock"])
def test_a_file_of_another_user_in_the_state_is_refused(tmp_path: Path, name: str) -> None:
    """Its owner could read what is written to it."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / name).touch(mode=0o600)
    os.chown(state / name, 65534, 65534)
    with pytest.raises(StateError, match=rf"{name} in it belongs to another user"):
        State(state)


def test_a_file_that_every_user_can_write_to_is_refused(tmp_path: Path) -> None:
    """In the state, in the store and beside dead letters."""
    for folder in ("state", "store", "letters"):
        (tmp_path / folder).mkdir(mode=0o700)
        (tmp_path / folder / "x").touch()
        (tmp_path / folder / "x").chmod(0o666)
    with pytest.raises(StateError, match="every user can write to x in it"):
        State(tmp_path / "state")
    with pytest.raises(OutputUnavailable, match="every user can write to x in it"):
        LocalStore(tmp_path / "store").write([make_document(1)])
    with pytest.raises(OutputUnavailable, match="every user can write to x in it"):
        DeadLetters(tmp_path / "letters").add(make_document(1), "why")


def test_the_look_at_the_clock_follows_no_link(tmp_path: Path) -> None:
    """A link that appears while the agent runs is left alone."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / FILE).symlink_to(victim)
    look(tmp_path, [], 1_795_428_000_000)
    assert victim.read_text() == "precious"
