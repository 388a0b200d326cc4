"""Every fenced block of every page: a language that says what it is, and a means by which it is tried."""

import ast
import importlib
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import kubernetes_validate
import pytest
import yaml
from markdown_it import MarkdownIt

from shipper import config
from shipper.cli import cli
from tests.docs.shell import Unknown, commands, known, of_shipper
from tests.outputs.kql import terms

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)(```+)([^\n`]*)\n(.*?)^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md"), *(ROOT / "docs").rglob("*.md"),
                 *(ROOT / "deploy").rglob("*.md"))
    if "_build" not in path.parts
)  # fmt: skip
MARKDOWN = MarkdownIt("commonmark").enable("table")
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
SECRET_FILE = re.compile(r"\b((?:api_key|key|password|token)_file:) [^\s,}]+")
"""A file that is there where the configuration is used, and stands for itself here."""
MIGRATIONS = {"filebeat.inputs", "output.elasticsearch", "pipeline", "service", "sources", "sinks", "transforms"}
"""Keys at the top of other log shippers' configurations, which stand on pages for people who come from there."""


class Block(NamedTuple):
    """A fenced block: where it begins, what it calls itself, and its text without indent."""

    page: Path
    line: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """All of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page, text[: fence.start()].count("\n") + 1, fence[3].strip(),
            re.sub(rf"^{fence[1]}", "", fence[4], flags=re.MULTILINE),
        )
        for fence in FENCE.finditer(text)
    ]  # fmt: skip


def of_the_shipper(block: Block, folder: Path) -> None:
    """Read as `--config` reads it."""
    file, secret = folder / "shipper.yaml", folder / "secret"
    secret.write_text("secret")
    file.write_text(SECRET_FILE.sub(rf"\1 {secret}", block.text), encoding="utf-8")
    config.load(file, {}, {})


def of_others(block: Block, _: Path) -> None:
    """YAML for another program, told by its keys: a manifest by its schema, a patch of kustomize, a log shipper's."""
    for document in yaml.safe_load_all(block.text):
        if "apiVersion" in document:
            kubernetes_validate.validate(document, "1.33", strict=True)
        elif document.keys() == {"patches"}:
            assert all(yaml.safe_load(patch["patch"]) for patch in document["patches"])
        else:
            assert document.keys() <= MIGRATIONS | {"services", "volumes"}, document.keys()


def of_the_shell(block: Block, _: Path) -> None:
    """Bash takes it, and each command is one that its program has."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in commands(block.text):
        known(words)


def of_python(block: Block, _: Path) -> None:
    """It compiles, and what it imports is there."""
    text = re.sub(
        r"\A( +)(.*)",
        lambda match: re.sub(rf"^{match[1]}", "", match[0], flags=re.MULTILINE),
        block.text,
        flags=re.DOTALL,
    )
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "shipper_processors"
        ):
            assert hasattr(importlib.import_module("shipper_processors"), node.attr), node.attr


def of_output(block: Block, _: Path) -> None:
    """Try terminal output: its commands are taken as they stand, unless an error is what is shown."""
    for line in re.findall(r"^\$ shipper (.*)", block.text, re.MULTILINE):
        if block.page.name != "errors.md":
            of_shipper(shlex.split(line))


def of_queries(block: Block, _: Path) -> None:
    """Only where tests/integration/test_queries.py asks a server every one."""
    assert block.page == ROOT / "docs" / "queries.md", "ES|QL is asked of a server for docs/queries.md alone"


MEANS: dict[str, Callable[[Block, Path], object]] = {
    "yaml": of_the_shipper,
    "yml": of_others,
    "sh": of_the_shell,
    "python": of_python,
    "json": lambda block, _: json.loads(block.text),
    "toml": lambda block, _: tomllib.loads(block.text),
    "kql": lambda block, _: terms(block.text.strip()),
    "esql": of_queries,
    "text": of_output,
    "promql": lambda block, _: block.text.strip() or pytest.fail("an empty query"),  # and by promtool, see below
}
"""Means of trying a block, by its language. PromQL is parsed by tests/deploy/alerts/test_pages.py, for every page."""


@BY_PAGE
def test_every_block_is_tried(page: Path, tmp_path: Path) -> None:
    """A language without a means, or a command without one, is no part of the documentation."""
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}, line {block.line}"
        assert block.language in MEANS, f"{where}: {block.language or 'no language'}"
        try:
            MEANS[block.language](block, tmp_path)
        except Exception as error:
            raise AssertionError(f"{where}: {error}") from error


@BY_PAGE
def test_no_block_hides_in_an_indent(page: Path) -> None:
    """Indented code says no language, so that nothing would try it: give it a fence."""
    tokens = [token for token in MARKDOWN.parse(page.read_text(encoding="utf-8")) if token.type == "code_block"]
    assert [f"line {token.map[0] + 1}" for token in tokens if token.map] == []


@BY_PAGE
def test_commands_that_sentences_name_are_there(page: Path) -> None:
    """`shipper COMMAND`, with the options that stand beside it; values may be left to the reader."""
    for token in MARKDOWN.parse(page.read_text(encoding="utf-8")):
        for inline in token.children or []:
            if inline.type == "code_inline" and re.match(r"shipper [a-z]", inline.content):
                command: click.Command = cli
                words = re.split(r" [|>] ", inline.content)[0].split()[1:]
                while isinstance(command, click.Group) and words:
                    subcommand = command.get_command(click.Context(command), words.pop(0))
                    assert subcommand is not None, inline.content
                    command = subcommand
                options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
                assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, inline.content


@pytest.mark.parametrize(
    "text",
    ["shipper serch x", "shipper run --bogus", "make nothing-of-that", "kubectl fly", "docker compose exec nobody sh",
     "curl http://127.0.0.1:9108/admin", "python -m deploy.nothing", "shipper run --output elasticsearch:9200",
     "kubectl apply -k deploy/kubernetes/overlays/mars", "./demi", "pip install 'shipper-agent[all]'",
     "pip install 'shipper-processors[kafka]'", "pip install 'shipper[kafka]'"],
)  # fmt: skip
def test_a_wrong_command_is_found(text: str) -> None:
    """Or the test above would be worth nothing."""
    (words,) = commands(text)
    with pytest.raises(Exception, match=r"."):
        known(words)


def test_an_unknown_program_asks_for_a_means() -> None:
    """It says so."""
    with pytest.raises(Unknown, match="conjure"):
        known(["conjure", "logs"])


def test_commands_are_read_as_a_shell_reads_them() -> None:
    """Pipes, continued lines, quotes over lines, comments, here-documents, assignments, loops."""
    text = "a=1 one 'x\ny' | two \\\n  --y > file  # three\nfor i in 1 2; do\n  four $i && (five)\ndone\nsix <<'END'\nseven\nEND\n"
    assert [words[0] for words in commands(text)] == ["one", "two", "i", "four", "five", "six"]
