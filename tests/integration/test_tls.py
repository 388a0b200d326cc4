"""TLS with the test's own authority: verified unless that is disabled, and every error names the problem and a hint."""

import gc
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipper.config.output_settings import ElasticsearchSettings, KafkaSettings
from shipper.config.settings import Settings
from shipper.outputs import registry
from shipper.system.errors import OutputUnavailable, ShipperError
from tests.integration.conftest import own
from tests.integration.proxy import Proxy
from tests.outputs.scripted_elasticsearch import ScriptedElasticsearch, served
from tests.services.certificates import Authority, Pair
from tests.services.kafka_broker import KafkaBroker, create_topics

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    # kafka-python leaves a socket to the collector when its handshake fails
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]
SERVERS = {
    "good": {},
    "for another host": {"host": "elsewhere"},
    "expired": {"days": -5},
}  # fmt: skip
UNTRUSTED = re.compile("certificate|hostname", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()  # collected here, so that the warning belongs to no other module


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the trusted authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """Return another authority, which signs the same names."""
    return Authority(tmp_path, "stranger")


@pytest.fixture
def node() -> Iterator[ScriptedElasticsearch]:
    """Yield an Elasticsearch without TLS, its templates in place."""
    made = ScriptedElasticsearch()
    made.templates = {"keneyapp-logs", "keneyapp-quarantine"}
    with served(made):
        yield made


def check_elasticsearch(url: str, **settings: Any) -> None:
    """Check an Elasticsearch as `shipper check` does. Raises OutputUnavailable."""
    section = ElasticsearchSettings(**settings)
    registry.check_output(Settings(output=url, elasticsearch=section))


@contextmanager
def tls_proxy(target: str, context: ssl.SSLContext | None) -> Iterator[Proxy]:
    """Yield a server on loopback that adds TLS to one without."""
    with closing(Proxy(target, context)) as proxy:
        yield proxy


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("verify", [True, False])
def test_elasticsearch_is_who_its_certificate_says(
    authority: Authority, node: ScriptedElasticsearch, server: str, verify: bool
) -> None:
    """Trusted authority, this host, valid today: any other certificate is an error, unless verification is disabled."""
    with tls_proxy(node.url, authority.server(authority.sign(server, **SERVERS[server]))) as proxy:
        if server == "good" or not verify:
            check_elasticsearch(proxy.url, ca_file=authority.certificate, verify=verify)
            assert ("GET", "/_index_template/keneyapp-logs") in node.requests
            return
        with pytest.raises(OutputUnavailable, match="the server certificate is not trusted") as refused:
            check_elasticsearch(proxy.url, ca_file=authority.certificate)
    assert "elasticsearch.ca_file" in refused.value.hint
    assert node.requests == []


@pytest.mark.parametrize("trusted", ["nobody named", "another authority"])
def test_an_authority_that_nobody_named_is_not_trusted(
    authority: Authority, stranger: Authority, node: ScriptedElasticsearch, trusted: str
) -> None:
    """By default the system's authorities are trusted, and no self-signed certificate is."""
    self_signed = stranger.server(stranger.sign("localhost"))
    with tls_proxy(node.url, self_signed) as proxy, pytest.raises(OutputUnavailable, match="is not trusted"):
        check_elasticsearch(proxy.url, **({} if trusted == "nobody named" else {"ca_file": authority.certificate}))
    assert node.requests == []


def test_plain_text_and_tls_are_distinguished(authority: Authority, node: ScriptedElasticsearch) -> None:
    """`https:` at a plain port, and `http:` at a TLS port: each error names the other; no credentials were sent."""
    with pytest.raises(OutputUnavailable, match="does not use TLS") as plain:
        check_elasticsearch(node.url.replace("http:", "https:"), username="u", password="very-secret")
    assert "http://" in plain.value.hint
    seen: list[bytes] = []
    with tls_proxy(node.url, authority.server(authority.sign("localhost"))) as proxy:
        proxy.answer = lambda _number, head: seen.append(head)
        with pytest.raises(OutputUnavailable) as crossed:
            check_elasticsearch(proxy.url.replace("https:", "http:"))
    assert "https://" in crossed.value.hint
    assert (node.requests, seen) == ([], [])


def test_a_server_may_ask_for_a_certificate(
    authority: Authority, stranger: Authority, node: ScriptedElasticsearch
) -> None:
    """With a certificate of its authority it responds; without, or with another authority's, the error names the option."""
    mine, theirs = authority.sign("agent"), stranger.sign("agent")
    with tls_proxy(node.url, authority.server(authority.sign("localhost"), clients=True)) as proxy:
        check_elasticsearch(
            proxy.url, ca_file=authority.certificate, certificate_file=mine.certificate, key_file=mine.key
        )
        node.requests.clear()
        for pair in (None, theirs):
            client_pair = {} if pair is None else {"certificate_file": pair.certificate, "key_file": pair.key}
            with pytest.raises(OutputUnavailable) as refused:
                check_elasticsearch(proxy.url, ca_file=authority.certificate, **client_pair)
            assert "elasticsearch.certificate_file" in refused.value.hint, str(refused.value)
    assert node.requests == []


# --- Kafka ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Yield a broker that speaks TLS, its topics in place."""
    made = own(lambda: KafkaBroker(tmp_path_factory.mktemp("tls-kafka"), authority).start())
    create_topics(made.address, "logs", "logs-quarantine")
    shake_hands(made.tls, authority)
    yield made
    made.kill()


def shake_hands(address: str, authority: Authority) -> None:
    """Have a broker load what it needs for TLS: its first handshake is slow."""
    host, _, port = address.partition(":")
    context = ssl.create_default_context(cafile=authority.certificate)
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host):
        pass


