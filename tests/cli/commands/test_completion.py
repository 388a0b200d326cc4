"""Completion in real shells: each loads the script and completes a line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.services.debian import program
from deploy.services.unavailable import Unavailable
from shipper.config.option_tree import all_keys
from tests.integration.conftest import missing

BASH = """
source completion
COMP_WORDS=({words}); COMP_CWORD={last}
_shipper_completion shipper
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = r"""
zmodload zsh/zpty
zpty shell 'PS1=; zsh -f -i'
zpty -w shell 'autoload -Uz compinit; compinit -u -D; LISTMAX=0; zstyle ":completion:*" list-prompt ""'
zpty -w shell 'export PATH=$PWD/bin:$PATH; source ./completion; stty cols 200; print -r re""ady'
line=; until [[ $line == *ready* ]]; do zpty -r shell part; line+=$part; done
zpty -n -w shell $'{line}\t'
sleep 0.2
shown=; until [[ $shown == *'{until}'* ]]; do zpty -r shell part || break; shown+=$part; done
print -r -- $shown
zpty -d shell
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with the command on its PATH, and a configuration with its own counter."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "shipper"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shipper "$@"\n')
    command.chmod(0o755)
    (tmp_path / "shipper.yaml").write_text(
        "counters: {rules: [{name: no_shows_total, help: h, when: {event: appointment_missed}}]}\n"
    )
    return tmp_path


def run_in_shell(home: Path, shell: str, script: str) -> str:
    """Return the output of a script in a shell with our completion script."""
    try:
        command = program(shell, shell)
    except Unavailable as error:
        missing(str(error), f"apt install {shell}")
    environment = {**os.environ, "PATH": f"{home}/bin:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(home)}
    script_of_shell = subprocess.run(
        [sys.executable, "-m", "shipper", "completion", shell], capture_output=True, text=True, check=True, timeout=60
    )
    (home / "completion").write_text(script_of_shell.stdout)
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [str(command), *options, "-c", script], cwd=home, env=environment, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip
    return done.stdout


def bash(home: Path, *words: str) -> list[str]:
    """Return bash's completions of the last word."""
    quoted = " ".join(f"'{word}'" for word in ("shipper", *words))
    return run_in_shell(home, "bash", BASH.format(words=quoted, last=len(words))).split()


QUICK = [
    (["se"], ["search", "setup"]),
    (["search", "--config", "shipper.yaml", "--event", "appointment_m"], ["appointment_missed"]),
]
MORE = [
    (["quarantine", "sh"], ["show"]),
    (["search", "--form"], ["--format"]),
    (["search", "--level", "cri"], ["crit", "critical"]),
    (["search", "--event", "failed"], ["failed_login"]),
    (["explain", "--config", "shipper.yaml", "--why", "no"], ["no_shows_total"]),
    (["config", "show", "tail.batch_a"], ["tail.batch_age"]),
    (["run", "--output", "ht"], ["http://", "https://"]),
    (["completion", "f"], ["fish"]),
]


@pytest.mark.parametrize(
    ("words", "offered"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.integration) for case in MORE)]
)
def test_bash_completes(home: Path, words: list[str], offered: list[str]) -> None:
    """Commands, options, and values: levels, events and counters of the configuration, keys, addresses."""
    assert sorted(bash(home, *words)) == offered


@pytest.mark.integration
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("shipper se", {"search", "setup"}),
        ("shipper search --level cri", {"crit", "critical"}),
        ("shipper search --config shipper.yaml --event appointment_m", {"appointment_missed"}),
    ],
)
def test_fish_completes(home: Path, line: str, offered: set[str]) -> None:
    """With a description of each command."""
    out = run_in_shell(home, "fish", f"source completion; complete --do-complete '{line}'")
    assert {option.split("\t")[0] for option in out.splitlines()} == offered


@pytest.mark.integration
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("shipper se", "setup"),
        ("shipper search --level crit", "critical"),
        ("shipper config show tail.batch_", "tail.batch_bytes"),
    ],
)
def test_zsh_completes(home: Path, line: str, offered: str) -> None:
    """On a separate terminal, as after pressing Tab."""
    assert offered in run_in_shell(home, "zsh", ZSH.replace("{line}", line).replace("{until}", offered))


def test_every_key_can_be_completed() -> None:
    """By their dotted path, and each once."""
    keys = list(all_keys())
    assert {"inputs", "tail.batch_age", "schema.policies", "counters.rules"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_commands_are_offered_without_loading_them(home: Path) -> None:
    """Completion imports nothing heavy."""
    script = (
        "import sys; from shipper.cli import cli; import click;"
        "cli.shell_complete(click.Context(cli), ''); print('shipper.bootstrap.build_agent' in sys.modules, 'rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
