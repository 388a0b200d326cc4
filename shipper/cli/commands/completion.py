"""`shipper completion`: the shell completion script."""

from typing import NamedTuple

import click
from click.shell_completion import get_completion_class

NAME, VARIABLE = "shipper", "_SHIPPER_COMPLETE"


class Place(NamedTuple):
    """Installation of the script in a shell."""

    command: str


PLACES = {
    "bash": Place("shipper completion bash > /etc/bash_completion.d/shipper"),
    "zsh": Place('shipper completion zsh > "${fpath[1]}/_shipper"'),
    "fish": Place("shipper completion fish > ~/.config/fish/completions/shipper.fish"),
}
"""By shell; new shells load the script from there."""


@click.command(
    epilog='\b\nBash:  eval "$(shipper completion bash)", or for every shell\n'
    f"       {PLACES['bash'].command}\n"
    f"Zsh:   {PLACES['zsh'].command}\n"
    f"Fish:  {PLACES['fish'].command}"
)
@click.argument("shell", type=click.Choice(list(PLACES)))
def completion(shell: str) -> None:
    """Print the completion script for SHELL: bash 4.4 or later, zsh, or fish."""
    from shipper.cli import cli  # noqa: PLC0415 -- avoids an import cycle

    completion_class = get_completion_class(shell)
    assert completion_class is not None  # noqa: S101 -- Click has these three
    complete = completion_class(cli, {}, NAME, VARIABLE)
    click.echo(completion_class.source_template % complete.source_vars())
