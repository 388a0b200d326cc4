"""Every fuzz target by name: a function of bytes that raises where a parser breaks its promise."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import answers, faces, files, lines

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        lines.docker, lines.cri, lines.plain, lines.payload, lines.access, lines.levels, lines.times, lines.traces,
        lines.chain, lines.residue, lines.compiled_docker, lines.compiled_cri, lines.compiled_payload,
        files.configuration, files.rules, files.rule_tests, files.state_bytes, files.state_rows, files.compressed,
        files.metadata, files.names,
        answers.bulk, answers.kafka, answers.release, answers.dead_letters,
        faces.when, faces.search, faces.terminal, faces.metrics, faces.series, faces.escaping,
    )
}  # fmt: skip
CORPUS = Path(__file__).parent / "corpus"


def corpus(name: str) -> list[Path]:
    """The inputs that are kept for a target."""
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())
