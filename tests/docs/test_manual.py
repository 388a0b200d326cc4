"""Manual pages: one a command, which each reader of roff takes without a warning, installed where `man` looks."""

import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from deploy.services.debian import program
from deploy.services.unavailable import Unavailable
from docs.manual import escaped, filled, pages
from shipper.cli import cli
from tests.integration.conftest import missing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "man"
FILES = sorted(FOLDER.glob("*.1"))


def test_every_command_has_its_page() -> None:
    """And each of its options is on it."""
    for name, text in pages().items():
        command: click.Command = cli
        context = click.Context(cli, info_name="shipper")
        for word in name.removesuffix(".1").split("-")[1:]:
            assert isinstance(command, click.Group)
            subcommand = command.get_command(context, word)
            assert subcommand is not None
            command = subcommand
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert escaped(parameter.opts[0]) in text, (name, parameter.opts)
    assert {path.name for path in FILES} == pages().keys()


@pytest.mark.integration
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
@pytest.mark.parametrize("tool", ["mandoc", "groff"])
def test_pages_are_read_without_a_warning(path: Path, tool: str) -> None:
    """By both that there are."""
    command = {"mandoc": ["mandoc", "-Tlint"], "groff": ["groff", "-man", "-ww", "-Tutf8", "-z"]}[tool]
    try:
        program(tool, tool)
    except Unavailable as error:
        missing(str(error), f"apt install {tool}")
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_text_is_never_taken_for_a_request() -> None:
    """Text that begins with a dot or a quote, a backslash, a sign beyond ASCII is never a request."""
    assert list(filled(".SH x")) == ["\\&.SH x"]
    assert escaped("'a") == "\\&'a"
    assert escaped("a\\b --c …") == "a\\eb \\-\\-c \\[u2026]"


def test_they_are_installed_where_man_looks() -> None:
    """From a wheel, and in the sdist that it is built from."""
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["shared-data"] == {"docs/man": "share/man/man1"}
    assert "/docs/man" in targets["sdist"]["include"]
