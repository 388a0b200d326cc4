"""The page on the terminal: the shapes of JSON that it promises are those that are printed."""

import json
from pathlib import Path
from typing import Any

import pytest

from shipper.cli.status_sample import Key, Sample, compared
from shipper.outputs.elasticsearch.setup import Step
from tests.cli.conftest import Shipper, shipper, store
from tests.deploy.pages import cells

__all__ = ["shipper", "store"]
PAGE = Path(__file__).parents[2] / "docs" / "terminal.md"
LINE = '{"log":"{\\"correlation_id\\":\\"a\\",\\"event\\":\\"login_failed\\"}\\n","stream":"stdout","time":"2024-10-31T22:00:01Z"}'
TEST = "tests: [{name: x, lines: [a], expect: {dropped: 0}}]"


def promised(command: str) -> set[str]:
    """The keys that the page names for a command."""
    for names, _, keys in cells(PAGE, "JSON"):
        if f"`{command}`" in names:
            return set(keys.replace("`", "").replace(" and where it is from", "").split(", "))
    raise AssertionError(command)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("quarantine list", ["quarantine", "list"]),
        ("quarantine list --entries", ["quarantine", "list", "--entries"]),
        ("quarantine release", ["quarantine", "release", "--all", "--dry-run"]),
        ("check", ["check", "--listen", "off", "--input", "plain:{}/*.log"]),
        ("explain", ["explain", "{}/line.log"]),
        ("test", ["test", "{}/tests.yaml"]),
        ("setup --print", ["setup", "--print"]),
    ],
)
def test_keys_are_those_that_are_printed(command: str, arguments: list[str], shipper: Shipper, tmp_path: Path) -> None:
    """Every promised key is there; further ones may be, of entries and objects alike."""
    (tmp_path / "line.log").write_text(f"{LINE}\n")
    (tmp_path / "tests.yaml").write_text(TEST)
    _, out, err = shipper(*(part.format(tmp_path) for part in arguments), "--format", "json")
    assert out, err
    first: Any = json.JSONDecoder().raw_decode(out)[0]
    output = first[0] if isinstance(first, list) else first
    assert promised(command) <= output.keys()
    assert "quarantine" in command or promised(command) == output.keys()


def test_keys_of_top_are_those_of_a_look() -> None:
    """Whatever the agent tells."""
    look = Sample(0.0, "agent", "x", {"logs": []}, {Key("shipper_lines_read_total"): 1.0})
    assert promised("top") == compared(look, look).keys()


def test_keys_of_a_step_are_those_of_setup() -> None:
    """As the installation gives them."""
    assert promised("setup") == set(Step._fields)
