"""The errors that people meet first: each is provoked here, and docs/errors.md shows what the shipper then says."""

import contextlib
import ctypes
import http.server
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from shipper.cli import main
from shipper.state.database import FILE
from shipper.state.store import State

LINE = (
    r'{"log":"{\"correlation_id\":\"visit-1\",\"event\":\"login_failed\"}\n","stream":"stdout",'
    '"time":"2026-11-25T10:00:00.5Z"}\n'
)
PATIENCE_S = 30


class Stage(NamedTuple):
    """The stage of a case: its folder, and placeholders for things that differ from one machine to the next."""

    folder: Path
    environment: dict[str, str]
    shown: dict[str, str]
    """Texts of the output, and what the page shows in their place."""


Provoke = Callable[[Stage], AbstractContextManager[None]]


class Case(NamedTuple):
    """An error: what one did, what provokes it, and what to do, in the words of the page."""

    title: str
    command: str
    provoke: Provoke
    hint: str
    code: int
    says: str
    """Text that the output must contain, or the case no longer is what it was."""


class Said(NamedTuple):
    """Exit code and output of a command."""

    code: int
    output: str


class Changed(Exception):
    """A case that no longer ends or says what it should."""

    def __init__(self, case: Case, said: Said) -> None:
        super().__init__(f"{case.title}: wanted {case.code} and {case.says!r}, got {said.code} and {said.output}")


@contextmanager
def nothing(stage: Stage) -> Iterator[None]:
    """No more than the logs that are there."""
    del stage
    yield


def file(name: str, text: str) -> Provoke:
    """A file of that name."""

    @contextmanager
    def provoke(stage: Stage) -> Iterator[None]:
        (stage.folder / name).write_text(text, encoding="utf-8")
        yield

    return provoke


@contextmanager
def port_taken(stage: Stage) -> Iterator[None]:
    """Another program listens where the agent would."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        at = f"127.0.0.1:{other.getsockname()[1]}"
        stage.environment["SHIPPER_LISTEN"] = at
        stage.shown[f":{at.rpartition(':')[2]}"] = ":9108"
        yield


@contextmanager
def closed_logs(stage: Stage) -> Iterator[None]:
    """Nobody may read the logs; capabilities, which root reads all files by, are given up by whoever is `become`."""
    for log in (stage.folder / "containers").rglob("*.log"):
        log.chmod(0)
    yield


@contextmanager
def nobody_answers(stage: Stage) -> Iterator[None]:
    """A port on which nobody listens, called as the server of the command line."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        stand_in(stage, reserved.getsockname()[1])
        yield


def stand_in(stage: Stage, port: int) -> None:
    """`http://127.0.0.1:9200` is another port here."""
    stage.environment["PORT_9200"] = str(port)
    stage.shown[f":{port}"] = ":9200"


