"""Hostile content on every text output: each entry of `tests.hazards.hostile` on each of them.

The pages are tested in a browser, and Elasticsearch over a server, in `tests/integration/`.

"""

import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from rich.console import Console

from shipper.cli.commands import quarantine as quarantine_command
from shipper.cli.commands.explain import Explainer, described
from shipper.cli.commands.status import show as show_status
from shipper.cli.commands.top import view
from shipper.cli.status_sample import Key, Sample, compared
from shipper.cli.terminal.cells import Look, emit
from shipper.cli.terminal.render import Stream, render_json, render_table, render_timeline
from shipper.config.settings import Settings
from shipper.diagnose.read_lines import entries
from shipper.metrics.catalogue import OVERFLOWS, VIOLATIONS, WITH_OR_NEEDING_ID, WITHOUT_ID
from shipper.metrics.exposition import registry_of
from shipper.metrics.registry import Ledger
from shipper.metrics.snapshot import Snapshot
from shipper.model.batch import Batch
from shipper.model.query import Query
from shipper.model.source import Source
from shipper.outputs.sqlite.output import LocalStore
from shipper.outputs.sqlite.reader import LocalReader
from shipper.pipeline.pipeline import Pipeline
from shipper.system.logging_setup import configure_own_log
from shipper_processors.assemble import Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.redact import Redactor
from shipper_schemas.builtin_rules import builtin_rules
from shipper_schemas.entry import Origin
from tests.hazards.hostile import CORRELATION_ID, ENTRIES, NOW_MS, RECORDS, SERVICES, TEXTS, deceiving, documents

ROOT = Path(__file__).parents[2]
Body = dict[str, Any]


@cache
def bodies() -> dict[str, Body]:
    """Return the stored document of each entry, by its name."""
    stored = documents()
    assert len(stored) == len(ENTRIES)
    return {
        name: {**orjson.loads(document.body), "_id": document.id.hex(), "_index": document.index}
        for name, document in zip(ENTRIES, stored, strict=True)
    }


@cache
def chain() -> Pipeline:
    """Return the steps, with the built-in counters."""
    return Pipeline(Enforce(require="always"), Counting(builtin_rules([])), Redactor())


def source_of(service: str) -> Source:
    """Return a container with this service, name and labels."""
    labels = {"shipper.service": service, service: service}
    return Source.of(Origin("/x.log", "c1", service=service, container_id="c1", container_name=service, labels=labels))


def as_origin(text: str) -> str:
    """Return a name as metadata gives it: without lone surrogates, and bounded."""
    return text.encode("utf-8", "replace").decode()[:256]


def screen(terminal: bool, encoding: str = "utf-8") -> Console:
    """Return a console without colours, so that every escape sequence in it comes from the content."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    return Console(file=file, width=100, force_terminal=terminal, color_system=None, highlight=False)


def read(console: Console) -> str:
    """Return the text that was printed."""
    assert isinstance(console.file, io.TextIOWrapper)
    return console.file.buffer.getvalue().decode(console.file.encoding)  # type: ignore[attr-defined]


# --- outputs: everything that shows an entry or a name --------------------------------------------------


def rendered(render: Callable[[list[Body], Console], object]) -> Callable[[Body, str], Iterator[str]]:
    """Return an output that renders entries on a terminal and in a pipe."""

    def face(body: Body, name: str) -> Iterator[str]:
        origin = {
            "service": {"name": name},
            "container": {"name": name, "id": name},
            "log": {"file": {"path": name}, "offset": 0},
        }
        for console in (screen(terminal=True), screen(terminal=False, encoding="ascii")):
            render([{**body, **origin}], console)
            yield read(console)

    return face


def tail(bodies_: list[Body], console: Console) -> None:
    """Render as `shipper tail`."""
    stream = Stream(console)
    for body in bodies_:
        stream.show(body)


def quarantine_show(bodies_: list[Body], console: Console) -> None:
    """Render as `shipper quarantine show`."""
    for body in bodies_:
        for line in quarantine_command.described(body):
            emit(console, line, Look.of(console).uncut())


def top(_body: Body, name: str) -> Iterator[str]:
    """Render as `shipper top`."""
    status = {
        "running": True, "logs": [{"path": name, "container": name, "size": 1, "counted": 1, "shipped": 1, "lag_bytes": 1, "lag_seconds": 1}],
        "state": {"directory": name, "error": None}, "output": {"url": name, "error": name}, "unreadable": {name: name},
        "configuration": {"file": name, "loaded_at": "", "error": name, "waiting": False, "restart_needed": [name]},
    }  # fmt: skip
    looks = [Sample(at, "agent", name, status, {Key("a_total", (("label", name),)): at * 9}) for at in (1.0, 3.0)]
    console = screen(terminal=True)
    console.print(view(compared(*looks), 100, 40))
    yield read(console)


def status(_body: Body, name: str) -> Iterator[str]:
    """Render as `shipper status`."""
    log = {"path": name, "container": name, "size": 1, "counted": 1, "shipped": 1, "lag_bytes": 1}
    output = {"url": name, "error": name}
    snapshot = {
        "running": True,
        "state": {"directory": name, "error": None},
        "logs": [log],
        "output": output,
        "unreadable": {name: name},
    }
    console = screen(terminal=True)
    show_status(snapshot, console)
    yield read(console)


def own_log(form: Any) -> Callable[[Body, str], Iterator[str]]:
    """Return the shipper's own log of paths, errors and exceptions."""

    def face(body: Body, name: str) -> Iterator[str]:
        before, sys.stderr = sys.stderr, io.StringIO()
        try:
            configure_own_log(form, "info")
            log = structlog.get_logger("shipper")
            log.warning("container_unknown", why=name, container=name, paths=[name], seen={name: name})
            log.warning(name)
            try:
                raise ValueError(name)
            except ValueError:
                log.exception("failed")
            yield sys.stderr.getvalue()
        finally:
            sys.stderr = before
            structlog.reset_defaults()

    return face


