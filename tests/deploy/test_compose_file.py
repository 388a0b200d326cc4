"""The Compose file keeps its promises: nothing open, nothing unbounded, nothing unpinned, no password of its own."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper import __version__
from shipper import config as shipper_config
from tests.deploy.compose import FILE, REQUIRED, ROOT, Prepared, config

RAW = yaml.safe_load(FILE.read_text(encoding="utf-8"))
NAMES = sorted(RAW["services"])
VARIABLES = sorted(set(REQUIRED.findall(FILE.read_text(encoding="utf-8"))))
OWN = {"shipper": "Dockerfile", "shipper-sample-app": "deploy/sample-app/Dockerfile"}
FOLLOWED = {"backend", "worker"}
SECRET_NAME = re.compile(r"PASS|TOKEN|SECRET|_KEY$|AUTH")
Config = dict[str, Any]


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest, composed: Config) -> Config:
    """Each service, with its name."""
    return {"name": request.param, **composed["services"][request.param]}


def test_compose_accepts_the_file(prepared: Prepared) -> None:
    """With what prepare.sh makes, nothing is missing and no warning is given."""
    done = config(prepared.variables(), "-q")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("variable", VARIABLES)
def test_missing_variable_is_named_with_its_hint(prepared: Prepared, variable: str) -> None:
    """Without a password nothing starts, and the message says which one and what makes it."""
    environment = {name: value for name, value in prepared.variables().items() if name != variable}
    done = config(environment, "-q")
    assert done.returncode != 0
    assert f"required variable {variable} is missing a value: run deploy/compose/prepare.sh" in done.stderr


def test_prepare_makes_what_is_asked_for_and_leaves_what_is_there(tmp_path: Path, composed: Config) -> None:
    """Every variable and secret, with words given; closed to others; a second run changes nothing."""
    made = Prepared(tmp_path).make(SLACK_WEBHOOK="https://hooks.example/1")
    assert sorted(made.variables().keys() - {"SECRETS"}) == VARIABLES
    secret_names = {Path(secret["file"]).name for secret in composed["secrets"].values()}
    assert {path.name for path in made.secrets.iterdir()} == secret_names
    assert (made.secrets / "slack-webhook").read_text() == "https://hooks.example/1"
    assert {made.secrets.stat().st_mode & 0o77, made.env_file.stat().st_mode & 0o77} == {0}
    before = made.variables(), {path: path.read_bytes() for path in made.secrets.iterdir()}
    made.make(SLACK_WEBHOOK="https://hooks.example/2")
    assert (made.variables(), {path: path.read_bytes() for path in made.secrets.iterdir()}) == before


def test_passwords_differ_from_each_other_and_from_machine_to_machine(tmp_path: Path, prepared: Prepared) -> None:
    """Each is long, and generated again each time."""
    other = Prepared(tmp_path).make()
    passwords = [
        value
        for made in (prepared, other)
        for name, value in made.variables().items()
        if name not in ("SECRETS", "SHIPPER_HOST")
    ]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 32


def test_what_prepare_makes_is_never_committed() -> None:
    """Git ignores it where it is made."""
    made = [".env", "deploy/compose/secrets/shipper-token"]
    done = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        pytest.skip("not a checkout of git: nothing can be committed")
    assert done.stdout.split() == made


def test_no_password_stands_in_the_file() -> None:
    """Every variable that is named like a secret, and every URL with a user, takes it from outside."""
    services = [RAW["x-backend"], RAW["x-shipper"], *RAW["services"].values()]
    environment = {name: str(value) for part in services for name, value in part.get("environment", {}).items()}
    for name, value in environment.items():
        if SECRET_NAME.search(name.upper()) and not name.startswith("xpack."):
            assert REQUIRED.fullmatch(value.partition("?")[0] + "?"), name
        if user := re.search(r"://[^/@]*:([^/@]*)@", value):
            assert REQUIRED.match(user[1]), name


def test_ports_are_published_on_loopback_alone(service: Config) -> None:
    """The machine's neighbours reach nothing."""
    assert {port.get("host_ip") for port in service.get("ports", [])} <= {"127.0.0.1"}
    assert service.get("network_mode") is None


def test_every_service_is_bounded(service: Config) -> None:
    """Memory and processors."""
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) <= 2
    assert int(limits["memory"]) <= 2 * 2**30


