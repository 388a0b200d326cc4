"""The Elasticsearch client, and the translation of its errors."""

import re
import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import elastic_transport
from elasticsearch import ApiError, Elasticsearch, ElasticsearchWarning, UnsupportedProductError
from elasticsearch.serializer import OrjsonSerializer

from shipper.config.output_settings import ElasticsearchSettings
from shipper.outputs.elasticsearch.bulk import AllStored, cluster_hint, describe
from shipper.outputs.tls_probe import tls_problem
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError, OutputUnavailable

TLS_ALERT = re.compile(r"[a-z0-9]{0,16} {0,1}alert [a-z ]{1,80}|EOF occurred", re.IGNORECASE)
"""Messages of OpenSSL if the peer ends the handshake."""
PORTS = {"http": 9200, "https": 9200}


class ResponseSerializer(OrjsonSerializer):
    """Decodes responses; a bulk response without errors is not parsed item by item."""

    def loads(self, data: bytes) -> Any:  # noqa: ANN401 -- any JSON
        """The decoded response, or AllStored."""
        return AllStored.read(data) or super().loads(data)


def connect(url: str, settings: ElasticsearchSettings) -> Elasticsearch:
    """Create a client for the cluster; sends nothing. Raises ConfigurationError if its files are unusable.

    Requests rotate over all hosts, and a host that does not respond is skipped for a while. A request is retried once
    on each host if the connection breaks, as an idle one may; HTTP errors are not retried here, but by the output.
    """
    warnings.filterwarnings(
        "ignore", category=ElasticsearchWarning
    )  # deprecation warnings of the server, with each response
    options: dict[str, Any] = {}
    if any(host.startswith("https:") for host in (url, *settings.hosts)):
        options["ssl_context"] = tls(settings)
        options["ssl_show_warn"] = False
        if not settings.verify:
            options["verify_certs"] = False
    if settings.api_key is not None:
        options["api_key"] = settings.api_key.get_secret_value()
    elif settings.username is not None and settings.password is not None:
        options["basic_auth"] = (settings.username, settings.password.get_secret_value())
    return Elasticsearch(
        [with_port(host) for host in (url, *settings.hosts)],
        http_compress=settings.compress,
        request_timeout=settings.request_timeout,
        connections_per_node=settings.in_flight,
        max_retries=1 + len(settings.hosts),
        retry_on_status=(),
        retry_on_timeout=False,
        serializer=ResponseSerializer(),
        **options,
    )


def with_port(url: str) -> str:
    """`url` with Elasticsearch's default port if it has none; the client requires a port."""
    scheme, _, rest = url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    named = host.rpartition("]")[2] if host.startswith("[") else host
    return f"{scheme}://{host}{'' if ':' in named else f':{PORTS[scheme]}'}{slash}{path}"


