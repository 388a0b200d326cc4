"""The distributions of a release: `python -m deploy.supply.wheels [--out DIR] [--target TRIPLE]...`.

An sdist, a pure wheel, and for each target a wheel with the extension. Zig links that one against an old glibc, so that
it runs on every distribution since, and auditwheel confirms its platform tag. Needs the dependency group `release`,
cargo, and Rust's standard library for each target.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.supply.locked import ROOT, UV

NATIVE = ROOT / "native"
GLIBC = (2, 17)
"""The oldest that Rust itself supports: wheels for manylinux_2_17 (CentOS 7) and later."""
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
PLATFORM = re.compile(r'following platform tag:\s+"(\w+)"')
TOOLS = Path(sys.executable).parent


class WrongPlatform(Exception):
    """A wheel needs newer libraries than its name says."""


def distributions(out: Path, targets: list[str]) -> list[Path]:
    """Build sdist, pure wheel, and one wheel with the extension for each target."""
    out.mkdir(parents=True, exist_ok=True)
    run(UV, "build", "--quiet", "--sdist", "--out-dir", out)
    sdist = max(out.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
    wheel(sdist, out, {"SHIPPER_NATIVE": "skip"})
    for target in targets:
        platform = tag_of(target)
        wheel(sdist, out, {
            "SHIPPER_NATIVE": "require", "SHIPPER_NATIVE_LIBRARY": str(library(target)),
            "SHIPPER_NATIVE_PLATFORM": platform,
        })  # fmt: skip
        require_platform(next(out.glob(f"*{platform}.whl")), platform)
    return [*sorted(out.glob("*.whl")), sdist]


def tag_of(target: str) -> str:
    """The platform tag of a Rust target: `manylinux_2_17_x86_64`."""
    return f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{target.partition('-')[0]}"


def wheel(sdist: Path, out: Path, variables: Mapping[str, str]) -> None:
    """Build a wheel from the sdist, as an index or a user would."""
    run(UV, "build", "--quiet", "--wheel", "--out-dir", out, sdist, variables=variables)


def library(target: str) -> Path:
    """Compile the extension for a target, against GLIBC."""
    command = ("zigbuild", "--release", "--locked", "--features", "extension-module")
    path = os.pathsep.join((str(TOOLS), os.environ["PATH"]))  # cargo-zigbuild looks there for a Python with zig
    run(
        TOOLS / "cargo-zigbuild", *command, "--target", f"{target}.{GLIBC[0]}.{GLIBC[1]}",
        cwd=NATIVE, variables={"PYO3_NO_PYTHON": "1", "CARGO_TARGET_DIR": str(NATIVE / "target"), "PATH": path},
    )  # fmt: skip
    return NATIVE / "target" / target / "release" / "libshipper_native.so"


def require_platform(path: Path, platform: str) -> None:
    """Raise WrongPlatform unless auditwheel finds that a wheel runs on every system of `platform`."""
    report = run(TOOLS / "auditwheel", "show", path, capture=True)
    confirmed = PLATFORM.search(report)
    if confirmed is None or _glibc(confirmed[1]) > _glibc(platform):
        raise WrongPlatform(f"{path.name}: {report}")


def _glibc(platform: str) -> tuple[int, ...]:
    """The version in a tag `manylinux_2_17_x86_64`; a larger one than any where the tag names none."""
    match = re.match(r"manylinux_(\d+)_(\d+)_", platform)
    return (int(match[1]), int(match[2])) if match else (sys.maxsize,)


def run(*command: object, cwd: Path = ROOT, variables: Mapping[str, str] | None = None, capture: bool = False) -> str:
    """Run a command that must succeed; return its output if it is captured."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **(variables or {})}, check=True, text=True,
        stdout=subprocess.PIPE if capture else None,
    )  # fmt: skip
    return done.stdout if capture else ""


def main() -> None:
    """Build, check, and print the files."""
    parser = argparse.ArgumentParser(description="Build and check the distributions of a release.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="output folder")
    parser.add_argument("--target", action="append", choices=TARGETS, help="Rust target; repeatable; default: all")
    options = parser.parse_args()
    for path in distributions(options.out.absolute(), options.target or list(TARGETS)):
        print(path)


if __name__ == "__main__":
    main()
