"""The bill of materials names all that is locked, and the audit says what it could not ask."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cyclonedx import schema
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from deploy.supply import audit, bom
from deploy.supply.locked import ROOT
from tests.outputs.scripted_elasticsearch import Server

pytestmark = pytest.mark.integration
SCHEMAS = Path(schema.__file__).parent / "_res"
"""CycloneDX's own, as its library carries them; the library's validator looks at each URL for seconds."""


def breaches(bill: Any) -> list[str]:
    """Return the places where a bill breaks the schema."""
    named = {
        name: Resource.from_contents(json.loads((SCHEMAS / f"{file}.SNAPSHOT.schema.json").read_text()), DRAFT7)
        for name, file in (("bom", "bom-1.5"), ("spdx", "spdx"), ("jsf", "jsf-0.82"))
    }
    base = "http://cyclonedx.org/schema/"
    registry: Any = Registry().with_resources(
        [(f"{base}spdx.SNAPSHOT.schema.json", named["spdx"]), (f"{base}jsf-0.82.SNAPSHOT.schema.json", named["jsf"])]
    )
    checked = Draft7Validator(named["bom"].contents, registry=registry)
    return [f"{list(error.path)}: {error.message}"[:200] for error in checked.iter_errors(bill)]


def locked() -> set[str]:
    """Package URLs of what both lock files name, but for the project itself and what only develops it."""
    exported = {one["purl"] for one in bom.bom()["components"] if one["purl"].startswith("pkg:pypi/")}
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    python = {f"pkg:pypi/{one['name']}@{one['version']}" for one in packages if one["source"].keys() != {"editable"}}
    assert exported <= python
    crates = tomllib.loads((ROOT / "native" / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    rust = {f"pkg:cargo/{one['name']}@{one['version']}" for one in crates if "checksum" in one}
    assert len(rust) > 10
    return python | rust


def test_the_bill_names_every_locked_package_with_its_hash(tmp_path: Path) -> None:
    """It is CycloneDX 1.5 by its own schema; each component has its package URL and what it can be compared with."""
    file = bom.write(tmp_path / "bill.json")
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert breaches(bill) == []
    assert breaches({**bill, "components": [{"type": "library"}]}) != []
    named = {one["purl"].partition("?")[0]: one for one in bill["components"]}
    missing = locked() - named.keys()
    assert {name for name in missing if "win32" not in name} == set()
    for one in named.values():
        hashes = [*one.get("hashes", []), *(h for link in one.get("externalReferences", []) for h in link["hashes"])]
        assert hashes, one["purl"]
        assert {h["alg"] for h in hashes} == {"SHA-256"}


@contextmanager
def osv(vulnerable: str = "") -> Iterator[str]:
    """An OSV service that knows one vulnerability, in the package of that name."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

        def _answer(self, said: Any) -> None:
            data = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
            hit = {"vulns": [{"id": "GHSA-test", "modified": "2026-01-01T00:00:00Z"}]}
            self._answer({"results": [hit if one["package"]["name"] == vulnerable else {} for one in queries]})

        def do_GET(self) -> None:
            affected = [{"package": {"ecosystem": "PyPI", "name": vulnerable}, "versions": []}]
            vulnerability = {
                "id": "GHSA-test",
                "modified": "2026-01-01T00:00:00Z",
                "summary": "Made up.",
                "affected": affected,
            }
            self._answer(vulnerability)

    with Server(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize(("vulnerable", "lock"), [("", None), ("orjson", "uv.lock"), ("memchr", "native/Cargo.lock")])
def test_a_known_vulnerability_fails_the_audit(
    vulnerable: str, lock: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a Python package and in a crate; where there is none, both are said to have none."""
    with osv(vulnerable) as service:
        code = audit.main(["--service", service, "--require"])
    output = capsys.readouterr()
    assert output.err == ""
    assert code == (lock is not None)
    assert output.out.count("no known vulnerability") == (2 if lock is None else 1), output.out
    assert lock is None or ("GHSA-test" in output.out and f"{lock}:\n" in output.out), output.out


def test_what_could_not_be_asked_does_not_pass_as_audited(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning for each lock file; with `--require`, as before a release, a failure."""
    assert audit.main(["--service", "http://127.0.0.1:1/"]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert [line.split(",")[0] for line in output.err.splitlines()] == [
        "warning: uv.lock was NOT AUDITED", "warning: native/Cargo.lock was NOT AUDITED",
    ]  # fmt: skip
    assert audit.main(["--service", "http://127.0.0.1:1/", "--require"]) == 1
