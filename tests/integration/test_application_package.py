"""An application that logs for the agent: the slim distribution, and the agent's, beside packages of the same folder names."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper import __version__
from shipper.system.version import APPLICATIONS
from tests.integration.conftest import missing
from tests.integration.test_packages import ROOT, UV, installed, output_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
FOLDERS = ("processors/shipper_processors", "schemas/shipper_schemas")
TOO_MUCH = ("elasticsearch", "kafka", "confluent_kafka", "click", "rich", "jinja2", "re2", "shipper")
"""Modules that an application must not install with its log processors."""
APPLICATION = {
    "schemas/__init__.py": "",
    "schemas/event.py": 'ORDER = "order_placed"\n',
    "processors/__init__.py": "",
    "processors/enforce.py": "def discounted(price):\n    return price / 2\n",
    "main.py": """
import asyncio
import processors.enforce
import schemas.event
import shipper_processors
import structlog

shipper_processors.configure(service="shop")
log = structlog.get_logger()

async def shop(scope, receive, send):
    log.info(
        schemas.event.ORDER, message="paid with password=hunter2secret", price=processors.enforce.discounted(10)
    )
    await send({"type": "http.response.start", "status": 201, "headers": []})

async def ignore(message=None):
    return message

scope = {"type": "http", "method": "POST", "path": "/orders", "headers": [(b"x-correlation-id", b"visit-7")]}
asyncio.run(shipper_processors.CorrelationMiddleware(shop)(scope, ignore, ignore))
""",
    "conforming.py": """
import json
import sys
from shipper_processors.enforce import Enforce

print([violation.as_note() for line in sys.stdin for violation in Enforce().enforce(json.loads(line))[1]])
""",
    "patterns.py": """
from shipper_processors.redact import Redactor

Redactor(extra_patterns={"ward": "W[0-9]{3}"})
""",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build both distributions' wheels, and the slim one's sdist, from which its wheel is built."""
    if not UV.exists():
        missing(f"no uv beside {sys.executable}", ".ci/setup")
    folder = tmp_path_factory.mktemp("dist")
    output_of(UV, "build", "--quiet", "--wheel", "--out-dir", folder, cwd=ROOT)
    output_of(UV, "build", "--quiet", "--out-dir", folder, "processors", cwd=ROOT)
    return {
        "agent": next(folder.glob("shipper_agent-*.whl")),
        "slim": next(folder.glob("shipper_processors-*.whl")),
        "slim sdist": next(folder.glob("shipper_processors-*.tar.gz")),
    }


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """Write an application with its own packages `schemas` and `processors`."""
    for name, text in APPLICATION.items():
        path = tmp_path / "application" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "application"


