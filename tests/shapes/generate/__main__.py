"""`python -m tests.shapes.generate --language LANGUAGE --out DIR`: write shapes with the real libraries.

Each folder beside this file holds a program in one language and the locked versions of its libraries. It logs at a fixed
instant and prints, for each event, one line of JSON: its shape, kind, lines and truth. Packages are installed by the
language's own client into a work folder outside the checkout.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
WORK = Path(tempfile.gettempdir()) / "shipper-shapes"
APPLICATION = "/srv/harbour"
"""Folder of the program in what is written."""
JVMS = Path("/usr/lib/jvm")
OLDEST_JAVA = 21


class Failed(Exception):
    """A program of the generator ended with an error."""


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> str:
    """Run a program and return its standard output. Raises Failed."""
    arguments = [str(argument) for argument in command]
    done = subprocess.run(
        arguments, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(arguments)}: exit status {done.returncode}\n{(done.stderr or done.stdout)[-4000:]}")
    return done.stdout


def python(folder: Path) -> str:
    """Return what the Python libraries log."""
    interpreter = folder / "venv" / "bin" / "python"
    if not interpreter.exists():
        run([sys.executable, "-m", "venv", folder / "venv"], folder)
    run([interpreter, "-m", "pip", "install", "--quiet", "--requirement", folder / "requirements.txt"], folder)
    return run([interpreter, folder / "write.py"], folder, TZ="UTC")


def node(folder: Path) -> str:
    """Return what the Node libraries log."""
    run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], folder)
    return run(["node", "write.mjs"], folder, TZ="UTC")


def go(folder: Path) -> str:
    """Return what the Go modules log."""
    program = shutil.which("go") or "/usr/local/go/bin/go"
    return run([program, "run", "."], folder, TZ="UTC", GIN_MODE="release")


def java(folder: Path) -> str:
    """Return what the Java libraries log."""
    home = java_home()
    run(
        ["mvn", "-B", "-q", "package", "dependency:copy-dependencies", "-DoutputDirectory=target/jars"],
        folder,
        JAVA_HOME=home,
    )
    virtual_machine = Path(home) / "bin" / "java"
    clock = "-Dlog4j2.clock=shapes.FixedClock"
    return run([virtual_machine, clock, "-cp", "target/classes:target/jars/*", "shapes.Write"], folder, TZ="UTC")


def java_home() -> str:
    """Return the folder of a Java that is new enough; `JAVA_HOME` names one, or it stands among the system's."""
    if "JAVA_HOME" in os.environ:
        return os.environ["JAVA_HOME"]
    homes = [home for home in sorted(JVMS.glob("*")) if (version := release(home)) and version >= OLDEST_JAVA]
    if not homes:
        raise Failed(f"no Java {OLDEST_JAVA} or newer in {JVMS}: install one, or set JAVA_HOME")
    return str(homes[-1])


def release(home: Path) -> int | None:
    """Return the major version of a Java, as its `release` file names it."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    version = next((line.split('"')[1] for line in text.splitlines() if line.startswith("JAVA_VERSION=")), "0")
    return int(version.split(".")[0])


def rust(folder: Path) -> str:
    """Return what the Rust crates log."""
    return run(["cargo", "run", "--quiet", "--locked"], folder, TZ="UTC")


LANGUAGES: dict[str, Callable[[Path], str]] = {"python": python, "node": node, "go": go, "java": java, "rust": rust}


def anonymous(output: str, folder: Path) -> str:
    """Return the output without this machine's name and folders."""
    host = f'\\"{socket.gethostname()}\\"'
    return output.replace(str(folder), APPLICATION).replace(str(Path.home()), "/home/app").replace(host, '\\"node-1\\"')


def shapes_of(output: str) -> dict[str, Any]:
    """Return a file of shapes from the lines that a program printed. Other lines than JSON objects are skipped."""
    shapes: dict[str, Any] = {}
    for line in output.splitlines():
        if line.startswith('{"shape":'):
            event = json.loads(line)
            shape = shapes.setdefault(event["shape"], {"kind": event["kind"], "entries": []})
            shape["entries"].append({"lines": event["lines"], "expect": event["expect"]})
    return shapes


def rendered(shapes: dict[str, Any]) -> str:
    """Return a file of shapes with one event a line."""
    blocks = []
    for name, shape in shapes.items():
        entries = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in shape["entries"])
        blocks.append(
            f' {json.dumps(name, ensure_ascii=False)}: {{"kind": "{shape["kind"]}", "entries": [\n{entries} ]}}'
        )
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def generate(language: str, out: Path, work: Path = WORK) -> Path:
    """Install the libraries of a language, run them, and return the file that was written. Raises Failed."""
    folder = work / language
    shutil.copytree(HERE / language, folder, dirs_exist_ok=True)
    shapes = shapes_of(anonymous(LANGUAGES[language](folder), folder))
    if not shapes:
        raise Failed(f"the program in {folder} printed no event")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"written-by-{language}.json"
    path.write_text(rendered(shapes), encoding="utf-8")
    return path


@click.command()
@click.option("--language", type=click.Choice(tuple(LANGUAGES)), required=True, help="Language of the libraries.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the written file."
)
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), default=WORK, help="Folder for packages.")
def main(language: str, out: Path, work: Path) -> None:
    """Write the shapes of a language's loggers as a file for `python -m tests.shapes`."""
    try:
        path = generate(language, out, work)
    except (Failed, OSError) as error:
        raise click.ClickException(str(error)) from error
    shapes = json.loads(path.read_text(encoding="utf-8"))
    click.echo(f"{path}: {len(shapes)} shapes, {sum(len(shape['entries']) for shape in shapes.values())} events")


if __name__ == "__main__":
    main()
