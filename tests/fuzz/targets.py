"""Fuzz targets by name: functions of bytes that raise if a parser breaks its promise."""

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import files, lines, responses, user_interface

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        lines.docker, lines.cri, lines.plain, lines.payload, lines.access, lines.levels, lines.times, lines.traces,
        lines.chain, lines.partial_state, lines.compiled_docker, lines.compiled_cri, lines.compiled_payload,
        files.configuration, files.rules, files.rule_tests, files.state_bytes, files.state_rows, files.compressed,
        files.metadata, files.names,
        responses.bulk, responses.kafka, responses.release, responses.dead_letters,
        user_interface.when, user_interface.search, user_interface.terminal, user_interface.metrics, user_interface.series, user_interface.escaping,
    )
}  # fmt: skip
CORPUS = Path(__file__).parent / "corpus"


def corpus(name: str) -> list[Path]:
    """Return the corpus files of a target."""
    return sorted(path for path in (CORPUS / name).iterdir() if path.is_file())