def tls(settings: ElasticsearchSettings) -> ssl.SSLContext:
    """TLS context with trusted authorities and client certificate. Raises ConfigurationError if a file is unusable."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"elasticsearch.ca_file {settings.ca_file} cannot be used: {_message_of(error)}",
            "set it to a readable PEM file",
        ) from error
    if settings.certificate_file is not None:
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"elasticsearch.certificate_file {settings.certificate_file} cannot be used: {_message_of(error)}",
                "set it to a readable PEM certificate, and elasticsearch.key_file to its key",
            ) from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _message_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate the client's errors into OutputUnavailable, with the server, the failure and a hint."""
    try:
        yield
    except UnsupportedProductError as error:
        raise OutputUnavailable(
            f"{url} is not Elasticsearch (perhaps OpenSearch or a proxy): the client library rejects it",
            "use the URL of an Elasticsearch 8 or 9 server; for OpenSearch, write to Kafka or `local:` instead",
        ) from error
    except ApiError as error:
        raise _unavailable(url, error) from error
    except elastic_transport.TlsError as error:
        # The transport passes OpenSSL's error on as text only: names of codes and fixed alerts.
        if "WRONG_VERSION_NUMBER" in _root_cause(error):
            raise OutputUnavailable(f"{url} does not use TLS", "use http://, or the TLS port") from error
        if (message := TLS_ALERT.search(_root_cause(error))) is not None:
            raise OutputUnavailable(
                f"{url} rejected the client certificate, or requires one: {message[0]}",
                "set elasticsearch.certificate_file and elasticsearch.key_file to a certificate that it trusts",
            ) from error
        raise OutputUnavailable(
            f"{url}: the server certificate is not trusted: {_root_cause(error)}",
            "set elasticsearch.ca_file to the authority that signed it, and use the host name in the certificate",
        ) from error
    except elastic_transport.ConnectionTimeout as error:
        raise OutputUnavailable(f"{url} did not respond in time", resumes=True) from error
    except elastic_transport.SerializationError as error:
        raise unexpected_response(url, str(error)) from error
    except elastic_transport.TransportError as error:
        if requires_tls(url):
            raise OutputUnavailable(f"{url} requires TLS", "use https://, or the plain-text port") from error
        hint = "check that it is running and reachable from this host"
        raise OutputUnavailable(f"{url} cannot be reached: {_root_cause(error)}", hint, resumes=True) from error


def requires_tls(url: str) -> bool:
    """Return True if the server at a plain-text URL expects TLS."""
    address = urlsplit(with_port(url))
    if address.scheme != "http" or address.hostname is None:
        return False
    return tls_problem(address.hostname, address.port or PORTS["http"], None) is not None


def unexpected_response(url: str, what: str) -> OutputUnavailable:
    """The error for a response that Elasticsearch would not send."""
    return OutputUnavailable(f"{url} sent an unexpected response: {what[:200]}", "check for a proxy in between")


def _unavailable(url: str, error: ApiError) -> OutputUnavailable:
    status, cause = error.meta.status, cause_of(error)
    message = f"{url} answered {status} {reason_of(error)}"
    if cause is not None and cause["type"] != "security_exception" and (hint := cluster_hint(cause)) is not None:
        return OutputUnavailable(message, hint, retry_after(error.meta.headers))
    if status == 401:  # noqa: PLR2004 -- HTTP
        return OutputUnavailable(message, "correct elasticsearch.api_key_file, or username and password_file")
    if status == 403:  # noqa: PLR2004 -- HTTP
        return OutputUnavailable(
            message,
            "grant `create_doc`, `auto_configure`, `view_index_metadata` on the indices, `monitor` on the cluster",
        )
    return OutputUnavailable(message, retry_after=retry_after(error.meta.headers), resumes=True)


def cause_of(error: ApiError) -> Mapping[str, Any] | None:
    """The error object of Elasticsearch; None if the response is not its own but, for example, a proxy's."""
    cause = error.body.get("error") if isinstance(error.body, Mapping) else None
    return cause if isinstance(cause, Mapping) and isinstance(cause.get("type"), str) else None


def reason_of(error: ApiError) -> str:
    """The server's error message in one line."""
    body, cause = error.body, cause_of(error)
    if cause is not None:
        return describe(cause)
    return str(body.get("error") if isinstance(body, Mapping) else body)[:200]


def _root_cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    message = str(error).rpartition(": ")[2] if "object at 0x" in str(error) else str(error)
    return re.sub(r"\[Errno -?\d+\] ", "", message)[:300] or type(error).__name__  # the message after it says the same


def retry_after(headers: Mapping[str, str], clock: Clock | None = None) -> float:
    """Seconds in a `Retry-After` header, a number or a date (RFC 9110, 10.2.3); at most an hour."""
    message = headers.get("retry-after")
    if not message:
        return 0.0
    try:
        seconds = float(message)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(message).timestamp() - (clock or Clock()).wall_ms() / 1000
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else 0.0  # noqa: PLR0124 -- not NaN
