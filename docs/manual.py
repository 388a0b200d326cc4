"""Manual pages out of the command tree, a page a command, in the macros of man(7)."""

import inspect
import re
from collections.abc import Iterator
from textwrap import wrap

import click

from shipper import __version__
from shipper.cli import COMMANDS, EXIT_CODES, cli

EXITS = tuple((str(code), told) for code, told in EXIT_CODES.items())
VARIABLES = (
    ("SHIPPER_CONFIG", "The configuration file, where --config is not given."),
    ("SHIPPER_A__B", "The key a: {b: ...} of the configuration; a flag wins over it."),
    ("NO_COLOR", "Print without colours, whatever it holds."),
)
WRITTEN = "2026-11-25"
"""Date on which the form of the pages last changed; their text is of the version that they name."""
WIDTH = 79
SEE = "The whole documentation is in docs/ of the source."


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    root = click.Context(cli, info_name="shipper")
    return {f"{_name(path)}.1": page(context) for path, context in _tree(root)}


def _tree(context: click.Context) -> Iterator[tuple[str, click.Context]]:
    yield context.command_path, context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            below = context.command.get_command(context, name)
            if below is not None:
                yield from _tree(click.Context(below, info_name=name, parent=context))


def page(context: click.Context) -> str:
    """The page of one command."""
    return "\n".join(_page(context)) + "\n"


def _page(context: click.Context) -> Iterator[str]:
    name, command = _name(context.command_path), context.command
    short = COMMANDS.get(context.info_name or "") if context.parent and not context.parent.parent else None
    text = inspect.cleandoc(command.help or "")
    first = short or re.split(r"[:;,.] ", f"{text.partition(chr(10) * 2)[0]} ".replace("\n", " "), maxsplit=1)[0]
    yield '.\\" written by `make docs`; edit the command instead'
    yield f'.TH "{name.upper()}" "1" "{WRITTEN}" "shipper {__version__}" "shipper"'
    yield ".SH NAME"
    yield f"{escaped(name)} \\- {escaped(first.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f".B {escaped(context.command_path)}"
    yield escaped(" ".join(command.collect_usage_pieces(context)))
    yield ".SH DESCRIPTION"
    yield from _paragraphs(text)
    options = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if options:
        yield ".SH OPTIONS"
        yield from _described(options)
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        subcommands = ((below, command.get_command(context, below)) for below in command.list_commands(context))
        yield from _described(
            (f"{_name(context.command_path)}-{below}(1)", COMMANDS.get(below) or one.get_short_help_str(300))
            for below, one in subcommands if one is not None
        )  # fmt: skip
    if command.epilog:
        yield ".SH EXAMPLES"
        yield from _paragraphs(inspect.cleandoc(command.epilog))
    yield ".SH EXIT STATUS"
    yield from _described(EXITS)
    yield ".SH ENVIRONMENT"
    yield from _described(VARIABLES)
    yield ".SH SEE ALSO"
    if context.parent is not None:
        yield f".BR {escaped(_name(context.parent.command_path))} (1)"
        yield ".PP"
    yield from filled(SEE)


def _described(rows: Iterator[tuple[str, str]] | list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    for term, text in rows:
        if text:
            yield ".TP"
            yield f".B {escaped(term)}"
            yield from filled(text)


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield ".nf"
            yield from (escaped(line) for line in paragraph.removeprefix("\b").strip("\n").splitlines())
            yield ".fi"
        else:
            yield from filled(paragraph)


def filled(text: str) -> Iterator[str]:
    """Text as lines of the source; one that begins like a request is none."""
    for line in wrap(escaped(" ".join(text.split())), WIDTH, break_long_words=False, break_on_hyphens=False):
        yield f"\\&{line}" if line.startswith((".", "'")) else line


def escaped(text: str) -> str:
    """Text as roff takes it: nothing of it a request or an escape, hyphens as they are typed, ASCII alone."""
    roff = text.replace("\\", "\\e").replace("-", "\\-")
    roff = "".join(sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in roff)
    return f"\\&{roff}" if roff.startswith((".", "'")) else roff


def _name(path: str) -> str:
    return path.replace(" ", "-")
