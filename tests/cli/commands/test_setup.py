"""`shipper setup` on a server with lifecycle management, and its effect on a replay."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.cli import main
from tests.services.packaged_elasticsearch import PackagedServer

Shipper = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[PackagedServer]:
    """Yield a server with lifecycle management and Kibana."""
    packaged = PackagedServer()
    yield packaged
    packaged.close()


@pytest.fixture
def shipper(
    server: PackagedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Shipper:
    """Return a function that runs the command line: exit code, standard output, standard error."""
    monkeypatch.setenv("SHIPPER_OUTPUT", server.url)
    monkeypatch.setenv("SHIPPER_STATE_DIR", str(tmp_path / "state"))

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return run


def requests(printed: str) -> dict[str, Any]:
    """Return the output of `--print` by path."""
    parts = re.split(r"^PUT (.*)$", printed, flags=re.MULTILINE)[1:]
    return {path: json.loads(body) for path, body in zip(parts[::2], parts[1::2], strict=True)}


def test_retention_is_counted_from_the_day_in_the_name(shipper: Shipper, server: PackagedServer) -> None:
    """The policy deletes at that age, and an index takes its age from its name, also after a backfill."""
    code, out, _ = shipper("setup", "--retention", "30d")
    assert code == 0
    assert out.splitlines() == [
        "created    lifecycle policy keneyapp-logs",
        "created    index template keneyapp-logs",
        "created    index template keneyapp-quarantine",
    ]
    policy = server.kept["/_ilm/policy/keneyapp-logs"]["policy"]["phases"]
    assert policy["delete"] == {"min_age": "2592000s", "actions": {"delete": {}}}
    for name in ("keneyapp-logs", "keneyapp-quarantine"):
        settings = server.kept[f"/_index_template/{name}"]["template"]["settings"]
        assert settings["lifecycle"] == {"name": "keneyapp-logs", "parse_origination_date": True}
    assert {line.split()[0] for line in shipper("setup", "--retention", "30d")[1].splitlines()} == {"unchanged"}
    assert shipper("setup", "--retention", "90d")[1].splitlines()[0] == "updated    lifecycle policy keneyapp-logs"


def test_printed_requests_equal_sent_ones(shipper: Shipper, server: PackagedServer) -> None:
    """For users whose tools may not write to the cluster; printing sends nothing."""
    code, out, _ = shipper("setup", "--retention", "30d", "--print")
    assert (code, server.kept) == (0, {})
    lines = shipper("setup", "--retention", "30d", "--print", "--format", "json")[1].splitlines()
    shipper("setup", "--retention", "30d")
    assert requests(out) == server.kept
    assert {printed["path"]: printed["body"] for printed in map(json.loads, lines)} == server.kept
    assert {json.loads(line)["method"] for line in lines} == {"PUT"}


def test_a_newer_template_is_not_changed(shipper: Shipper, server: PackagedServer) -> None:
    """An old agent must not remove fields of a newer one."""
    shipper("setup")
    server.kept["/_index_template/keneyapp-logs"]["_meta"]["version"] = 99
    code, _, err = shipper("setup")
    assert code == 1
    assert "has version 99, newer than" in err
    assert "run `shipper setup` with the newest shipper" in err


def test_a_replay_into_expired_indices_is_warned_of(shipper: Shipper, tmp_path: Path) -> None:
    """The policy on the server decides, not the configuration."""
    shipper("setup", "--retention", "30d")
    folder = tmp_path / "logs" / ("4f" * 32)
    folder.mkdir(parents=True)
    line = {"log": '{"correlation_id":"a","event":"e"}\n', "stream": "stdout", "time": "2020-01-01T00:00:00Z"}
    (folder / f"{'4f' * 32}-json.log").write_text(json.dumps(line) + "\n")
    code, out, err = shipper("replay", tmp_path / "logs", "--dry-run", "--workers", "1")
    assert (code, "1  would be indexed" in out) == (0, True)
    assert "deletes indices older than 30 days: keneyapp-logs-2020.01.01 would be deleted as soon" in " ".join(
        err.split()
    )


def test_kibana_gets_its_objects(shipper: Shipper, server: PackagedServer) -> None:
    """All in one import, and the result is shown."""
    code, out, _ = shipper("setup", "--kibana", server.url)
    assert code == 0
    assert re.search(r"imported +\d+ Kibana objects into ", out)
    (body,) = server.imported
    assert b'"keneyapp.ndjson"' in body
    assert b"keneyapp-quarantine-*" in body
    code, _, err = shipper("setup", "--kibana", "http://127.0.0.1:1")
    assert (code, "Kibana at http://127.0.0.1:1 cannot be reached" in err) == (1, True)


def test_the_local_store_needs_no_setup(shipper: Shipper) -> None:
    """The command says so, with the outputs that need it."""
    code, _, err = shipper("setup", "--output", "local:here")
    assert (code, "needs no setup" in err) == (1, True)


@pytest.mark.parametrize("age", ["12h", "soon"])
def test_a_retention_below_a_day_is_a_usage_error(shipper: Shipper, age: str) -> None:
    """An index covers a day."""
    assert shipper("setup", "--retention", age)[0] == 2