def explained(_body: Body, name: str) -> Iterator[str]:
    """Render as `shipper explain` of a line whose text is the name."""
    settings = Settings()
    explainer = Explainer(chain(), builtin_rules([]), settings, source_of(as_origin(name)))
    raw = json.dumps({"log": f"{name}\n", "stream": "stdout", "time": "2026-11-23T10:00:00Z"}).encode()
    console = screen(terminal=False)
    for number, entry in enumerate(
        entries([raw, name.encode("utf-8", "replace").replace(b"\n", b" ")], "docker", Bounds()), 1
    ):
        for line in described(number, explainer.explained(entry, NOW_MS), ["failed_login_attempts_total"]):
            console.print(line, soft_wrap=True)
    yield read(console)


FACES: dict[str, Callable[[Body, str], Iterator[str]]] = {
    "search as a table": rendered(render_table),
    "search as a timeline": rendered(render_timeline),
    "search as JSON": rendered(render_json),
    "tail": rendered(tail),
    "quarantine list": rendered(quarantine_command.render_list),
    "quarantine show": rendered(quarantine_show),
    "explain": explained,
    "top": top,
    "status": status,
    "own log for people": own_log("console"),
    "own log as JSON": own_log("json"),
}
"""Everything that prints text to a terminal."""
OF_NAMES = ("explain", "top", "status", "own log for people", "own log as JSON")
"""Outputs that do not show the entry itself."""


@pytest.mark.parametrize("face", FACES)
def test_nothing_hostile_is_obeyed_on_a_terminal(face: str) -> None:
    """No entry and no name of a service, container, file or error sends a control character to a terminal."""
    names = [name.encode("utf-8", "replace").decode()[:2000] for name in (*TEXTS.values(), *SERVICES.values())]
    everything = list(bodies().items())
    shows = everything if face not in OF_NAMES else everything[: len(names)]
    reached: dict[str, list[str]] = {}
    for number, (name, body) in enumerate(shows):
        for shown in FACES[face](body, names[number % len(names)]):
            if seen := deceiving(shown):
                reached[name] = seen
    assert reached == {}


def test_a_line_cannot_forge_another_one_in_a_pipe() -> None:
    """An entry is one line, whatever newlines it holds, so that `grep` and `wc -l` are right."""
    for render in (render_table, render_json, tail, quarantine_command.render_list):
        for name, body in bodies().items():
            console = screen(terminal=False)
            render([body], console)
            assert len(read(console).splitlines()) == 1, name


def test_own_log_is_one_object_a_line_whatever_it_reports() -> None:
    """A forged line of the shipper's own log stays inside the value that held it."""
    for text in TEXTS.values():
        (shown,) = own_log("json")({"message": text}, text[:1000])
        lines = [json.loads(line) for line in shown.splitlines()]
        assert [line["event"] for line in lines][0::2] == ["container_unknown", "failed"]
        assert len(lines) == 3


# --- metrics -------------------------------------------------------------------------------------------


def counted(compiled_most: int = 200) -> tuple[Ledger, int]:
    """Count all entries once for each service; return the counters and the number of failed logins."""
    counting = Counting(builtin_rules([]), max_label_values=compiled_most)
    own = replace(chain(), counting=counting)
    own_metrics = (VIOLATIONS, OVERFLOWS, WITHOUT_ID, WITH_OR_NEEDING_ID)
    ledger = Ledger({metric.name: metric for metric in (*own_metrics, *counting.metrics())})
    logins = 0
    few = ["failed login of a hostile client", *(name for name in ENTRIES if name.startswith("prescription"))]
    for service in SERVICES.values():
        batch = Batch()
        lines = b"".join(RECORDS[name] for name in few).splitlines(keepends=True)
        own.process(
            entries(lines, "docker", Bounds()), source_of(as_origin(service)), batch, NOW_MS, count=True, ship=False
        )
        ledger.add(batch.counted, 1.0)
        logins += 1
    ledger.publish()
    return ledger, logins


