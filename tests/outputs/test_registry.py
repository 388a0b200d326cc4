"""An output is one row of a table and a folder of its own: nothing else knows its URLs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.bootstrap import build_agent
from shipper.bootstrap.build_web import Stores
from shipper.cli.commands.run import parts
from shipper.config import InvalidConfiguration, load
from shipper.config.output_kinds import OUTPUT_KINDS, OutputKind, forms
from shipper.config.settings import Settings
from shipper.diagnose.preflight import examine
from shipper.model.query import Query
from shipper.outputs import registry
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError, OutputUnavailable
from tests.hazards.rig import docker_line
from tests.outputs.memory_output import CLOSED, STORES, validate

ROOT = Path(__file__).parents[2]
MEMORY = OutputKind(
    ("memory",), "memory:NAME", "memory", ("memory:",), "local", "tests.outputs.memory_output", validate
)
LINE = docker_line('{"correlation_id":"c-1","event":"login","message":"hello"}\n')


@pytest.fixture
def _memory() -> Iterator[None]:
    OUTPUT_KINDS.append(MEMORY)
    yield
    OUTPUT_KINDS.remove(MEMORY)
    STORES.clear()


def of(folder: Path, url: str = "memory:one") -> Settings:
    """Settings with the output of the tests, read as those of a file are."""
    flags = {"inputs": [f"docker:{folder}/*.log"], "output": url, "state_dir": str(folder / "state"), "listen": "off"}
    return load(None, {}, flags)


@pytest.mark.usefixtures("_memory")
def test_a_new_kind_is_configured_written_checked_and_read(tmp_path: Path) -> None:
    """From the flag to the search, with one row in the table and no change anywhere else."""
    (tmp_path / "app.log").write_bytes(LINE)
    settings = of(tmp_path)
    agent = build_agent.agent(settings, Clock())
    agent.run_once()
    agent.close()
    assert [body["message"] for body in registry.reader(settings).search(Query(event="login"))] == ["hello"]
    paused: list[None] = []
    assert len(list(Stores(lambda: settings)(lambda: paused.append(None)).search(Query()))) == len(paused) == 1
    assert registry.retention(settings) == (3600.0, "the end of the process")
    registry.check_output(settings)


@pytest.mark.usefixtures("_memory")
def test_a_new_kind_is_examined(tmp_path: Path) -> None:
    """`shipper check` says what its factory says."""
    good = [finding for finding in examine(of(tmp_path)) if finding.subject == "output memory:one"]
    assert [(finding.grade, finding.what) for finding in good] == [
        ("ok", "it is there"),
        ("note", "it ends with the process"),
    ]
    bad = [finding for finding in examine(of(tmp_path, CLOSED)) if finding.subject == f"output {CLOSED}"]
    assert (bad[0].grade, bad[0].what, bad[0].hint) == ("problem", "it is closed", "open it")
    with pytest.raises(OutputUnavailable):
        registry.check_output(of(tmp_path, CLOSED))


@pytest.mark.usefixtures("_memory")
def test_a_new_kind_has_its_name_in_metrics_and_in_the_configurations_messages(tmp_path: Path) -> None:
    """The label `output`, the forms that a URL may have, and what is wrong with one of its own."""
    agent, vitals = parts(of(tmp_path), from_end=False)
    agent.run_once()
    vitals.take()
    labels = {labels for (name, labels) in vitals.snapshot.metrics().gauges if name == "shipper_output_up"}
    agent.close()
    assert labels == {("memory",)}
    assert forms().endswith(" or memory:NAME")
    with pytest.raises(InvalidConfiguration, match="expected memory:NAME, a word"):
        of(tmp_path, "memory:")
    with pytest.raises(InvalidConfiguration, match=r"or memory:NAME \(memory\)"):
        of(tmp_path, "disk:x")
    with pytest.raises(ConfigurationError, match="needs no setup: memory needs none"):
        registry.installation(of(tmp_path))


def test_without_its_row_the_kind_is_unknown(tmp_path: Path) -> None:
    """The row is what makes it known."""
    with pytest.raises(InvalidConfiguration, match="expected local:DIR"):
        of(tmp_path)


@pytest.mark.parametrize("kind", OUTPUT_KINDS, ids=lambda kind: kind.section)
def test_every_kind_has_a_section_and_a_factory(kind: OutputKind) -> None:
    """What a row names is there."""
    assert kind.section in Settings.model_fields
    assert all(prefix.partition(":")[0] in kind.schemes for prefix in kind.prefixes)
    url = {"local": "local:x", "elasticsearch": "http://es:9200", "kafka": "kafka://k:9092/t"}[kind.section]
    assert registry.factory(Settings(output=url)) is sys.modules[kind.factory].FACTORY


# --- nothing else looks at a URL's beginning --------------------------------------------------------

KNOWING = ("shipper/outputs/", "shipper/config/output_kinds.py", "shipper/config/input_kinds.py")
OTHER_SCHEMES = {"shipper/web/app.py": "the scheme of a request, which a proxy names"}
SCHEMES = {scheme for kind in OUTPUT_KINDS for scheme in kind.schemes}
METHODS = ("startswith", "removeprefix")


def judged(tree: ast.AST) -> Iterator[int]:
    """Lines that compare something with an output's scheme, or ask whether it begins so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            parts = list(node.args)
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        else:
            continue
        texts = (
            inner.value
            for part in parts
            for inner in ast.walk(part)
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        )
        if any(text.rstrip("/").rstrip(":") in SCHEMES for text in texts):
            yield node.lineno


@pytest.mark.parametrize(
    "line",
    [
        'output.startswith("kafka:")',
        'output.startswith(("http:", "https:"))',
        'output.partition(":")[0] == "local"',
        'scheme in ("http", "https")',
        'found.type == "kafka"',
        'url.removeprefix("local:")',
        'match scheme:\n    case "kafka":\n        pass',
    ],
)
def test_a_look_at_a_urls_beginning_is_seen(line: str) -> None:
    """Each way of doing it."""
    assert list(judged(ast.parse(line)))


def test_no_module_outside_the_outputs_looks_at_a_urls_beginning() -> None:
    """What follows from the kind of an output or an input, its row or its factory says."""
    places = [
        f"{name}:{line}"
        for path in sorted((ROOT / "shipper").rglob("*.py"))
        if not (name := str(path.relative_to(ROOT))).startswith(KNOWING) and name not in OTHER_SCHEMES
        for line in judged(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert places == []


# --- what is not chosen is not loaded -----------------------------------------------------------------

SLOW = ("confluent_kafka", "elastic_transport", "elasticsearch", "jinja2", "kafka")


@pytest.mark.parametrize("command", ["run --once", "search --limit 1", "check", "quarantine list", "--help"])
def test_the_embedded_store_loads_no_library_of_other_outputs(tmp_path: Path, command: str) -> None:
    """They take longer to load than most commands take to run."""
    (tmp_path / "app.log").write_bytes(LINE)
    config = tmp_path / "shipper.yaml"
    config.write_text(
        f"inputs: ['docker:{tmp_path}/*.log']\noutput: local:{tmp_path}/store\nstate_dir: {tmp_path}/state\nlisten: off\n"
    )
    script = f"""
import sys
from shipper.cli import main
try:
    main({command.split()!r})
except SystemExit:
    pass
print(*(name for name in {SLOW!r} if name in sys.modules), sep=",", file=sys.stderr)
"""
    environ = {"SHIPPER_CONFIG": str(config), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == ""