def check_kafka(client: str, address: str, pair: Pair | None = None, **settings: Any) -> None:
    """Check a topic as `shipper check` does. Raises ShipperError."""
    options = {"security_protocol": "ssl", "delivery_timeout": 5, **settings}
    if pair is not None:
        options |= {"certificate_file": pair.certificate, "key_file": pair.key}
    section = KafkaSettings(client=client, **options)
    registry.check_output(Settings(output=f"kafka://{address}/logs", kafka=section))


CLIENTS = pytest.mark.parametrize("client", ["kafka-python", "confluent"])


@CLIENTS
def test_a_broker_is_reached_by_tls_and_by_certificate(
    authority: Authority, stranger: Authority, broker: KafkaBroker, client: str
) -> None:
    """With both libraries; a broker that requires a certificate accepts only its own authority's."""
    check_kafka(client, broker.tls, ca_file=authority.certificate)
    check_kafka(client, broker.mutual, authority.sign("agent"), ca_file=authority.certificate)
    for pair in (None, stranger.sign("agent")):
        with pytest.raises(ShipperError) as refused:
            check_kafka(client, broker.mutual, pair, ca_file=authority.certificate)
        assert broker.mutual in str(refused.value)
        assert "kafka.certificate_file" in refused.value.hint, str(refused.value)


@CLIENTS
@pytest.mark.parametrize("server", ["for another host", "expired", "signed by a stranger"])
def test_a_broker_is_who_its_certificate_says(
    authority: Authority, stranger: Authority, broker: KafkaBroker, client: str, server: str
) -> None:
    """Otherwise no byte of the protocol reaches it, and the error names the certificate."""
    signer = stranger if server == "signed by a stranger" else authority
    pair = signer.sign(server, **SERVERS.get(server, {}))
    seen: list[bytes] = []
    with tls_proxy(f"kafka://{broker.address}", signer.server(pair)) as proxy:
        proxy.answer = lambda _number, head: seen.append(head)
        with pytest.raises(ShipperError) as refused:
            check_kafka(client, f"localhost:{proxy.port}", ca_file=authority.certificate)
    assert UNTRUSTED.search(str(refused.value)), str(refused.value)
    assert "kafka.ca_file" in refused.value.hint
    assert seen == []


@CLIENTS
def test_a_broker_without_tls_is_reported(broker: KafkaBroker, authority: Authority, client: str) -> None:
    """Also one that speaks it, if plain text is configured."""
    with pytest.raises(ShipperError) as refused:
        check_kafka(client, broker.address, ca_file=authority.certificate)
    assert ("does not use TLS" in str(refused.value), "security_protocol" in refused.value.hint) == (True, True)
    with pytest.raises(ShipperError) as crossed:
        check_kafka(client, broker.tls, security_protocol="plaintext")
    assert ("requires TLS" in str(crossed.value), "security_protocol" in crossed.value.hint) == (True, True)
