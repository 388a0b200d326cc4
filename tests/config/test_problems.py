"""Problems: a fix is a field of its own, from the validator that knows it to the front end that shows it."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from shipper.bootstrap.build_pipeline import redaction_keys
from shipper.config import Refused, load
from shipper.config.layers import Layer
from shipper.config.problems import problem_of
from shipper.config.settings import Settings
from shipper.system.errors import ConfigurationError
from shipper_schemas.invalid import Invalid

WHAT, HINT = "`a; b` is no pair; it has one part", "give two; the first is the key"


class Pair(BaseModel):
    """A section whose validator has both sentences full of the signs that once parted them."""

    name: str

    @field_validator("name")
    @classmethod
    def _pair(cls, _name: str) -> str:
        raise Invalid(WHAT, HINT)


def test_a_hint_reaches_the_problem_whole() -> None:
    """With all its semicolons; the value is shown with what is wrong, not behind the hint."""
    with pytest.raises(ValidationError) as told:
        Pair(name="x")
    (found,) = told.value.errors()
    problem = problem_of(found, [Layer({"name": "x"}, lambda _path: "pair.yaml, line 1")], Pair)
    assert problem == ("name", f"{WHAT}, got 'x'", "pair.yaml, line 1", HINT)
    assert f"- name: {WHAT}, got 'x'; {HINT} (pair.yaml, line 1)" in str(Refused([problem]))


def test_a_path_may_hold_what_parts_a_hint_from_its_message(tmp_path: Path) -> None:
    """Of a secret's file, and of the key in a state directory."""
    secret = tmp_path / "token; now"
    with pytest.raises(Refused) as refused:
        load(None, {}, {"token_file": str(secret)})
    (problem,) = refused.value.problems
    assert (problem.what, problem.hint) == (
        f"{secret} cannot be read: No such file or directory",
        "make it readable for this user",
    )
    state = tmp_path / "state; old"
    state.mkdir()
    (state / "redaction.key").write_text("\n")
    with pytest.raises(ConfigurationError) as empty:
        redaction_keys(Settings.model_validate({"state_dir": state}))
    assert empty.value.what == f"{state / 'redaction.key'}: there is no key"
    assert empty.value.hint.startswith("write one, ")


def test_a_value_of_two_sentences_is_one_line_for_anybody_else() -> None:
    """Who catches it as a ValueError shows both."""
    assert str(Invalid(WHAT, HINT)) == f"{WHAT}; {HINT}"
    with pytest.raises(ValueError, match="give both"):
        Settings.model_validate({"elasticsearch": {"username": "u"}})
