"""Audit: `python -m deploy.supply.audit` checks all locked packages for known vulnerabilities in OSV.

Python packages with `uv audit`, crates with OSV's API. Exit code 1 if there is one. If the service is unavailable,
nothing is audited and a warning is printed; with `--require`, which releases use, that is exit code 1 too.
"""

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence

from deploy.supply.locked import ROOT, UV, crates

SERVICE = "https://api.osv.dev/"
TIMEOUT_S = 30


class NotAudited(Exception):
    """The service is unavailable."""


def packages(service: str) -> str | None:
    """Return the vulnerabilities that uv finds in uv.lock; None if there are none. Raises NotAudited."""
    done = subprocess.run(
        [str(UV), "audit", "--frozen", "--preview-features", "audit", "--service-url", service],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return None
    if done.returncode == 1 and done.stdout.strip():
        return done.stdout
    raise NotAudited(
        done.stderr.strip().splitlines()[-1].strip() if done.stderr.strip() else "uv audit printed nothing"
    )


def extension(service: str) -> str | None:
    """The same for native/Cargo.lock, by https://google.github.io/osv.dev/post-v1-querybatch. Raises NotAudited."""
    locked = crates()
    queries = [{"package": {"name": one.name, "ecosystem": "crates.io"}, "version": one.version} for one in locked]
    request = urllib.request.Request(
        f"{service}v1/querybatch",
        json.dumps({"queries": queries}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            results = json.load(answer)["results"]
    except (OSError, ValueError, KeyError) as error:
        raise NotAudited(str(error)) from error
    lines = [
        f"{one.name} {one.version}: {', '.join(vulnerability['id'] for vulnerability in result['vulns'])}"
        for one, result in zip(locked, results, strict=True)
        if result.get("vulns")
    ]
    return "\n".join(lines) or None


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit both lock files, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--require", action="store_true", help="fail if the service is unavailable")
    parser.add_argument("--service", default=SERVICE, help="address of an OSV service")
    options = parser.parse_args(arguments)
    code = 0
    for lock, look in (("uv.lock", packages), ("native/Cargo.lock", extension)):
        try:
            vulnerabilities = look(options.service)
        except NotAudited as error:
            print(f"warning: {lock} was NOT AUDITED, {options.service} is unavailable: {error}", file=sys.stderr)
            code = max(code, int(options.require))
            continue
        print(f"{lock}: no known vulnerability" if vulnerabilities is None else f"{lock}:\n{vulnerabilities}")
        code = max(code, int(vulnerabilities is not None))
    return code


if __name__ == "__main__":
    sys.exit(main())