@pytest.mark.parametrize(
    ("generate", "parse"),
    [(generate_latest, parse_text), (generate_openmetrics, parse_openmetrics)],
    ids=["text", "OpenMetrics"],
)
def test_no_label_makes_a_series_of_its_own_in_the_metrics(generate: Any, parse: Any) -> None:
    """Names of services and medicines, whatever they hold, are label values: no family and no sample is injected."""
    ledger, logins = counted()
    snapshot = Snapshot(ledger.metrics, dict(ledger.committed), dict(ledger.created), {})
    shown = generate(registry_of(lambda: snapshot)).decode()
    families = {family.name: family for family in parse(shown)}
    declared = {name.removesuffix(ending) for name in ledger.metrics for ending in ("", "_total")}
    declared |= {f"{name}_created" for name in declared} | {
        "shipper_build_info",
        "shipper_build",
        "python_info",
        "python",
    }
    assert {name for name in families if not name.startswith("process_")} <= declared
    samples = [
        sample for sample in families["failed_login_attempts"].samples if sample.name == "failed_login_attempts_total"
    ]
    assert sum(sample.value for sample in samples) == logins
    services = {sample.labels["service"] for sample in samples}
    assert services <= {as_origin(service) for service in SERVICES.values()} | {"other"}
    assert not [service for service in services if deceiving(service) or "\n" in service]
    assert "forged" not in families
    assert 31337 not in [sample.value for family in families.values() for sample in family.samples]
    medicines = [
        sample for sample in families["prescription_created"].samples if sample.name == "prescription_created_total"
    ]
    assert sum(sample.value for sample in medicines) == logins * 4
    assert max(len(sample.labels["medication"]) for sample in medicines) <= 256


# --- the embedded store --------------------------------------------------------------------------------


@pytest.mark.integration  # a minute
def test_every_hostile_entry_is_stored_once_in_its_own_index_and_found(tmp_path: Path) -> None:
    """Two indices and no other; each entry under its id; searches by the id and for any text succeed."""
    store = LocalStore(tmp_path)
    for service in (SERVICES["parents"], "backend"):  # repeated documents are stored once, whatever service they name
        store.write(documents(as_origin(service)))
    reader = LocalReader(tmp_path, "keneyapp-logs", "keneyapp-quarantine")
    stored = [*reader.search(Query(limit=None)), *reader.quarantine()]
    assert Counter(body["_id"] for body in stored) == Counter({body["_id"]: 1 for body in bodies().values()})
    assert {body["_index"] for body in stored} == {"keneyapp-logs-2026.11.23", "keneyapp-quarantine-2026.11.23"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".db") == sorted(
        f"{body['_index']}.db" for body in {body["_index"]: body for body in stored}.values()
    )
    usable = [name for name, body in bodies().items() if body.get("correlation_id") == CORRELATION_ID]
    assert len(list(reader.search(Query(correlation_id=CORRELATION_ID, limit=None)))) == len(usable) > 20
    for text in [*TEXTS.values(), *SERVICES.values()]:
        term = text.encode("utf-8", "replace").decode()[:1000]
        list(reader.search(Query(text=term, correlation_id=term, event=term, container=term)))
        list(reader.quarantine(reason=term, mentioning=term))
    reader.close()
    store.close()


@pytest.mark.parametrize("name", ENTRIES)
def test_hostile_entry_makes_no_step_fail(name: str) -> None:
    """It is stored, or quarantined for a specific reason: no logged content makes the chain fail."""
    assert "internal_error" not in [reason["kind"] for reason in bodies()[name].get("reasons", [])]


# --- names that collide --------------------------------------------------------------------------------


def test_hashes_of_names_have_a_secret_wherever_the_shipper_runs() -> None:
    """Field names are hashed with a secret of each process: no client can predict which of them collide."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    command = [sys.executable, "-c", "import sys; print(sys.flags.hash_randomization, hash('correlation_id'))"]
    outputs = [
        subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert outputs[0][0] == outputs[1][0] == "1"
    assert outputs[0][1] != outputs[1][1]
    deployed = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "deploy").rglob("*")]
    for file in deployed:
        if file.is_file() and b"PYTHONHASHSEED" in file.read_bytes():
            pytest.fail(f"{file} removes the secret")
