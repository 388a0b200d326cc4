"""The agent's wheel and sdist: whole, without tests, and at work in an environment that holds nothing else."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from functools import partial
from pathlib import Path

import pytest

from deploy.services.http import answers
from deploy.services.processes import ServerProcess, free_port
from shipper import __version__
from tests.hazards.rig import docker_line
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
PACKAGES = ("shipper", "shipper_processors", "shipper_schemas")
FOLDERS = ("shipper", "processors/shipper_processors", "schemas/shipper_schemas")
OPTIONAL = ("shipper.outputs.kafka.confluent", "shipper.inputs.kafka.confluent_consumer")
"""Beginnings of the modules that need an extra."""
IMPORT_ALL = f"""
import importlib, pkgutil
for package in {PACKAGES!r}:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not found.name.endswith("__main__") and not found.name.startswith({OPTIONAL!r}):
            importlib.import_module(found.name)
"""


def output_of(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """Run a command, which has to succeed, and return its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def without_cargo(folder: Path) -> str:
    """Return a search path of programs on which there is no cargo."""
    folder.mkdir()
    for name in ("env", "git", "sh", "uname"):
        if (program := shutil.which(name)) is not None:
            (folder / name).symlink_to(program)
    return str(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build what a release holds for this machine: sdist, pure wheel, and the wheel with the extension."""
    if not UV.exists():
        missing(f"no uv beside {sys.executable}", ".ci/setup")
    if shutil.which("cargo") is None:
        missing("no cargo for the wheel with the extension", "install Rust")
    folder, tools = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("tools") / "venv"
    release = ("sync", "--quiet", "--frozen", "--no-install-project", "--only-group", "release")
    output_of(UV, *release, cwd=ROOT, UV_PROJECT_ENVIRONMENT=str(tools))
    target = f"{platform.machine()}-unknown-linux-gnu"
    python = tools / "bin" / "python"
    output_of(python, "-m", "deploy.supply.wheels", "--out", folder, "--target", target, cwd=ROOT)
    return {
        "wheel": next(folder.glob("*-none-any.whl")),
        "sdist": next(folder.glob("*.tar.gz")),
        "native": next(folder.glob("*-cp311-abi3-manylinux_*.whl")),
    }


def modules() -> set[str]:
    """Return the files of the three packages, as git knows them."""
    return set(output_of("git", "ls-files", *FOLDERS, cwd=ROOT).split())


def installed(names: set[str]) -> set[str]:
    """Return the same files as a wheel holds them: each import package at the top."""
    return {name.removeprefix("processors/").removeprefix("schemas/") for name in names}


def pages() -> set[str]:
    """Return the names of the manual pages."""
    return {Path(name).name for name in output_of("git", "ls-files", "docs/man", cwd=ROOT).split()}


def test_wheel_and_sdist_hold_every_file_and_no_test(built: dict[str, Path]) -> None:
    """The three packages and the manual as in git, the file with the commit, and the files that a distribution needs."""
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    shared = f"shipper_agent-{__version__}.data/data/share/man/man1"
    assert names == installed(modules()) | {"shipper/build.json"} | {f"{shared}/{page}" for page in pages()}
    with tarfile.open(built["sdist"]) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    crate = set(output_of("git", "ls-files", "native", cwd=ROOT).split())
    beside = crate | {
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        ".gitignore",
        "PKG-INFO",
    }
    assert held == modules() | {"shipper/build.json"} | beside | {f"docs/man/{page}" for page in pages()}


def test_wheel_with_the_extension_holds_it_and_all_that_the_pure_one_holds(built: dict[str, Path]) -> None:
    """One file more, for every CPython from 3.11 on, and for every Linux with glibc 2.28 or older."""
    held = []
    for kind in ("wheel", "native"):
        with zipfile.ZipFile(built[kind]) as wheel:
            held.append({name for name in wheel.namelist() if ".dist-info/" not in name and ".data/" not in name})
    assert held[1] - held[0] == {"shipper_native.abi3.so"}
    assert held[0] <= held[1]
    match = re.search(r"-cp311-abi3-manylinux_2_(\d+)_", built["native"].name)
    assert match is not None
    assert int(match[1]) <= 28


@pytest.mark.parametrize(("kind", "path"), [("wheel", "Python"), ("sdist", "Python"), ("native", "native")])
def test_each_works_in_an_empty_environment(built: dict[str, Path], kind: str, path: str, tmp_path: Path) -> None:
    """Installed with its requirements and nothing else: every module loads, a log is shipped and searched.

    The sdist is built without cargo on the PATH, and then gives the Python path.
    """
    output_of(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    search = without_cargo(tmp_path / "bin")
    output_of(UV, "pip", "install", "--quiet", "--no-cache", "--python", python, built[kind], PATH=search)
    output_of(python, "-c", IMPORT_ALL, cwd=tmp_path)
    command = tmp_path / "venv" / "bin" / "shipper"
    commit = output_of("git", "rev-parse", "HEAD", cwd=ROOT)[:12]
    said = output_of(command, "--version", cwd=tmp_path).splitlines()
    assert said[0] == f"shipper, version {__version__}"
    assert said[1].removesuffix("+") == f"commit: {commit}"
    assert said[3].partition(";")[0] == f"path: {path}"
    assert "confluent-kafka: not installed; install it with pip install 'shipper-agent[kafka]'" in said
    entry = {"correlation_id": "visit-1", "event": "login_failed"}
    (tmp_path / "app.log").write_bytes(docker_line(json.dumps(entry) + "\n"))
    logs = f"docker:{tmp_path}/*.log"
    done = subprocess.run(
        [command, "run", "--once", "--listen", "off", "--input", logs],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("1 indexed")
    assert done.stderr.count("python_path") == (path == "Python")
    assert "login_failed" in output_of(command, "search", "visit-1", cwd=tmp_path)
    assert "login_failed" in timeline(command, tmp_path, logs)


def timeline(command: Path, folder: Path, logs: str) -> str:
    """Return the page of the visit from an installed agent, after checking its style, script and icon."""
    listen = f"127.0.0.1:{free_port()}"
    agent = ServerProcess(folder, "agent")
    ready = partial(answers, f"http://{listen}/ready")
    options = ("--input", logs, "--output", f"local:{folder}/shipper-data", "--state-dir", f"{folder}/shipper-state")
    agent.start([str(command), "run", "--listen", listen, *options], ready)
    try:
        for asset in ("page.css", "page.js", "icon.svg"):
            with urllib.request.urlopen(f"http://{listen}/assets/{asset}", timeout=20) as response:
                assert response.read()
        with urllib.request.urlopen(f"http://{listen}/timeline?id=visit-1", timeout=20) as response:
            return str(response.read().decode())
    finally:
        agent.stop()


def test_the_version_stands_in_one_place(built: dict[str, Path]) -> None:
    """Distributions and the command read it from there."""
    names = [path.name for path in built.values()]
    assert names[:2] == [f"shipper_agent-{__version__}-py3-none-any.whl", f"shipper_agent-{__version__}.tar.gz"]
    assert names[2].startswith(f"shipper_agent-{__version__}-cp311-abi3-manylinux_")
    assert "version =" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.")[0]


CARGO = """#!/bin/sh
echo "error: rustc is too old" >&2
exit 101
"""


@pytest.mark.parametrize(("mode", "succeeds"), [("auto", True), ("require", False), ("skip", True), ("maybe", False)])
def test_a_build_says_what_becomes_of_the_extension(mode: str, succeeds: bool, tmp_path: Path) -> None:
    """Where cargo fails, `auto` warns and builds a pure wheel, `require` fails; `skip` does not call cargo."""
    (tmp_path / "cargo").write_text(CARGO, encoding="utf-8")
    (tmp_path / "cargo").chmod(0o755)
    environment = {**os.environ, "SHIPPER_NATIVE": mode, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [UV, "build", "--wheel", "--out-dir", tmp_path / "out"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == succeeds, done.stderr
    assert ("rustc is too old" in done.stderr) == (mode in {"auto", "require"})
    assert ("every line takes the Python path" in done.stderr) == (mode == "auto")
    wheels = [path.name for path in (tmp_path / "out").glob("*.whl")]
    assert wheels == ([f"shipper_agent-{__version__}-py3-none-any.whl"] if succeeds else [])
