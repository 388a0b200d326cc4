"""Secrets in URLs are masked wherever a URL is shown."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.cli import cli
from shipper.system.url_secrets import MASK, without_secrets

URLS = {
    "tcp://admin:hunter2@docker:2376": f"tcp://admin:{MASK}@docker:2376",
    "https://u:p@ss:w@rd@host/x": f"https://u:{MASK}@host/x",
    "https://hunter2@host": f"https://{MASK}@host",
    "https://:hunter2@host": f"https://:{MASK}@host",
    "https://h/p?access_token=hunter2&x=1&X-Amz-Signature=hunter2#f": f"https://h/p?access_token={MASK}&x=1&X-Amz-Signature={MASK}#f",
    "tried tcp://a:hunter2@h and tcp://b:hunter2@h": f"tried tcp://a:{MASK}@h and tcp://b:{MASK}@h",
    "kafka://h:9092/logs": "kafka://h:9092/logs",
    "docker:/var/lib/docker/containers/*/*-json.log": "docker:/var/lib/docker/containers/*/*-json.log",
    "mail@example.org": "mail@example.org",
}


@pytest.mark.parametrize("text", URLS)
def test_passwords_and_secret_parameters_are_masked(text: str) -> None:
    """The rest of the text stays."""
    assert without_secrets(text) == URLS[text]


@pytest.mark.parametrize("arguments", [(), ("--format", "json"), ("docker.url",), ("docker.url", "--format", "json")])
def test_config_show_masks_the_address_of_the_engine(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """As YAML, as JSON and by its key."""
    (tmp_path / "c.yml").write_text("docker: {api: true, url: 'tcp://admin:hunter2@docker:2376'}\n")
    shown = CliRunner().invoke(cli, ["config", "show", *arguments, "--config", str(tmp_path / "c.yml")])
    assert shown.exit_code == 0
    assert "hunter2" not in shown.output
    assert "docker:2376" in shown.output


@pytest.mark.parametrize(
    "text",
    [
        "output: https://u:hunter2@h:9200", "output: https://u:hun@hunter2@h:9200", "output: kafka://u:hunter2@h:9092/t",
        "inputs: ['kafka://u:hunter2@h:9092/t']", "elasticsearch: {hosts: ['https://u:hunter2@h:9200']}",
        "kubernetes: {url: 'https://u:hunter2@h'}", "docker: {url: ['tcp://u:hunter2@h']}",
        "docker: {api: 'tcp://u:x@hunter2@h'}",
    ],
)  # fmt: skip
def test_an_invalid_url_is_not_shown_with_its_password(tmp_path: Path, text: str) -> None:
    """The error names the key."""
    (tmp_path / "c.yml").write_text(f"{text}\n")
    shown = CliRunner().invoke(cli, ["config", "show", "--config", str(tmp_path / "c.yml")])
    assert shown.exit_code != 0
    assert "hunter2" not in f"{shown.output}{shown.exception}"
