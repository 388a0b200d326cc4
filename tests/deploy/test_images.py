"""The Dockerfiles: pinned, for nobody, without secrets, and fit for any builder."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from shipper import __version__
from tests.deploy.compose import ROOT
from tests.integration.conftest import missing

HADOLINT = Path(sys.executable).parent / "hadolint"
FILES = [ROOT / "Dockerfile", ROOT / "deploy" / "sample-app" / "Dockerfile"]
PACKAGES = {"psycopg_pool": "psycopg", "prometheus_client": "prometheus-client"}
"""Names of distributions, where modules are called otherwise."""


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(ROOT)))
def dockerfile(request: pytest.FixtureRequest, tmp_path: Path) -> DockerfileParser:
    """Each Dockerfile, parsed; a copy of it, since the parser opens its file to write."""
    copy = tmp_path / "Dockerfile"
    copy.write_bytes(request.param.read_bytes())
    return DockerfileParser(str(copy))


def last(parser: DockerfileParser, instruction: str) -> str:
    """The value of the last such instruction."""
    values = [entry["value"] for entry in parser.structure if entry["instruction"] == instruction]
    assert values, instruction
    return str(values[-1])


def test_image_runs_as_nobody_and_says_how_it_is(dockerfile: DockerfileParser) -> None:
    """A number, since Kubernetes cannot tell by a name that it is not root; a health check; the entry as a list."""
    assert last(dockerfile, "USER") == "65532:65532"
    assert "CMD" in last(dockerfile, "HEALTHCHECK")
    assert last(dockerfile, "CMD").startswith("[")


def test_image_is_made_in_stages_from_one_pinned_base(dockerfile: DockerfileParser) -> None:
    """Tools of the build stay in the first stages; the base is a slim Python of one version."""
    stages = [entry["value"] for entry in dockerfile.structure if entry["instruction"] == "FROM"]
    assert stages[-2:] == ["python:${PYTHON} AS build", "python:${PYTHON}"]
    assert stages[:-2] in ([], ["rust:${RUST} AS native"])
    pins = re.findall(r"^ARG (PYTHON|RUST)=(.+)$", dockerfile.content, re.MULTILINE)
    versions = [re.fullmatch(r"[13]\.\d+\.\d+-slim-([a-z]+)", pinned) for _, pinned in pins]
    assert len(pins) == len(set(stages)) - 1
    assert len({match and match[1] for match in versions} - {None}) == 1, "one release of Debian, and so one glibc"
    assert "--frozen" in dockerfile.content


def test_image_compiles_the_native_path() -> None:
    """With the locked crates, in a stage of its own, and with a Rust that is new enough; without it there is no image."""
    text = FILES[0].read_text(encoding="utf-8")
    assert re.search(r"^RUN cargo build .*--release .*--locked", text, re.MULTILINE)
    assert "SHIPPER_NATIVE=require SHIPPER_NATIVE_LIBRARY=libshipper_native.so" in text
    crate = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8"))["package"]
    rust = re.search(r"^ARG RUST=(\d+)\.(\d+)", text, re.MULTILINE)
    assert rust is not None
    assert (int(rust[1]), int(rust[2])) >= tuple(map(int, crate["rust-version"].split(".")))


def test_images_of_one_version_have_one_base_and_one_installer() -> None:
    """Both Dockerfiles and what makes .venv name the same."""
    texts = [path.read_text(encoding="utf-8") for path in (*FILES, ROOT / ".ci" / "setup")]
    assert len({re.search(r"^ARG PYTHON=(3\S+)", text, re.MULTILINE)[1] for text in texts[:2]}) == 1  # type: ignore[index]
    assert len({re.search(r"uv==([\d.]+)", text)[1] for text in texts}) == 1  # type: ignore[index]


def test_image_tells_what_it_is(dockerfile: DockerfileParser) -> None:
    """The labels of the OCI specification, with the version of the sources."""
    labels = {name.rpartition(".")[2] for name in dockerfile.labels if name.startswith("org.opencontainers.image.")}
    assert labels == {"title", "description", "licenses", "version", "revision"}
    assert f"ARG VERSION={__version__}\n" in dockerfile.content


def test_image_holds_no_secret_and_no_more_than_it_needs(dockerfile: DockerfileParser) -> None:
    """No variable or argument is named like one; what is copied is named; BuildKit is not asked for."""
    names = [entry["value"] for entry in dockerfile.structure if entry["instruction"] in ("ARG", "ENV", "ADD")]
    assert not re.search(r"(?i)password|secret|token|api_?key", " ".join(names))
    copied = [entry["value"] for entry in dockerfile.structure if entry["instruction"] == "COPY"]
    assert not any(re.match(r"\.\s|\*", value) for value in copied)
    assert not re.search(r"--mount|--link|<<|^# syntax", dockerfile.content, re.MULTILINE)


def test_builder_is_sent_no_more_than_is_copied() -> None:
    """The list of what is sent begins with nothing, and names each source of a COPY."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        part.rstrip("/")
        for path in FILES
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", path.read_text(encoding="utf-8"), re.MULTILINE)
        for part in line.split()
    }
    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert kept == copied


def test_sample_application_has_what_it_imports() -> None:
    """Every module that it imports from outside is in the group of packages that its image installs."""
    folder = ROOT / "deploy" / "sample-app"
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")]
    imported = {
        name.partition(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else
                     [alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }  # fmt: skip
    own = {path.stem for path in folder.glob("*.py")} | {"shipper_processors", "shipper_schemas"}
    installed = {re.split(r"[^\w.-]", name)[0] for name in sample_group()}
    outside = {PACKAGES.get(name, name) for name in imported - own - sys.stdlib_module_names}
    assert outside <= installed


def sample_group() -> list[str]:
    """Return the requirements of the group that the sample application's image installs from the lockfile."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["dependency-groups"]["sample-app"])


def test_sample_image_installs_the_slim_distribution_and_what_it_needs() -> None:
    """It is installed without its dependencies, so the locked group holds each of them, with the same bound."""
    text = FILES[1].read_text(encoding="utf-8")
    assert re.search(r"^RUN uv pip install .*--no-deps .*\./processors$", text, re.MULTILINE)
    slim = tomllib.loads((ROOT / "processors" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(slim["dependencies"]) <= set(sample_group())


def test_hadolint_finds_nothing() -> None:
    """The linter of Dockerfiles has no remark on either."""
    if not HADOLINT.exists():
        missing(f"no hadolint beside {sys.executable}", "make setup")
    done = subprocess.run([HADOLINT, *FILES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
