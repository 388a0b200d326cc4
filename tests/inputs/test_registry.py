"""An input's type decides which process reads it, by one table."""

from typing import get_args

import pytest

from shipper.config.input_kinds import INPUT_KINDS, InputKind
from shipper.config.settings import InputSettings, Settings
from shipper.inputs import registry


def test_every_type_of_the_settings_has_one_kind() -> None:
    """No type is missing or duplicated."""
    types = [name for kind in INPUT_KINDS for name in kind.types]
    assert sorted(types) == sorted(get_args(InputSettings.model_fields["type"].annotation))


@pytest.mark.parametrize("kind", INPUT_KINDS, ids=lambda kind: kind.types[0])
def test_the_factories_of_a_row_exist(kind: InputKind) -> None:
    """A factory if the input is read from a server, and the prefixes for shell completion."""
    source = InputSettings(type=kind.types[0], glob="//k:9092/logs")
    assert (registry.factory(source) is None) == (kind.process == "agent")
    assert {prefix.partition(":")[0] for prefix in kind.prefixes} == set(kind.types)


@pytest.mark.parametrize(
    ("inputs", "process"),
    [(["cri:/x", "plain:/y"], "agent"), (["kafka://k:9092/logs"], "indexer"), ([], "agent")],
)
def test_the_process_follows_from_the_inputs(inputs: list[str], process: str) -> None:
    """A topic is read by an indexer, everything else by an agent."""
    assert registry.process_of(Settings.model_validate({"inputs": inputs})) == process