def environment(folder: Path, *distributions: object) -> Path:
    """Create an environment with these distributions and their dependencies; return its Python."""
    output_of(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    output_of(UV, "pip", "install", "--quiet", "--python", python, *distributions)
    return python


def logged(python: Path, application: Path) -> list[dict[str, Any]]:
    """Run the application and return its lines, after validating them against the schema."""
    output = output_of(python, application / "main.py", cwd=application)
    checked = subprocess.run(
        [python, application / "conforming.py"], input=output, capture_output=True, text=True, timeout=60, check=True
    )
    assert checked.stdout == "[]\n"
    return [json.loads(line) for line in output.splitlines()]


def is_logged_well(lines: list[dict[str, Any]]) -> bool:
    """Return True if the order and its request are one line each, with the request's id and without the password."""
    order, request = lines
    assert order["event"] == "order_placed"
    assert order["extra"] == {"price": 5.0}
    assert "hunter2secret" not in order["message"]
    assert "[redacted:password" in order["message"]
    assert (request["event"], request["status_code"]) == ("request_complete", 201)
    return all((line["service"], line["correlation_id"]) == ("shop", "visit-7") for line in lines)


def requirements(wheel: Path) -> Iterator[str]:
    """Yield the requirements in a wheel's metadata, without extras."""
    with zipfile.ZipFile(wheel) as opened:
        metadata = next(name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        for line in opened.read(metadata).decode().splitlines():
            if line.startswith("Requires-Dist: ") and "extra ==" not in line:
                yield line.removeprefix("Requires-Dist: ")


def test_the_slim_distribution_holds_processors_and_schemas_alone(wheels: dict[str, Path]) -> None:
    """The files git has of both packages, in wheel and sdist, with the agent's version and its licence."""
    both = installed(set(output_of("git", "ls-files", *FOLDERS, cwd=ROOT).split()))
    with zipfile.ZipFile(wheels["slim"]) as wheel:
        names = wheel.namelist()
        licence = wheel.read(f"shipper_processors-{__version__}.dist-info/licenses/LICENSE")
    assert {name for name in names if ".dist-info/" not in name} == both
    assert licence == (ROOT / "LICENSE").read_bytes()
    with tarfile.open(wheels["slim sdist"]) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    assert held == both | {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore", "PKG-INFO"}
    assert wheels["slim"].name == f"shipper_processors-{__version__}-py3-none-any.whl"


def test_both_distributions_ask_for_the_same_versions(wheels: dict[str, Path]) -> None:
    """The slim one's requirements are among the agent's, so that one lockfile holds for both."""
    assert set(requirements(wheels["slim"])) < set(requirements(wheels["agent"]))
    projects = [
        tomllib.loads((ROOT / part / "pyproject.toml").read_text("utf-8"))["project"] for part in (".", "processors")
    ]
    agent, slim = projects
    assert set(slim["optional-dependencies"]["patterns"]) <= set(agent["dependencies"])


def test_an_application_with_packages_of_the_same_names_logs_through_the_slim_one(
    wheels: dict[str, Path], application: Path, tmp_path: Path
) -> None:
    """It imports its own `schemas` and `processors`; nothing of the agent or its servers comes along."""
    python = environment(tmp_path, wheels["slim"])
    assert is_logged_well(logged(python, application))
    probe = "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])"
    assert output_of(python, "-c", probe, *TOO_MUCH, cwd=tmp_path) == "[]\n"
    assert output_of(python, "-c", probe, "structlog", "pydantic", cwd=tmp_path) == "['structlog', 'pydantic']\n"


def test_patterns_of_ones_own_name_the_extra_that_they_need(
    wheels: dict[str, Path], application: Path, tmp_path: Path
) -> None:
    """Without google-re2 the error says what to install; with the extra they work."""
    python = environment(tmp_path, wheels["slim"])
    failed = subprocess.run(
        [python, application / "patterns.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert failed.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: redaction pattern 'ward' needs google-re2: pip install 'shipper-processors[patterns]'"
    )
    output_of(UV, "pip", "install", "--quiet", "--python", python, f"{wheels['slim']}[patterns]")
    output_of(python, application / "patterns.py")


def test_the_agent_runs_beside_an_application_with_packages_of_the_same_names(
    wheels: dict[str, Path], application: Path, tmp_path: Path
) -> None:
    """Both in one environment, the application's folder first on the path: it logs, and the agent stores it."""
    python = environment(tmp_path, wheels["agent"])
    lines = logged(python, application)
    assert is_logged_well(lines)
    log = tmp_path / "shop.log"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = subprocess.run(
        [python.parent / "shipper", "run", "--once", "--listen", "off", "--input", f"plain:{log}"],
        cwd=application, env={**os.environ, "PYTHONPATH": str(application)}, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.stdout.startswith("2 indexed"), done.stdout + done.stderr


def test_both_in_one_environment_are_reported(wheels: dict[str, Path], tmp_path: Path) -> None:
    """By `--version` and `check`, with what to do; neither says anything where the agent is alone."""
    python = environment(tmp_path, wheels["agent"])
    shipper = python.parent / "shipper"
    check = [shipper, "check", "--format", "json", "--input", f"plain:{tmp_path}/*.log"]
    assert APPLICATIONS not in output_of(shipper, "--version", cwd=tmp_path) + output_of(*check, cwd=tmp_path)
    output_of(UV, "pip", "install", "--quiet", "--python", python, wheels["slim"])
    assert f"{APPLICATIONS} {__version__} is also installed" in output_of(shipper, "--version", cwd=tmp_path)
    (finding,) = [one for one in json.loads(output_of(*check, cwd=tmp_path)) if one["subject"] == "installation"]
    assert finding["grade"] == "note"
    assert "pip install --force-reinstall --no-deps shipper-agent" in finding["hint"]
