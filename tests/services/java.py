"""Servers written in Java, from their published jars, for machines that can pull no image."""

import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from deploy.services.unavailable import Unavailable

HERE = Path(__file__).parent


def java(least: int) -> Path:
    """Return the home of a JDK of at least that version: JAVA_HOME, the PATH, the usual folder. Raises Unavailable."""
    named = [os.environ["JAVA_HOME"]] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("javac")
    homes = [
        *map(Path, named),
        *([Path(on_path).resolve().parents[1]] if on_path else []),
        *sorted(Path("/usr/lib/jvm").glob("*"), reverse=True),
    ]
    for home in homes:
        if (home / "bin" / "javac").exists() and version_of(home) >= least:
            return home
    raise Unavailable(f"no JDK of version {least} or later; set JAVA_HOME to one")


def version_of(home: Path) -> int:
    """Return the major version of a JDK from its release file; 0 without one."""
    try:
        release = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', (home / "release").read_text())
    except OSError:
        return 0
    return int(release[1]) if release else 0


def prepared(name: str, build: Callable[[Path], None], *made_of: str | Path) -> Path:
    """Return a folder that `build` filled once on this machine; `made_of` are files and texts that it depends on."""
    digest = hashlib.blake2b(digest_size=8)
    for part in made_of:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipper-tests"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{digest.hexdigest()}"
    with alone(cache / f"{name}.lock"):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished)
            unfinished.rename(folder)
    return folder


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes."""
    with path.open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def jars(pom: Path, into: Path, *properties: str) -> None:
    """Copy the run-time dependencies of a pom into a folder. Raises Unavailable."""
    if shutil.which("mvn") is None:
        raise Unavailable("no Maven, which fetches the server's jars: install it")
    run(
        "mvn", "--batch-mode", "--quiet", f"--file={pom}", "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={into}", *(f"-D{definition}" for definition in properties),
    )  # fmt: skip


def compiled(home: Path, libraries: Path, jar: Path, *sources: Path) -> None:
    """Compile source files against a folder of jars into a jar."""
    classes = jar.with_suffix(".classes")
    run(home / "bin/javac", "-proc:none", "-cp", f"{libraries}/*", "-d", classes, *sources)
    with zipfile.ZipFile(jar, "w") as archive:
        for file in classes.rglob("*.class"):
            archive.write(file, file.relative_to(classes))
    shutil.rmtree(classes)


def run(*command: str | Path) -> None:
    """Run a command to its end. Raises Unavailable with its output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Unavailable(f"{Path(command[0]).name} ended with code {done.returncode}: {said}")
