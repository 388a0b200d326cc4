"""Compose, as the tests call it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE = Path(sys.executable).parent / "docker-compose"
PREPARE = ROOT / "deploy" / "compose" / "prepare.sh"
REQUIRED = re.compile(r"\$\{(\w+):\?")


@dataclass(frozen=True)
class Prepared:
    """A folder with an .env and secrets."""

    folder: Path

    @property
    def env_file(self) -> Path:
        """Variables of the Compose file."""
        return self.folder / "env"

    @property
    def secrets(self) -> Path:
        """Files of secrets."""
        return self.folder / "secrets"

    def make(self, **environment: str) -> "Prepared":
        """Run prepare.sh; `given` are variables of its environment."""
        env = {**os.environ, **environment, "ENV_FILE": str(self.env_file), "SECRETS": str(self.secrets)}
        subprocess.run([PREPARE], cwd=ROOT, env=env, check=True, capture_output=True, text=True)
        return self

    def variables(self) -> dict[str, str]:
        """Variables for Compose: the .env, and the folder of the secrets."""
        lines = self.env_file.read_text(encoding="utf-8").splitlines()
        return {**dict(line.split("=", 1) for line in lines), "SECRETS": str(self.secrets)}


def compose(
    variables: Mapping[str, str], *arguments: str, files: tuple[Path, ...] = (FILE,)
) -> subprocess.CompletedProcess[str]:
    """Compose with these variables and no others but those of the system."""
    system = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
    options = [part for file in files for part in ("-f", str(file))]
    return subprocess.run(
        [COMPOSE, "--project-directory", ROOT, "--env-file", "/dev/null", *options, *arguments],
        env={**system, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def config(variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`config` over all profiles."""
    return compose(variables, "--profile", "*", "config", *arguments)
