"""The corpus: each kept input, the shapes that are real and those that once were too much, does what its target promises."""

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, corpus


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_hold(name: str) -> None:
    """Nothing raises but what the target lets raise, and what comes of it is as the target says."""
    failed: dict[str, Exception] = {}
    for path in corpus(name):
        try:
            TARGETS[name](path.read_bytes())
        except Exception as error:  # noqa: BLE001 -- whatever it is, all of them are told
            error.add_note(f"{name}: {path.name}")
            failed[path.name] = error
    if failed:
        raise ExceptionGroup(f"{name}: {', '.join(failed)}", list(failed.values()))


def test_every_target_has_a_corpus_and_every_corpus_a_target() -> None:
    """Coverage-guided fuzzing begins with real shapes, and none is left behind by a renamed target."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(len(corpus(name)) >= 5 for name in TARGETS)
