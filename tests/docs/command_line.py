"""The command lines that pages show, read as the shipper reads them."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click

from shipper.cli import cli
from tests.deploy.pages import examples

CALL = re.compile(r"(?:^|\| *|-- )shipper (?=[a-z])")


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words after `shipper` of every call in the `sh` examples of a page."""
    for text in examples(page, "sh"):
        for line in re.sub(r"\\\n|\|\n", lambda end: end[0].strip("\\\n") + " ", text).splitlines():
            if called := CALL.search(line):
                yield words_of(line[called.end() :])


def words_of(text: str) -> list[str]:
    """The words of one command, up to a pipe or to where its output goes."""
    return list(takewhile(lambda word: word not in ("|", ">", ">>", "&&", ";"), shlex.split(text, comments=True)))


def parsed(words: list[str]) -> click.Context:
    """The command that `words` call, with its parameters. Raises click.UsageError where the shipper would refuse them."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        _, subcommand, words = command.resolve_command(context, words)
        assert subcommand is not None
        command = subcommand
    return command.make_context("shipper", words, resilient_parsing=False)