class Cluster(http.server.BaseHTTPRequestHandler):
    """As much of an Elasticsearch as is asked before anything is written: its version, and that it has no template."""

    def do_GET(self) -> None:
        """Say what it is; anything else is not there."""
        body = json.dumps({"version": {"number": "8.19.0"}} if self.path == "/" else {"error": "missing"}).encode()
        self.send_response(200 if self.path == "/" else 404)
        for name, value in (
            ("X-Elastic-Product", "Elasticsearch"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def no_template(stage: Stage) -> Iterator[None]:
    """A cluster on which `shipper setup` never ran, in a process of its own."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Cluster)
    child = os.fork()
    if child == 0:
        server.serve_forever()
    try:
        stand_in(stage, server.server_port)
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        server.server_close()


@contextmanager
def another_agent(stage: Stage) -> Iterator[None]:
    """An agent has the state directory."""
    state = State(stage.folder / "shipper-state")
    stage.shown[f"process {os.getpid()}"] = "process 4711"
    try:
        yield
    finally:
        state.close()


@contextmanager
def damaged_state(stage: Stage) -> Iterator[None]:
    """Corrupt the file of checkpoints and counters."""
    path = stage.folder / "shipper-state" / FILE
    path.parent.mkdir()
    path.write_bytes(b"\x00\x01" * 4096)
    yield


@contextmanager
def newer_state(stage: Stage) -> Iterator[None]:
    """A later version wrote the state."""
    State(stage.folder / "shipper-state").close()
    with contextlib.closing(sqlite3.connect(stage.folder / "shipper-state" / FILE)) as db:
        db.execute("PRAGMA user_version = 99")
    yield


INTRODUCTION = """\
What people meet in their first hour: what it looks like, what it means, what to do. Each of these is provoked, and said
by the real command, whenever this page is made. An error tells what happened, to what, and below that what to do;
`shipper check` finds most of them before an agent does. Every message that the shipper has stands in the
[list of refusals](reference/refusals.md)."""
LOGS = "--input 'docker:containers/*/*-json.log'"
CASES = (
    Case(
        "The port is taken",
        f"shipper run {LOGS}",
        port_taken,
        "Metrics and health are served on `127.0.0.1:9108` unless told otherwise. Mostly an agent runs already: "
        "`shipper status` tells. Two agents on one machine need a port and a state directory each.",
        1,
        "Address already in use",
    ),
    Case(
        "The logs cannot be read",
        f"shipper run --once --listen off {LOGS}",
        closed_logs,
        "Docker's and the kubelet's logs are root's. Run the agent as root without other capabilities, as the image "
        "and the manifests do ([why](kubernetes.md#privileges)), or give its user `CAP_DAC_READ_SEARCH`. A running "
        "agent goes on with the logs that it can read, counts the others in `shipper_files_unreadable`, and reads "
        "them from their beginning once it may.",
        1,
        "Permission denied",
    ),
    Case(
        "No log is found",
        f"shipper check --listen off {LOGS.replace('containers', 'container')}",
        nothing,
        "A glob that matches nothing is mostly a wrong folder: `docker info --format '{{.DockerRootDir}}'` names "
        "Docker's. In a container, the folder has to be mounted. Quote the glob, or the shell puts in names.",
        1,
        "No such file or directory",
    ),
    Case(
        "The output is no URL",
        f"shipper run {LOGS} --output elasticsearch:9200",
        nothing,
        "Write `http://` or `https://` before an Elasticsearch server, `local:` before a folder, and "
        "`kafka://HOST:PORT/TOPIC` for a topic.",
        1,
        "http(s)://HOST:PORT",
    ),
    Case(
        "The output does not answer",
        f"shipper run --once --listen off {LOGS} --output http://127.0.0.1:9200",
        nobody_answers,
        "`shipper check` asks the output without writing to it. A running agent does not stop: it goes on counting, "
        "tries again with pauses that grow, and ships from the files what it missed. Logs that are rotated away "
        "before that are lost, and counted in `shipper_files_lost_total`.",
        1,
        "Connection refused",
    ),
    Case(
        "Elasticsearch was not prepared",
        f"shipper run --once --listen off {LOGS} --output http://127.0.0.1:9200",
        no_template,
        "Run `shipper setup --output http://127.0.0.1:9200` once for each cluster, with a user who may install "
        "templates ([rights](elasticsearch.md#connection)). Without its template an index would guess its mapping "
        "from the first documents and refuse later ones.",
        1,
        "has no index template",
    ),
    Case(
        "Two agents on one state directory",
        f"shipper run --listen off {LOGS}",
        another_agent,
        "One agent a state directory: two would both ship the same logs and overwrite each other's positions. The "
        "number is that of the process that has it. After a crash nothing has to be removed: the lock goes with its "
        "process.",
        1,
        "in use by another agent",
    ),
    Case(
        "The configuration is not valid YAML",
        "shipper check --config shipper.yaml",
        file("shipper.yaml", "inputs:\n  - docker:containers/*/*-json.log\n output: local:./shipper-data\n"),
        "Here line 3 begins with a space that puts `output` neither beside `inputs` nor below it. Most other cases "
        "are tabs, and values such as `*` that need quotes.",
        1,
        "invalid YAML",
    ),
    Case(
        "A key is not known",
        "shipper check --config shipper.yaml",
        file("shipper.yaml", "inputs:\n  - docker:containers/*/*-json.log\noutputs: local:./shipper-data\n"),
        "Keys are those of the [configuration](reference/configuration.md); one that is not known is refused, since a "
        "slip would otherwise leave a default in force without a word. Variables that begin with `SHIPPER_` are "
        "treated alike.",
        1,
        "did you mean `output`?",
    ),
    Case(
        "The type of an input is not known",
        "shipper run --input 'journald:containers/*/*-json.log'",
        nothing,
        "`docker:` reads what Docker's `json-file` driver writes, `cri:` what containerd and CRI-O write, and "
        "`plain:` lines as they are. Other log drivers of Docker keep no such files.",
        1,
        "inputs.0.type",
    ),
    Case(
        "The configuration is not there",
        "shipper run --config /etc/shipper/shiper.yaml",
        nothing,
        "Look for a slip in the path. In a container, mount the file; on Kubernetes it comes from the ConfigMap.",
        1,
        "cannot read the file: No such file or directory",
    ),
    Case(
        "The state is damaged",
        f"shipper run --listen off {LOGS}",
        damaged_state,
        "The state holds positions and counters, and is never begun anew without being asked. What the message gives "
        "to type does that: events that were stored already are found under their ids and not stored twice; counters "
        "begin at zero and count again what is still on disk.",
        1,
        "file is not a database",
    ),
    Case(
        "The state is of another version",
        f"shipper run --listen off {LOGS}",
        newer_state,
        "An older shipper does not read what a newer one wrote. Go back to the newer one; its release notes say where "
        "the version of the state has changed.",
        1,
        "has version 99",
    ),
    Case(
        "Pages beyond loopback without a token",
        f"shipper run --once --listen 0.0.0.0:0 {LOGS}",
        nothing,
        "That is a warning: counting and shipping go on. `/metrics`, `/health`, `/live` and `/ready` answer anybody; "
        "the other pages answer 401 until there is a token. Write one into a file that the agent's user alone may "
        "read, and name it with `token_file`: `openssl rand -hex 24` makes one.",
        0,
        "no_token",
    ),
    Case(
        "A search finds no store",
        "shipper search visit-1",
        nothing,
        "Searches read the store that `output` names, `./shipper-data` unless told otherwise. Give them the agent's "
        "`--config` or `--output`.",
        1,
        "--output local:DIR",
    ),
    Case(
        "A command is not known",
        "shipper serch visit-1",
        nothing,
        "`shipper --help` lists the commands, `shipper COMMAND --help` its options. What is wrong with a command line "
        "ends with 2, everything else that fails with 1.",
        2,
        "Did you mean 'search'?",
    ),
)


def observed(case: Case) -> Said:
    """Return the shipper's output in that case, with machine-dependent parts replaced."""
    with tempfile.TemporaryDirectory(prefix="shipper-errors-") as name:
        stage = Stage(Path(name), {"SHIPPER_LOG_FORMAT": "console"}, {})
        log = stage.folder / "containers" / "4f6d0c3b9a1e"
        log.mkdir(parents=True)
        (log / f"{log.name}-json.log").write_text(LINE, encoding="utf-8")
        (log / "config.v2.json").write_text('{"Name": "/backend", "Config": {"Image": "keneyapp:2.0.0"}}')
        with case.provoke(stage):
            words = shlex.split(case.command)[1:]
            port = stage.environment.pop("PORT_9200", "9200")
            words = [word.replace("127.0.0.1:9200", f"127.0.0.1:{port}") for word in words]
            said = run(words, stage)
        return Said(said.code, steady(said.output, stage))


def steady(output: str, stage: Stage) -> str:
    """The output without what changes from one run to the next: times, ports, processes, folders."""
    for machine_text, shown in {f"{stage.folder}/": "", **stage.shown}.items():
        output = output.replace(machine_text, shown)
    output = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "2026-11-25T10:00:00Z", output)
    output = re.sub(r"damaged-\d{8}", "damaged-20261125", output)
    output = re.sub(r"http://0\.0\.0\.0:\d+|0\.0\.0\.0:0\b", lambda at: re.sub(r":\d+$", ":9108", at[0]), output)
    output = re.sub(r"[\d.]+ GiB free", "71 GiB free", output)
    return "".join(line.rstrip() + "\n" for line in output.splitlines())


def run(words: list[str], stage: Stage) -> Said:
    """Return exit code and output of `shipper WORDS…`, in a separate process without capabilities."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        become(words, stage, theirs)
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as said:
        output = said.read()
    _, status = os.waitpid(child, 0)
    return Said(os.waitstatus_to_exitcode(status), output)


def become(words: list[str], stage: Stage, output: int) -> NoReturn:
    """Be the shipper, in the stage's folder, with its variables and no others of ours."""
    code = 70
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.alarm(PATIENCE_S)
        os.chdir(stage.folder)
        for name in [name for name in os.environ if name.startswith("SHIPPER_")]:
            del os.environ[name]
        os.environ.update(stage.environment, NO_COLOR="1", COLUMNS="100")
        give_up_capabilities()
        main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def give_up_capabilities() -> None:
    """Be bound by permissions, as root is not otherwise. Source: capset(2), version 3 of its header."""
    none = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset((ctypes.c_uint32 * 2)(0x20080522, 0), none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def shown(case: Case) -> str:
    """The command as the page shows it."""
    return case.command.replace("0.0.0.0:0", "0.0.0.0:9108")


def page(note: str, observe: Callable[[Case], Said] = observed) -> str:
    """docs/errors.md. Raises Changed where a case is no longer what it was."""
    parts = [f"# Errors\n\n{note}\n{INTRODUCTION}\n"]
    for case in CASES:
        said = observe(case)
        if said.code != case.code or case.says not in said.output:
            raise Changed(case, said)
        parts.append(
            f"\n## {case.title}\n\n```text\n$ {shown(case)}\n{said.output}```\n\nExit code {said.code}. {case.hint}\n"
        )
    return "".join(parts)
