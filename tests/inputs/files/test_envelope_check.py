"""The runtime that wrote a file is recognised by its first line, and a wrong input type is reported."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shipper.inputs.files.envelope_check import Envelopes, mismatch, runtime_of_line

DOCKER = b'{"log":"x\\n","stream":"stdout","time":"2026-11-23T10:00:00.1Z"}'
CRI = b"2026-11-23T10:00:00.1Z stdout F x"


@pytest.mark.parametrize(
    ("line", "runtime"),
    [
        (DOCKER, "docker"),
        (CRI, "cri"),
        (b'{"log":"x","stream":"stdin","time":"2026-11-23T10:00:00.1Z"}', None),
        (b'{"log":"x","stream":"stdout","time":"noon"}', None),
        (b'{"event":"x"}', None),
        (b"2026-11-23T10:00:00.1Z INFO stdout F x", None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_only_a_full_match_is_certain(line: bytes, runtime: str | None) -> None:
    """A line of an application is of neither."""
    assert runtime_of_line(line) == runtime


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("cri", DOCKER + b"\n", "docker"),
        ("docker", CRI + b"\n", "cri"),
        ("plain", CRI + b"\n", "cri"),
        ("plain", DOCKER + b"\nx\n", "docker"),
        ("docker", DOCKER + b"\n", None),
        ("docker", b"\0\0\0" + CRI + b"\n", "cri"),
        ("docker", CRI, None),
        ("docker", b"", None),
        ("cri", b"hello\n", None),
    ],
)
def test_a_mismatch_is_what_the_first_complete_line_proves(
    tmp_path: Path, kind: str, content: bytes, expected: str | None
) -> None:
    """Neither an empty file nor a line without its newline proves anything."""
    path = tmp_path / "x.log"
    path.write_bytes(content)
    assert mismatch(kind, str(path)) == expected
    assert mismatch(kind, str(tmp_path / "absent")) is None


def test_a_wrong_type_is_reported_once_for_each_log(tmp_path: Path) -> None:
    """With the type that fits; plain files stay plain, since an application may print such lines."""
    path = tmp_path / "x.log"
    path.write_bytes(DOCKER + b"\n")
    envelopes = Envelopes()
    with capture_logs() as logs:
        assert [envelopes.compare("cri", str(path)) for _ in range(2)] == ["docker", "docker"]
        assert Envelopes().compare("plain", str(path)) == "plain"
        assert envelopes.compare("docker", str(path)) == "docker"
    assert [entry["event"] for entry in logs] == ["wrong_input_type"] * 2
    assert "`docker:`" in logs[0]["hint"]
