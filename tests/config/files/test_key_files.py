"""Keys: created once with mode 0600; several redaction keys; no secret in an error, repr or traceback."""

import os
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shipper import config
from shipper.bootstrap import build_pipeline
from shipper.config.files.key_files import parse_keys, read_or_create_key
from shipper.config.option_tree import SECRETS
from shipper.config.settings import Settings
from shipper.diagnose.preflight import _open_to_others, _output, _secret_files
from shipper.system.errors import ConfigurationError, ShipperError
from shipper_processors.pseudonym import hash_of, key_id
from shipper_processors.redact import Redactor, spellings

SECRET = "correct-horse-battery-staple"


def test_a_key_is_created_once_with_private_permissions(tmp_path: Path) -> None:
    """Under any umask; the second call returns the same key, and no temporary file is left."""
    before = os.umask(0)
    try:
        made = read_or_create_key(tmp_path / "state" / "state.key", "state_key_file")
    finally:
        os.umask(before)
    assert read_or_create_key(tmp_path / "state" / "state.key", "state_key_file") == made
    assert len(made) == 65
    (file,) = (tmp_path / "state").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("state.key", 0o600)


def test_a_key_survives_power_loss_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both its content and its directory entry are synced."""
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)))
    read_or_create_key(tmp_path / "state.key", "state_key_file")
    assert synced == [False, True]


def test_an_unusable_key_file_is_an_error(tmp_path: Path) -> None:
    """The hint names the setting for another file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ShipperError, match="cannot use key file") as caught:
        read_or_create_key(tmp_path / "file" / "redaction.key", "redact.key_file")
    assert "redact.key_file" in caught.value.hint


def test_keys_are_lines_of_text() -> None:
    """Newest first, without blank lines; random bytes are rejected, since one of them may be a newline."""
    assert parse_keys(b"new\n\n old \r\n") == (b"new", b"old")
    for random in (bytes(range(32)), b"k" * 31 + b"\xff", b"k" * 15 + b"\n\x00" + b"k" * 15):
        with pytest.raises(ValueError, match=r"a key is not printable text"):
            parse_keys(random)
    assert parse_keys(b"k" * 31 + b"\n") == (b"k" * 31,)
    assert parse_keys(b"fifteen letters\nand fifteen more\n") == (b"fifteen letters", b"and fifteen more")
    assert parse_keys(b"one key of words of words") == (b"one key of words of words",)
    assert parse_keys("dix-sept élèves\n".encode()) == ("dix-sept élèves".encode(),)
    for wrong in (b"", b"\n", b"\n" * 32, b"same\nsame\n"):
        with pytest.raises(ValueError, match=r"no key|duplicate key"):
            parse_keys(wrong)


def test_an_empty_key_file_is_named(tmp_path: Path) -> None:
    """The hint says what to write in it."""
    (tmp_path / "redaction.key").write_text("\n")
    settings = config.load(None, {}, {"redact": {"mode": "hash"}, "state_dir": str(tmp_path)})
    with pytest.raises(ConfigurationError, match=rf"{tmp_path}/redaction.key: no key\n.*openssl rand"):
        build_pipeline.redactor_of(settings)


def test_a_hash_identifies_its_key_and_the_newest_key_is_used(tmp_path: Path) -> None:
    """Values hashed earlier match under the older key."""
    (tmp_path / "keys").write_text("first\n")
    flags: dict[str, Any] = {"redact": {"mode": "hash", "key_file": str(tmp_path / "keys")}}
    before = build_pipeline.redactor_of(config.load(None, {}, flags)).redact_text("to ada@example.org")
    (tmp_path / "keys").write_text("second\nfirst\n")
    settings = config.load(None, {}, flags)
    after = build_pipeline.redactor_of(settings).redact_text("to ada@example.org")
    hashes = [hash_of(key, "ada@example.org") for key in build_pipeline.redaction_keys(settings)]
    assert [f"to [redacted:email:{one}]" for one in hashes] == [after, before]
    assert [one[:4] for one in hashes] == [key_id(b"second"), key_id(b"first")]


def test_equal_keys_are_an_error_without_being_shown(tmp_path: Path) -> None:
    """At start and at reload, as any configuration error."""
    (tmp_path / "keys").write_text(f"{SECRET}\n{SECRET}\n")
    with pytest.raises(ConfigurationError, match=r"redact\.key: duplicate key") as caught:
        config.load(None, {}, {"redact": {"mode": "hash", "key_file": str(tmp_path / "keys")}})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("spellings_", "hashed"),
    [
        (["Ada@Example.org", "ada@example.org"], "ada@example.org"),
        (["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"], "4111111111111111"),
        (["+33 6 12 34 56 78", "+33612345678"], "+33612345678"),
    ],
)
def test_one_value_has_one_hash_in_every_spelling(spellings_: list[str], hashed: str) -> None:
    """A person can be found by an address or number in any logged form."""
    redactor = Redactor(key=b"k", mode="hash")
    wanted = hash_of(b"k", hashed)
    for spelling in spellings_:
        assert redactor.redact_text(f"for {spelling} now").count(wanted) == 1
        assert hashed in spellings(spelling)


