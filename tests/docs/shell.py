"""Shell examples of the pages, taken apart into their commands, and what is known of each program in them."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import yaml

from shipper.config.settings import Settings
from shipper.web.app import ADDRESSES
from shipper.web.pages.routes import ADDRESSES as PAGES
from tests.docs.command_line import parsed

ROOT = Path(__file__).parents[2]
IMAGE = re.compile(r"(?:[\w.]+/)?shipper(?::[\d.]+)?")
KEYWORDS = {"for", "do", "done", "if", "then", "fi", "while", "else", "{", "}", "!", "until", "time"}
OPERATORS = {"|", "||", "&&", ";", "&", "\n", "(", ")", ";;", "|&"}
STANDARD = {
    "apt", "cat", "cd", "cp", "date", "df", "echo", "exec", "export", "exit", "git", "grep", "gzip", "head", "jq", "ls",
    "mkdir", "mv", "openssl", "rm", "sed", "sleep", "sort", "ss", "systemctl", "tail", "test", "touch", "zcat", "sudo", "uniq", "ps", "kill", "pidof", "man", "source", "eval", "watch", "journalctl", "systemd-run", "du", "wc", "chmod", "printf", "set", "tee",
}  # fmt: skip
"""The shell's own commands and tools of every system: their syntax is bash's, and what they do is not ours."""
CHECKED_ELSEWHERE = {
    "amtool": "tests/deploy/alerts runs it over the same files",
    "promtool": "tests/integration/test_promtool.py and tests/deploy/alerts run it",
    "kafka-topics.sh": "tests/docs/test_commands.py compares topics and options with what the shipper writes",
    "uvicorn": "the demo and the tests start the sample application with the same words",
    "kustomize": "tests/deploy/test_kubernetes.py renders what it edits",
    "rustup": "the release workflow adds the same target",
}
SERVERS = {"psql", "redis-cli", "celery"}
"""Programs of the servers that runbooks are about, called where those run."""
OF_THE_APPLICATION = {"celery"}
"""Services of the application in production that docker-compose.yml has no like of."""
KUBECTL = {
    "apply": {"-k", "-f"},
    "create": {"--namespace", "--from-file", "--from-literal", "-o", "--dry-run"},
    "delete": {"--namespace", "--ignore-not-found"},
    "exec": {"--namespace"},
    "get": {"--namespace", "-o", "--watch", "-A"},
    "kustomize": set(),
    "logs": {"--namespace", "--tail", "-f", "--previous", "--since"},
    "port-forward": {"--namespace"},
    "rollout": {"--namespace"},
    "wait": {"--namespace", "--for", "--timeout"},
    "top": {"--namespace", "-l", "-A", "--sort-by"},
    "describe": {"--namespace"},
    "set": {"--namespace"},
    "scale": {"--namespace", "--replicas"},
}
"""The verbs of kubectl that the pages use, with their options. Source: kubectl 1.30, `kubectl VERB --help`."""
COMPOSE = {
    "build": set(), "up": {"--detach", "--scale", "--build"}, "exec": {"-e", "-T"}, "stop": set(), "down": {"--volumes"},
    "restart": set(), "logs": {"--since", "--tail", "--follow"}, "ps": {"--all", "-a"}, "run": {"--rm"}, "config": {"--quiet"},
    "start": set(), "pull": set(), "cp": set(), "port": set(), "top": set(), "kill": set(),
}  # fmt: skip
"""The same of Docker Compose. Source: Compose 2.24, `docker compose COMMAND --help`."""
DOCKER = {
    "build": {"-t", "-f", "--build-arg"}, "push": set(), "info": {"--format"}, "logs": {"--since", "--tail", "-f"},
    "run": {"--rm", "-p", "-v", "--name", "--detach", "--publish", "--volume", "--user", "--cap-drop", "--cap-add", "--read-only",
            "--env", "--network", "--log-driver", "--tmpfs", "--security-opt"},
    "exec": set(), "stop": set(), "rm": {"-f"}, "image": set(), "stats": {"--no-stream"}, "ps": set(), "inspect": {"--format"},
    "restart": set(), "volume": set(),
}  # fmt: skip
"""The same of Docker. Source: Docker 20.10, `docker COMMAND --help`."""


class Unknown(AssertionError):
    """A command of which nothing is known: give its program a means in this file."""


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command, in order; here-documents, redirections, assignments and keywords left out."""
    text = re.sub(r"<<'?(\w+)'?(.*?)\n.*?^\1$", r"\2", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\\\n\s*", " ", text)
    text = re.sub(r"\$\((?!\()([^()]*)\)", lambda inner: f"SUBSTITUTED{len(inner[1])}", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    words: list[str] = []
    skip = comment = False
    for token in lexer:
        if token.startswith("\n") or set(token) <= set("();|&\n"):
            comment = comment and "\n" not in token
            if words:
                yield words
            words = []
        elif comment or token.startswith("#"):
            comment = True
        elif set(token) <= set("<>&"):
            skip = True
        elif skip:
            skip = False
        elif words or not (token in KEYWORDS or re.match(r"\w+=", token)):
            words.append(token)
    if words:
        yield words


def known(words: list[str]) -> None:
    """Raise where a command is not what its program takes. Raises Unknown where nothing is known of the program."""
    program, *arguments = words
    if words[1:2] == ["in"] or program in SERVERS or program in STANDARD or program in CHECKED_ELSEWHERE:
        if program == "sudo":
            known(arguments)
        return
    if program in PROGRAMS:
        PROGRAMS[program](arguments)
    elif "/" in program and (ROOT / program).is_file():
        assert (ROOT / program).stat().st_mode & 0o100, f"{program} cannot be executed"
    else:
        raise Unknown(f"{program}: {words}")


def of_shipper(words: list[str]) -> None:
    """As the command line takes it, with addresses that configuration accepts."""
    try:
        parsed([word for word in words if word != "…"])
    except click.exceptions.Exit as end:
        assert end.exit_code == 0  # noqa: PT017 -- --help and --version end so
    flags = {word: value for word, value in zip(words, words[1:], strict=False) if word in ("--output", "--input")}
    values: dict[str, object] = {
        "output": flags.get("--output", "local:x"),
        "inputs": [flags.get("--input", "plain:/x")],
    }
    Settings.model_validate(values)


def of_make(words: list[str]) -> None:
    """A target that the Makefile has, and variables that it asks for."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in words:
        variable, assignment, _ = target.partition("=")
        if assignment:
            assert f"$({variable})" in makefile, f"make {variable}="
            continue
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"make {target}"


def of_python(words: list[str]) -> None:
    """A module that is there, or a file."""
    if words[:1] == ["-m"]:
        assert words[1] == "venv" or find_spec(words[1].partition(".")[0]), words[1]
        assert words[1].partition(".")[0] not in ("deploy", "benchmarks", "docs") or find_spec(words[1]), words[1]


def of_pip(words: list[str]) -> None:
    """Distributions and extras that the project has."""
    files = (ROOT / "pyproject.toml", ROOT / "processors" / "pyproject.toml")
    projects = [tomllib.loads(file.read_text(encoding="utf-8"))["project"] for file in files]
    extras = {project["name"]: project["optional-dependencies"] for project in projects}
    for name, extra in re.findall(r"\b(shipper(?:-\w+)?)(?:\[(\w+)\]|\s|$)", " ".join(words)):
        assert name in extras, name
        assert not extra or extra in extras[name], extra


def of_kubectl(words: list[str]) -> None:
    """A verb and options of the table; a folder that is there; behind `--` a command of its own."""
    own, _, inner = " ".join(words).partition(" -- ")
    if inner:
        known(shlex.split(inner))
    mine = own.split()
    verbs = [word for word in mine if word in KUBECTL]
    assert verbs, words
    of_table("kubectl", verbs[0], mine, KUBECTL)
    for folder in re.findall(r"(?:-k|kustomize) (deploy/\S+)", own):
        assert (ROOT / folder / "kustomization.yaml").exists(), folder


@cache
def of_compose() -> frozenset[str]:
    """The services of the Compose file."""
    return frozenset(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])


def of_docker(words: list[str]) -> None:
    """A command and options of the table; with Compose, services that there are, and behind one a command of its own."""
    if words[0] != "compose":
        image = next(
            (at for at in range(2, len(words)) if IMAGE.fullmatch(words[at]) and words[at - 1] != "--name"), None
        )
        if words[0] == "run" and image is not None:
            of_shipper(words[image + 1 :])
            words = words[:image]
        elif words[0] == "exec":
            known(words[2:])
            words = words[:2]
        return of_table("docker", words[0], words, DOCKER)
    services = {*of_compose(), *OF_THE_APPLICATION}
    place = next(number for number, word in enumerate(words[1:], 1) if word in COMPOSE)
    verb, rest = words[place], words[place + 1 :]
    if verb in ("exec", "run"):
        at = next((number for number, word in enumerate(rest) if word in services), None)
        assert at is not None, f"no such service: {words}"
        known(rest[at + 1 :] or ["true"])
        rest = rest[:at]
    else:
        named = [word.partition("=")[0] for word in rest if re.fullmatch(r"[a-z][a-z-]*(=\d+)?", word)]
        assert set(named) <= services, words
    return of_table("docker compose", verb, rest, COMPOSE)


def of_table(program: str, verb: str, words: list[str], table: dict[str, set[str]]) -> None:
    """Only verbs and options of a table."""
    assert verb in table, f"{program} {verb}: not in the table of tests/docs/shell.py"
    options = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert options <= table[verb], f"{program} {verb} {sorted(options - table[verb])}"


def of_curl(words: list[str]) -> None:
    """Pages of the agent that there are, paths of the application, and requests to Elasticsearch or Kibana."""
    for url in (word for word in words if "://" in word or word.startswith("$")):
        at = re.match(r"https?://[^/]*:9108(/[\w-]*)", url)
        if at:
            assert at[1] in {*ADDRESSES, *PAGES}, url
        else:
            assert re.search(
                r"\$ES|\$index|:9200|elasticsearch|:8000/(api/v1|health|live|ready)|:9090/|:9093/|:5601", url
            ), url


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "shipper": of_shipper, ".venv/bin/shipper": of_shipper, "make": of_make, "python": of_python, "python3": of_python,
    ".venv/bin/python": of_python, "pip": of_pip, "kubectl": of_kubectl, "docker": of_docker, "curl": of_curl,
    "true": lambda _words: None,
}  # fmt: skip
