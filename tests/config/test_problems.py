"""Problems: a hint is a separate field, from the validator that sets it to the front end that shows it."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from shipper.bootstrap.build_pipeline import redaction_keys
from shipper.config import InvalidConfiguration, load
from shipper.config.layers import Layer
from shipper.config.problems import problem_of
from shipper.config.settings import Settings
from shipper.system.errors import ConfigurationError
from shipper_schemas.invalid import Invalid

WHAT, HINT = "`a; b` is no pair; it has one part", "give two; the first is the key"


class Pair(BaseModel):
    """A section whose validator uses separators in both sentences."""

    name: str

    @field_validator("name")
    @classmethod
    def _pair(cls, _name: str) -> str:
        raise Invalid(WHAT, HINT)


def test_a_hint_reaches_the_problem_whole() -> None:
    """With all its semicolons; the value is shown with the reason, not after the hint."""
    with pytest.raises(ValidationError) as caught:
        Pair(name="x")
    (detail,) = caught.value.errors()
    problem = problem_of(detail, [Layer({"name": "x"}, lambda _path: "pair.yaml, line 1")], Pair)
    assert problem == ("name", f"{WHAT}, got 'x'", "pair.yaml, line 1", HINT)
    assert f"- name: {WHAT}, got 'x'; {HINT} (pair.yaml, line 1)" in str(InvalidConfiguration([problem]))


def test_a_path_may_contain_separators(tmp_path: Path) -> None:
    """For a secret file, and for the key in a state directory."""
    secret = tmp_path / "token; now"
    with pytest.raises(InvalidConfiguration) as caught:
        load(None, {}, {"token_file": str(secret)})
    (problem,) = caught.value.problems
    assert (problem.what, problem.hint) == (
        f"cannot read {secret}: No such file or directory",
        "make it readable for this user",
    )
    state = tmp_path / "state; old"
    state.mkdir()
    (state / "redaction.key").write_text("\n")
    with pytest.raises(ConfigurationError) as empty:
        redaction_keys(Settings.model_validate({"state_dir": state}))
    assert empty.value.what == f"{state / 'redaction.key'}: no key"
    assert empty.value.hint.startswith("write one key per line, ")


def test_the_text_of_an_invalid_value_has_reason_and_hint() -> None:
    """Code that catches it as a ValueError shows both."""
    assert str(Invalid(WHAT, HINT)) == f"{WHAT}; {HINT}"
    with pytest.raises(ValueError, match="set both"):
        Settings.model_validate({"elasticsearch": {"username": "u"}})
