"""The page on first errors: what it shows was said a moment ago, and helps."""

import re
from pathlib import Path

import pytest

from docs.errors import CASES, Case, Changed, Said, page
from docs.refusals import TITLES, refusals, unknown
from shipper.cli import EXIT_CODES
from tests.deploy.pages import examples

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"
SHOWN = dict(zip([case.title for case in CASES], examples(PAGE, "text"), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_each_error_says_what_happened_and_what_to_do(case: Case) -> None:
    """A line of what, a line of what to do; no traceback, no number that only a programmer reads."""
    said = SHOWN[case.title]
    assert case.says in said
    assert "Traceback" not in said
    assert "Errno" not in said
    error = re.search(r"^(error: |problem |Error: )\S.*\n( {2,}\S|1 problem)", said, re.MULTILINE)
    assert error or "hint=" in said or "Did you mean" in said, said


def test_titles_are_told_apart_and_every_case_has_a_hint() -> None:
    """One section each, with what to do in words beside the message's own."""
    assert len(SHOWN) == len(CASES)
    assert all(len(case.hint.split()) > 15 for case in CASES)


def test_every_exit_code_is_met() -> None:
    """Those that the reference lists are those that the cases end with."""
    assert {case.code for case in CASES} == EXIT_CODES.keys()


def test_a_case_that_says_something_else_is_no_page() -> None:
    """The page is not written around a message that has gone."""
    with pytest.raises(Changed, match="all is well"):
        page("", lambda case: Said(case.code, "all is well"))


def test_what_differs_between_machines_is_not_on_the_page() -> None:
    """No folder of this machine, no port but those of the page, no number of a process but one."""
    text = PAGE.read_text(encoding="utf-8")
    assert "/tmp/" not in text
    assert set(re.findall(r"(?:127\.0\.0\.1|0\.0\.0\.0|sport = ):(\d+)", text)) == {"9108", "9200"}
    assert set(re.findall(r"process (\d+)", text)) == {"4711"}


def test_nearly_every_refusal_names_its_hint() -> None:
    """All but those whose message is somebody else's words."""
    errors = [refusal for refusal in refusals() if refusal.kind != "ValueError"]
    assert len(errors) > 60
    assert {refusal.kind for refusal in errors} < TITLES.keys()
    assert [refusal.what for refusal in errors if not refusal.hint] == ["⟨target⟩ rejects ⟨document id⟩: ⟨…⟩"]
    assert sum(unknown(refusal.hint) for refusal in errors) < 10