# --- secrets of the configuration -----------------------------------------------------------------


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Return a configuration that sets one key."""
    return {path[0]: value} if len(path) == 1 else {path[0]: nested(path[1:], value)}


WRONG: dict[str, Callable[[tuple[str, ...]], dict[str, Any]]] = {
    "in a list": lambda path: nested(path, [SECRET]),
    "in a mapping": lambda path: nested(path, {SECRET: SECRET}),
    "beside a mistake": lambda path: nested(path, SECRET) | {"tail": {"poll_interval": -1}, "listen": "nowhere"},
}


@pytest.mark.parametrize("secret", SECRETS, ids=".".join)
@pytest.mark.parametrize("wrong", WRONG)
def test_an_invalid_configuration_shows_no_secret(secret: tuple[str, ...], wrong: str) -> None:
    """Neither in the message, nor in the traceback of the error and its cause."""
    with pytest.raises(ConfigurationError) as caught:
        config.load(None, {}, WRONG[wrong](secret))
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("secret", SECRETS, ids=".".join)
def test_settings_show_no_secret(secret: tuple[str, ...]) -> None:
    """As `repr`, text and JSON, and if pydantic rejects a copy."""
    flags = nested(secret, SECRET)
    flags.get("elasticsearch", {}).update({"username": "u"} if secret[-1] == "password" else {})
    flags.get("kafka", {}).update(
        {"username": "u", "security_protocol": "sasl_ssl"} if secret[-1] == "password" else {}
    )
    settings = config.load(None, {}, flags)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert SECRET not in shown
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"token": settings.token, **settings.model_dump(by_alias=True), "listen": 5})
    assert SECRET not in str(caught.value)


def test_files_that_others_can_read_are_reported(tmp_path: Path) -> None:
    """Secret files, and the content of state and store; certificates may be public."""
    for name in ("token", "keys", "ca", "key.pem", "cert.pem"):
        (tmp_path / name).write_text("x\n")
        (tmp_path / name).chmod(0o644)
    (tmp_path / "keys").chmod(0o600)
    flags = {
        "token_file": str(tmp_path / "token"),
        "redact": {"key_file": str(tmp_path / "keys")},
        "elasticsearch": {"ca_file": str(tmp_path / "ca"), "key_file": str(tmp_path / "key.pem"), "certificate_file": str(tmp_path / "cert.pem")},
    }  # fmt: skip
    findings = list(_secret_files(config.load(None, {}, flags)))
    assert {finding.subject for finding in findings} == {"token_file", "elasticsearch.key_file"}
    assert all(finding.grade == "note" and "chmod 600" in finding.hint for finding in findings)
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    (folder / "state.db").touch(0o600)
    assert list(_open_to_others(folder, "state")) == []
    (folder / "state.db").chmod(0o640)
    ((grade, _, what, hint),) = _open_to_others(folder, "state")
    assert (grade, "-rw-r-----" in what, "chmod -R go=" in hint) == ("note", True, True)


@pytest.mark.parametrize(
    ("output", "section", "expected"),
    [
        (
            "http://es:9200",
            {"ca_file": "/ca.pem", "api_key": "k"},
            ["ca_file has no effect", "api_key is sent to es:9200"],
        ),
        ("http://es:9200", {"username": "u", "password": "p"}, ["password is sent to es:9200"]),
        (
            "https://es:9200",
            {"hosts": ["http://es2:9200"], "ca_file": "/ca.pem", "api_key": "k"},
            ["is sent to es2:9200"],
        ),
        ("http://127.0.0.1:9200", {"api_key": "k"}, []),
        ("https://es:9200", {"ca_file": "/ca.pem", "api_key": "k"}, []),
        ("http://es:9200", {}, []),
        ("kafka://k:9092/logs", {"ca_file": "/ca.pem", "api_key": "k"}, []),
    ],
)
def test_unencrypted_secrets_are_reported(output: str, section: dict[str, Any], expected: list[str]) -> None:
    """Without TLS a certificate has no effect, and secrets are sent unencrypted."""
    settings = Settings.model_validate({"output": output, "elasticsearch": section})
    notes = [finding.what for finding in _output(settings, lambda _: None) if finding.grade == "note"]
    assert len(notes) == len(expected)
    assert all(part in note for part, note in zip(expected, notes, strict=True))
