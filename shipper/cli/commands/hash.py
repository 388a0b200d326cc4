"""`shipper hash`: a value as redaction has hashed it, so that it can be found without being known."""

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
    """Print the hash of a value under each key of redaction, newest key first.

    The value is read from FILE or standard input, never from the command line, which others can see. Where redaction
    hashes another spelling (an e-mail address in lower case, a number without spaces), that one's hash is printed too.
    """
    if settings.redact.mode != "hash":
        raise ConfigurationError("redact.mode is mask: nothing is hashed", "give redact.mode: hash")
    keys = build_pipeline.redaction_keys(settings, make=False)
    value = asked(file).decode("utf-8", "surrogateescape")
    if not value:
        raise click.UsageError("there is no value on the standard input")
    found = [{"key": key_id(key), "newest": key is keys[0], "hash": hash_of(key, spelling)}
             for key in keys for spelling in spellings(value)]  # fmt: skip
    if form == "json":
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for line in found:
        click.echo(line["hash"])


def asked(file: BinaryIO) -> bytes:
    """The value, without the end of its line; on a terminal it is asked for and not shown."""
    if file.isatty() and file.fileno() == sys.stdin.fileno():
        answer: str = click.prompt("value", hide_input=True, err=True)
        return answer.encode("utf-8", "surrogateescape")
    return file.read().removesuffix(b"\n").removesuffix(b"\r")