def test_every_service_tells_its_health_or_why_not(service: Config) -> None:
    """By a check here or in the image that is built here; one without says the reason."""
    check = service.get("healthcheck", {})
    if check.get("disable"):
        assert len(RAW["services"][service["name"]]["x-no-healthcheck"]) > 20
    elif not check.get("test"):
        dockerfile = ROOT / OWN[service["image"].partition(":")[0]]
        assert re.search(r"^HEALTHCHECK ", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_image_is_of_a_version(service: Config) -> None:
    """A tag with numbers in it; our own are of this version."""
    repository, _, tag = service["image"].rpartition(":")
    assert re.match(r"v?\d+\.\d+", tag), service["image"]
    assert repository not in OWN or tag == __version__


def test_each_image_of_ours_is_built_once(composed: Config) -> None:
    """By one service, from its Dockerfile; others take what that one has built."""
    built = [service for service in composed["services"].values() if "build" in service]
    assert {service["image"].partition(":")[0]: service["build"]["dockerfile"] for service in built} == OWN
    assert len(built) == len(OWN)


def test_every_service_has_given_up_the_powers_of_root(service: Config) -> None:
    """No capability, no way to get one; the shipper keeps that of reading, the engine's API stays closed to all."""
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["DAC_READ_SEARCH"] if service["name"] == "shipper" else [])
    assert not service.get("privileged")
    assert "docker.sock" not in str(service)
    needs_root_file_system = ("elasticsearch", "elasticsearch-users", "kibana", "kafka", "kafka-topics")
    assert service.get("read_only", False) or service["name"] in needs_root_file_system


def test_what_is_mounted_from_the_machine_is_read_only(service: Config) -> None:
    """Only volumes are written to."""
    binds = [mount for mount in service.get("volumes", []) if mount["type"] == "bind"]
    assert all(mount["read_only"] for mount in binds), binds


def test_what_is_mounted_from_the_repository_is_there(composed: Config) -> None:
    """A folder that is not would be made by the engine, empty."""
    mounts = [mount for service in composed["services"].values() for mount in service.get("volumes", [])]
    sources = {Path(mount["source"]) for mount in mounts if mount["type"] == "bind"}
    paths = {str(path.relative_to(ROOT)) for path in sources if path.is_relative_to(ROOT)}
    paths |= {f"deploy/sample-app/{Path(part).name}" for part in composed["services"]["worker"]["command"][1:]}
    assert paths
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_the_shipper_reads_the_application_and_nobody_else(service: Config) -> None:
    """Others log through a driver whose files it does not follow, so that their words fill no quarantine."""
    driver = "json-file" if service["name"] in FOLLOWED else "local"
    assert service["logging"]["driver"] == driver
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", sorted(FOLLOWED))
def test_what_the_application_logs_is_counted_once(composed: Config, name: str) -> None:
    """It tells of events beside requests, so that its label says that requests do not count."""
    assert composed["services"][name]["labels"]["shipper.http-source"] == "off"


@pytest.mark.parametrize("name", ["shipper", "shipper-setup", "indexer"])
def test_the_shippers_configuration_is_accepted(composed: Config, secret_folder: Path, name: str) -> None:
    """File, variables and command line together, as each of its services gives them."""
    service = composed["services"][name]
    text = (ROOT / "deploy" / "compose" / "shipper.yaml").read_text(encoding="utf-8")
    file = secret_folder / "shipper.yaml"
    file.write_text(text.replace("/run/secrets", str(secret_folder)), encoding="utf-8")
    words = service["command"] or []
    flags: dict[str, Any] = {"output": words[words.index("--output") + 1]} if "--output" in words else {}
    if "--input" in words:
        flags["inputs"] = [words[words.index("--input") + 1]]
    settings = shipper_config.load(file, service["environment"], flags)
    assert settings.output == "http://elasticsearch:9200"
    assert settings.elasticsearch.username == ("elastic" if name == "shipper-setup" else "shipper")
    assert settings.elasticsearch.password is not None


def test_alertmanager_finds_the_secrets_that_it_names(composed: Config) -> None:
    """Every file under its folder of secrets is one that Compose mounts there."""
    path = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    mounted = {secret["target"] for secret in composed["services"]["alertmanager"]["secrets"]}
    assert set(re.findall(r"^[^#\n]*?(/etc/alertmanager/secrets/[\w.-]+)", text, re.MULTILINE)) <= mounted


def test_grafana_logs_in_where_it_asks_for_events() -> None:
    """Every data source of Elasticsearch takes user and password from the variables that Compose gives."""
    sources = (ROOT / "deploy" / "grafana" / "provisioning").glob("datasources/*.y*ml")
    datasources = [
        source for path in sources for source in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    ]
    for source in (candidate for candidate in datasources if candidate["type"] == "elasticsearch"):
        assert (source.get("basicAuth"), source.get("basicAuthUser")) == (True, "$ELASTICSEARCH_USER"), source["name"]
        assert source["secureJsonData"] == {"basicAuthPassword": "$ELASTICSEARCH_PASSWORD"}


def test_targets_carry_what_dashboards_choose_by() -> None:
    """`environment` and `cluster` as in the alerts; no `service`, which would hide that of the shipper's counters."""
    content = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    label_sets = [targets["labels"] for job in content["scrape_configs"] for targets in job["static_configs"]]
    assert label_sets == [content["global"]["external_labels"]] * len(content["scrape_configs"])
    assert label_sets[0].keys() == {"cluster", "environment"}


def test_prometheus_asks_services_that_are_here(composed: Config) -> None:
    """Every target of the scrape configuration is the name of a service, or Prometheus itself."""
    path = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["scrape_configs"] if path.exists() else []
    targets = [target for job in jobs for static_config in job["static_configs"] for target in static_config["targets"]]
    assert {target.partition(":")[0] for target in targets} <= composed["services"].keys() | {"localhost"}
