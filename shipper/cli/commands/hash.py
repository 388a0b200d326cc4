"""`shipper hash`: the keyed hash of a value, to search for masked data."""

import sys
from typing import BinaryIO

import click
import orjson

from shipper.bootstrap import build_pipeline
from shipper.cli.options import configured
from shipper.config.settings import Settings
from shipper.system.errors import ConfigurationError
from shipper_processors.pseudonym import hash_of, key_id
from shipper_processors.redact import spellings


@click.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@configured("state_dir")
def hash(settings: Settings, *, file: BinaryIO, form: str) -> None:  # noqa: A001 -- a command and its module share a name
    """Print the hash of a value under each redaction key, newest key first.

    The value is read from FILE or standard input, never from the command line, which other users can see. If redaction
    normalises a value before hashing (an e-mail address to lower case, a number without spaces), that hash is printed
    too.
    """
    if settings.redact.mode != "hash":
        raise ConfigurationError("redact.mode is mask: nothing is hashed", "give redact.mode: hash")
    keys = build_pipeline.redaction_keys(settings, make=False)
    value = value_in(file).decode("utf-8", "surrogateescape")
    if not value:
        raise click.UsageError("empty value on the standard input")
    hashes = [{"key": key_id(key), "newest": key is keys[0], "hash": hash_of(key, spelling)}
             for key in keys for spelling in spellings(value)]  # fmt: skip
    if form == "json":
        click.echo(orjson.dumps(hashes, option=orjson.OPT_INDENT_2))
        return
    for item in hashes:
        click.echo(item["hash"])


def value_in(file: BinaryIO) -> bytes:
    """Read the value without its line end; a terminal prompts for it without echo."""
    if file.isatty() and file.fileno() == sys.stdin.fileno():
        typed: str = click.prompt("value", hide_input=True, err=True)
        return typed.encode("utf-8", "surrogateescape")
    return file.read().removesuffix(b"\n").removesuffix(b"\r")
