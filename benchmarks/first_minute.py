"""`python -m benchmarks.first_minute`: time from a fresh clone to the first correlation id on the screen.

The commands of the README are run in a terminal, by a user with only Python and git: no package cache of this machine
is used. Writes benchmarks/results/first_minute.json.
"""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "first_minute.json"
TYPED = ("cd shipper", "./demo")
"""The commands after `git clone ADDRESS shipper`."""
FOUND = re.compile(rb"correlation id \S*visit-[0-9a-f]{10}")
READY = b"metrics"
TIMEOUT_S = 600
RUNS = 3


def main() -> int:
    """Measure RUNS times and write the median run; 1 if no correlation id appeared."""
    runs = [measurement for _ in range(RUNS) if (measurement := measured()) is not None]
    if len(runs) < RUNS:
        return 1
    result = sorted(runs, key=lambda run: run["first_correlation_id_s"])[RUNS // 2]
    RESULT.write_text(json.dumps({**result, "runs": RUNS}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(runs, indent=2))
    return 0


def measured() -> dict[str, float] | None:
    """One run, in seconds from the start; None, with the output printed, if no correlation id appeared."""
    with tempfile.TemporaryDirectory(prefix="shipper-first-minute-") as folder:
        begun = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), f"{folder}/shipper"], check=True)
        cloned = time.monotonic()
        environment = bare(Path(folder))
        seen, output = screen(TYPED[1].split(), f"{folder}/shipper", environment)
    if "found" not in seen:
        print(output.decode(errors="replace"), file=sys.stderr)
        return None
    return {
        "keystrokes": sum(len(line) + 1 for line in TYPED),
        "clone_s": round(cloned - begun, 1),
        "installed_s": round(seen["ready"] - begun, 1),
        "first_correlation_id_s": round(seen["found"] - begun, 1),
        "ended_s": round(seen["ended"] - begun, 1),
    }


def bare(home: Path) -> dict[str, str]:
    """Environment of a user with an empty home, and only Python and git on the PATH."""
    tools = home / "bin"
    tools.mkdir()
    for name, path in (("python3", sys.base_prefix + "/bin/python3"), ("git", shutil.which("git"))):
        (tools / name).symlink_to(str(path))
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_INDEX", "SSL_"))}
    environment = {"HOME": str(home), "PATH": f"{tools}:/usr/bin:/bin", "TERM": "xterm-256color", "COLUMNS": "100"}
    return {**kept, **environment, "PIP_NO_CACHE_DIR": "1", "UV_CACHE_DIR": str(home / "cache")}


def screen(command: list[str], folder: str, environment: dict[str, str]) -> tuple[dict[str, float], bytes]:
    """Run a command in a terminal; returns the times at which the texts appeared, and the whole output."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen: dict[str, float] = {}
    output = b""
    until = time.monotonic() + TIMEOUT_S
    try:
        while time.monotonic() < until:
            piece = read(ours)
            if not piece:
                break
            output += re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", piece)
            if READY in output:
                seen.setdefault("ready", time.monotonic())
            if FOUND.search(output):
                seen.setdefault("found", time.monotonic())
        process.wait(30)
        seen["ended"] = time.monotonic()
    finally:
        process.terminate()
        os.close(ours)
    return seen, output


def read(terminal: int) -> bytes:
    """Return the terminal's next output; empty once its program has ended."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main())
