"""The corpus: realistic inputs and former failures keep the promises of their targets."""

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, corpus


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_hold(name: str) -> None:
    """No target raises for its corpus."""
    failed: dict[str, Exception] = {}
    for path in corpus(name):
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:  # noqa: BLE001 -- all failures are reported together
            error.add_note(f"{name}: {path.name}")
            failed[path.name] = error
    if failed:
        raise ExceptionGroup(f"{name}: {', '.join(failed)}", list(failed.values()))


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    """Guided fuzzing starts with realistic inputs, and a renamed target leaves no corpus behind."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(len(corpus(name)) >= 5 for name in TARGETS)
