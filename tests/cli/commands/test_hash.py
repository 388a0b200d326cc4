"""`shipper hash`: from the standard input, under every key, newest first."""

import json
from pathlib import Path

from shipper_processors.pseudonym import hash_of
from tests.cli.test_commands import shipper


def test_a_value_is_found_under_every_key_and_in_each_spelling(tmp_path: Path) -> None:
    """A hash a line, for `grep -f`; JSON tells which key is which. The value is nowhere in it."""
    (tmp_path / "keys").write_text("second\nfirst\n")
    (tmp_path / "keys").chmod(0o600)
    (tmp_path / "shipper.yaml").write_text("redact: {mode: hash, key_file: keys}\n")
    found = shipper(tmp_path, "hash", "--config", "shipper.yaml", stdin="Ada@example.org\n")
    wanted = [hash_of(key, text) for key in (b"second", b"first") for text in ("Ada@example.org", "ada@example.org")]
    assert found.stdout.split() == wanted
    told = json.loads(
        shipper(tmp_path, "hash", "--config", "shipper.yaml", "--format", "json", stdin="Ada@example.org").stdout
    )
    assert [(one["newest"], one["hash"]) for one in told] == [(n < 2, one) for n, one in enumerate(wanted)]
    assert not (tmp_path / "shipper-state").exists()


def test_what_cannot_be_hashed_is_told(tmp_path: Path) -> None:
    """No value, no key yet, no hashing: each with its hint, and no key is made by asking."""
    asked = {"SHIPPER_REDACT__MODE": "hash"}
    empty = shipper(tmp_path, "hash", stdin="", SHIPPER_REDACT__KEY="k", **asked)
    assert (empty.returncode, "empty value" in empty.stderr) == (2, True)
    keyless = shipper(tmp_path, "hash", stdin="x", **asked)
    assert (keyless.returncode, "not found" in keyless.stderr, "--state-dir" in keyless.stderr) == (1, True, True)
    masked = shipper(tmp_path, "hash", stdin="x")
    assert (masked.returncode, "redact.mode: hash" in masked.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []
