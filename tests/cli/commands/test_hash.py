"""`shipper hash`: from the standard input, under every key, newest first."""

import json
from pathlib import Path

from shipper_processors.pseudonym import hash_of
from tests.cli.test_commands import shipper


def test_a_value_is_hashed_under_every_key_and_in_each_spelling(tmp_path: Path) -> None:
    """One hash per line, for `grep -f`; JSON has the key of each. The value itself is not printed."""
    (tmp_path / "keys").write_text("second\nfirst\n")
    (tmp_path / "keys").chmod(0o600)
    (tmp_path / "shipper.yaml").write_text("redact: {mode: hash, key_file: keys}\n")
    printed = shipper(tmp_path, "hash", "--config", "shipper.yaml", stdin="Ada@example.org\n")
    wanted = [hash_of(key, text) for key in (b"second", b"first") for text in ("Ada@example.org", "ada@example.org")]
    assert printed.stdout.split() == wanted
    rows = json.loads(
        shipper(tmp_path, "hash", "--config", "shipper.yaml", "--format", "json", stdin="Ada@example.org").stdout
    )
    assert [(one["newest"], one["hash"]) for one in rows] == [(n < 2, one) for n, one in enumerate(wanted)]
    assert not (tmp_path / "shipper-state").exists()


def test_errors_have_hints(tmp_path: Path) -> None:
    """For no value, no key and no hashing; and no key is created."""
    hashing = {"SHIPPER_REDACT__MODE": "hash"}
    empty = shipper(tmp_path, "hash", stdin="", SHIPPER_REDACT__KEY="k", **hashing)
    assert (empty.returncode, "empty value" in empty.stderr) == (2, True)
    keyless = shipper(tmp_path, "hash", stdin="x", **hashing)
    assert (keyless.returncode, "not found" in keyless.stderr, "--state-dir" in keyless.stderr) == (1, True, True)
    masked = shipper(tmp_path, "hash", stdin="x")
    assert (masked.returncode, "redact.mode: hash" in masked.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []
