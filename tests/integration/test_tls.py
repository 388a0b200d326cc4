"""TLS with an authority of the test's own: verified unless that is switched off, and every refusal says what and hint."""

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
    # kafka-python leaves a socket to the collector where its handshake fails
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
    gc.collect()  # what is left to the collector is collected here, where nobody minds, and not in another module


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that is trusted."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    """Another one, which signs the same names."""
    return Authority(tmp_path, "stranger")


@pytest.fixture
def node() -> Iterator[ScriptedElasticsearch]:
    """An Elasticsearch that speaks plain text, its templates in place."""
    made = ScriptedElasticsearch()
    made.templates = {"keneyapp-logs", "keneyapp-quarantine"}
    with served(made):
        yield made


def ask(url: str, **settings: Any) -> None:
    """What `shipper check` asks of an Elasticsearch. Raises OutputUnavailable."""
    found = ElasticsearchSettings(**settings)
    registry.check_output(Settings(output=url, elasticsearch=found))


@contextmanager
def speaking(target: str, context: ssl.SSLContext | None) -> Iterator[Proxy]:
    """A server on loopback that speaks TLS for one that does not."""
    with closing(Proxy(target, context)) as proxy:
        yield proxy


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("verify", [True, False])
def test_elasticsearch_is_who_its_certificate_says(
    authority: Authority, node: ScriptedElasticsearch, server: str, verify: bool
) -> None:
    """Trusted authority, this host, today: anything else is refused, unless somebody has switched that off."""
    with speaking(node.url, authority.server(authority.sign(server, **SERVERS[server]))) as proxy:
        if server == "good" or not verify:
            ask(proxy.url, ca_file=authority.certificate, verify=verify)
            assert ("GET", "/_index_template/keneyapp-logs") in node.requests
            return
        with pytest.raises(OutputUnavailable, match="the server certificate is not trusted") as refused:
            ask(proxy.url, ca_file=authority.certificate)
    assert "elasticsearch.ca_file" in refused.value.hint
    assert node.requests == []


@pytest.mark.parametrize("trusted", ["nobody named", "another authority"])
def test_an_authority_that_nobody_named_is_not_trusted(
    authority: Authority, stranger: Authority, node: ScriptedElasticsearch, trusted: str
) -> None:
    """By default those of the system are; a certificate that a server signed itself is in none of them."""
    own_word = stranger.server(stranger.sign("localhost"))
    with speaking(node.url, own_word) as proxy, pytest.raises(OutputUnavailable, match="is not trusted"):
        ask(proxy.url, **({} if trusted == "nobody named" else {"ca_file": authority.certificate}))
    assert node.requests == []


def test_what_speaks_no_tls_is_told_from_what_does(authority: Authority, node: ScriptedElasticsearch) -> None:
    """`https:` at a plain port, and `http:` at one that wants TLS: each names the other; no credentials were sent."""
    with pytest.raises(OutputUnavailable, match="does not use TLS") as plain:
        ask(node.url.replace("http:", "https:"), username="u", password="very-secret")
    assert "http://" in plain.value.hint
    seen: list[bytes] = []
    with speaking(node.url, authority.server(authority.sign("localhost"))) as proxy:
        proxy.answer = lambda _number, head: seen.append(head)
        with pytest.raises(OutputUnavailable) as crossed:
            ask(proxy.url.replace("https:", "http:"))
    assert "https://" in crossed.value.hint
    assert (node.requests, seen) == ([], [])


def test_a_server_may_ask_for_a_certificate(
    authority: Authority, stranger: Authority, node: ScriptedElasticsearch
) -> None:
    """With one of its authority it answers; without, or with a stranger's, that is told."""
    mine, theirs = authority.sign("agent"), stranger.sign("agent")
    with speaking(node.url, authority.server(authority.sign("localhost"), clients=True)) as proxy:
        ask(proxy.url, ca_file=authority.certificate, certificate_file=mine.certificate, key_file=mine.key)
        node.requests.clear()
        for pair in (None, theirs):
            given = {} if pair is None else {"certificate_file": pair.certificate, "key_file": pair.key}
            with pytest.raises(OutputUnavailable) as refused:
                ask(proxy.url, ca_file=authority.certificate, **given)
            assert "elasticsearch.certificate_file" in refused.value.hint, str(refused.value)
    assert node.requests == []


# --- Kafka ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker that speaks TLS, its topics in place."""
    made = own(lambda: KafkaBroker(tmp_path_factory.mktemp("tls-kafka"), authority).start())
    create_topics(made.address, "logs", "logs-quarantine")
    shake_hands(made.tls, authority)
    yield made
    made.kill()


def shake_hands(address: str, authority: Authority) -> None:
    """Have a broker load what it needs for TLS: its first handshake takes long."""
    host, _, port = address.partition(":")
    context = ssl.create_default_context(cafile=authority.certificate)
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host):
        pass


def ask_kafka(client: str, address: str, pair: Pair | None = None, **settings: Any) -> None:
    """What `shipper check` asks of a topic. Raises ShipperError."""
    given = {"security_protocol": "ssl", "delivery_timeout": 5, **settings}
    if pair is not None:
        given |= {"certificate_file": pair.certificate, "key_file": pair.key}
    found = KafkaSettings(client=client, **given)
    registry.check_output(Settings(output=f"kafka://{address}/logs", kafka=found))


CLIENTS = pytest.mark.parametrize("client", ["kafka-python", "confluent"])


@CLIENTS
def test_a_broker_is_reached_by_tls_and_by_certificate(
    authority: Authority, stranger: Authority, broker: KafkaBroker, client: str
) -> None:
    """Both libraries; a broker that asks for a certificate takes its own authority's alone."""
    ask_kafka(client, broker.tls, ca_file=authority.certificate)
    ask_kafka(client, broker.mutual, authority.sign("agent"), ca_file=authority.certificate)
    for pair in (None, stranger.sign("agent")):
        with pytest.raises(ShipperError) as refused:
            ask_kafka(client, broker.mutual, pair, ca_file=authority.certificate)
        assert broker.mutual in str(refused.value)
        assert "kafka.certificate_file" in refused.value.hint, str(refused.value)


@CLIENTS
@pytest.mark.parametrize("server", ["for another host", "expired", "signed by a stranger"])
def test_a_broker_is_who_its_certificate_says(
    authority: Authority, stranger: Authority, broker: KafkaBroker, client: str, server: str
) -> None:
    """Otherwise no byte of the protocol reaches it, and the certificate is named."""
    signer = stranger if server == "signed by a stranger" else authority
    pair = signer.sign(server, **SERVERS.get(server, {}))
    seen: list[bytes] = []
    with speaking(f"kafka://{broker.address}", signer.server(pair)) as proxy:
        proxy.answer = lambda _number, head: seen.append(head)
        with pytest.raises(ShipperError) as refused:
            ask_kafka(client, f"localhost:{proxy.port}", ca_file=authority.certificate)
    assert UNTRUSTED.search(str(refused.value)), str(refused.value)
    assert "kafka.ca_file" in refused.value.hint
    assert seen == []


@CLIENTS
def test_a_broker_that_speaks_no_tls_is_told(broker: KafkaBroker, authority: Authority, client: str) -> None:
    """And one that does, where plain text was asked for."""
    with pytest.raises(ShipperError) as refused:
        ask_kafka(client, broker.address, ca_file=authority.certificate)
    assert ("does not use TLS" in str(refused.value), "security_protocol" in refused.value.hint) == (True, True)
    with pytest.raises(ShipperError) as crossed:
        ask_kafka(client, broker.tls, security_protocol="plaintext")
    assert ("requires TLS" in str(crossed.value), "security_protocol" in crossed.value.hint) == (True, True)
