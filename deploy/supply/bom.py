"""Bill of materials: `python -m deploy.supply.bom` writes dist/shipper.cdx.json, CycloneDX 1.5.

Each locked Python package as uv exports it, with package URL and hashes, and each locked crate of the extension.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from deploy.supply.locked import ROOT, UV, Crate, crates
from shipper import __version__

FILE = ROOT / "dist" / "shipper.cdx.json"


def bom() -> dict[str, Any]:
    """The complete bill of materials."""
    exported = subprocess.run(
        [str(UV), "export", "--quiet", "--frozen", "--all-extras", "--group", "release", "--format", "cyclonedx1.5"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    document: dict[str, Any] = json.loads(exported)
    document["metadata"]["component"] |= {"version": __version__, "purl": f"pkg:pypi/shipper-agent@{__version__}"}
    document["components"] += [component(crate) for crate in crates()]
    return document


def component(crate: Crate) -> dict[str, Any]:
    """A crate as a CycloneDX component."""
    purl = f"pkg:cargo/{crate.name}@{crate.version}"
    digest = {"alg": "SHA-256", "content": crate.sha256}
    return {
        "type": "library", "bom-ref": purl, "name": crate.name, "version": crate.version, "purl": purl,
        "hashes": [digest],
    }  # fmt: skip


def write(file: Path = FILE) -> Path:
    """Write the bill of materials and return its path."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(bom(), indent=2) + "\n", encoding="utf-8")
    return file


if __name__ == "__main__":
    print(f"{write().relative_to(ROOT)} written")
