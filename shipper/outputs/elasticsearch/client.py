"""The connection to a cluster: the client, and its errors in our words."""

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
from shipper.outputs.elasticsearch.bulk import AllStored, described, hint_for_place
from shipper.outputs.tls_probe import trouble_with
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError, OutputUnavailable

REFUSED = re.compile(r"[a-z0-9]{0,16} {0,1}alert [a-z ]{1,80}|EOF occurred", re.IGNORECASE)
"""What TLS says where the other side does not want to go on."""
PORTS = {"http": 9200, "https": 9200}


class Answers(OrjsonSerializer):
    """Reads answers; the one that bulk requests mostly get is not made into an object for each document."""

    def loads(self, data: bytes) -> Any:  # noqa: ANN401 -- any JSON
        """The decoded answer, or AllStored."""
        return AllStored.read(data) or super().loads(data)


def connect(url: str, settings: ElasticsearchSettings) -> Elasticsearch:
    """A client for the cluster; nothing is sent yet. Raises ConfigurationError where files of it cannot be used.

    Requests go in turns to all hosts, and a host that does not answer is left alone for a while. A connection that
    breaks, as an idle one may, is tried once more; what a server answers never is: the output judges it.
    """
    warnings.filterwarnings("ignore", category=ElasticsearchWarning)  # the server's deprecations, on each answer
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
        serializer=Answers(),
        **options,
    )


def with_port(url: str) -> str:
    """`url` with Elasticsearch's own port where it names none, since the client guesses none."""
    scheme, _, rest = url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    named = host.rpartition("]")[2] if host.startswith("[") else host
    return f"{scheme}://{host}{'' if ':' in named else f':{PORTS[scheme]}'}{slash}{path}"


def tls(settings: ElasticsearchSettings) -> ssl.SSLContext:
    """What is trusted, and who we are. Raises ConfigurationError where the files cannot be used."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"elasticsearch.ca_file {settings.ca_file} cannot be used: {_said(error)}", "name a readable PEM file"
        ) from error
    if settings.certificate_file is not None:
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"elasticsearch.certificate_file {settings.certificate_file} cannot be used: {_said(error)}",
                "name a readable PEM certificate, and its key with elasticsearch.key_file",
            ) from error
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Errors of the client as OutputUnavailable, with what happened to which server and what to do."""
    try:
        yield
    except UnsupportedProductError as error:
        raise OutputUnavailable(
            f"{url} is no Elasticsearch (OpenSearch, or a proxy in its place): the client refuses it",
            "give the URL of an Elasticsearch 8 or 9; for OpenSearch, put Kafka or `local:` in between",
        ) from error
    except ApiError as error:
        raise _refused(url, error) from error
    except elastic_transport.TlsError as error:
        # The transport hands on what OpenSSL said as text alone; its reasons are names of codes and fixed alerts.
        if "WRONG_VERSION_NUMBER" in _innermost(error):
            raise OutputUnavailable(f"{url} speaks no TLS", "give http://, or the port that speaks TLS") from error
        if (said := REFUSED.search(_innermost(error))) is not None:
            raise OutputUnavailable(
                f"{url} refuses TLS with the certificate that it is given, or with none: {said[0]}",
                "give one that it trusts with elasticsearch.certificate_file and elasticsearch.key_file",
            ) from error
        raise OutputUnavailable(
            f"{url}: the certificate is not trusted: {_innermost(error)}",
            "name the authority that signed it with elasticsearch.ca_file, and the host as the certificate does",
        ) from error
    except elastic_transport.ConnectionTimeout as error:
        raise OutputUnavailable(f"{url} did not answer in time", resumes=True) from error
    except elastic_transport.SerializationError as error:
        raise no_sense(url, str(error)) from error
    except elastic_transport.TransportError as error:
        if speaks_tls(url):
            raise OutputUnavailable(f"{url} speaks TLS", "give https://, or the port that speaks plain text") from error
        hint = "see whether it runs and is reachable from here"
        raise OutputUnavailable(f"{url} cannot be reached: {_innermost(error)}", hint, resumes=True) from error


def speaks_tls(url: str) -> bool:
    """Whether a server that is to be talked to in plain text wants TLS."""
    found = urlsplit(with_port(url))
    if found.scheme != "http" or found.hostname is None:
        return False
    return trouble_with(found.hostname, found.port or PORTS["http"], None) is not None


def no_sense(url: str, what: str) -> OutputUnavailable:
    """An answer that no Elasticsearch gives."""
    return OutputUnavailable(f"{url} gave an answer that makes no sense: {what[:200]}", "look for a proxy in between")


def _refused(url: str, error: ApiError) -> OutputUnavailable:
    status, cause = error.meta.status, cause_of(error)
    said = f"{url} answered {status} {reason_of(error)}"
    if cause is not None and cause["type"] != "security_exception" and (hint := hint_for_place(cause)) is not None:
        return OutputUnavailable(said, hint, retry_after(error.meta.headers))
    if status == 401:  # noqa: PLR2004 -- HTTP
        return OutputUnavailable(said, "correct elasticsearch.api_key_file, or username and password_file")
    if status == 403:  # noqa: PLR2004 -- HTTP
        return OutputUnavailable(
            said,
            "grant `create_doc`, `auto_configure`, `view_index_metadata` on the indices, `monitor` on the cluster",
        )
    return OutputUnavailable(said, retry_after=retry_after(error.meta.headers), resumes=True)


def cause_of(error: ApiError) -> Mapping[str, Any] | None:
    """The error that an Elasticsearch names; None where the answer is somebody else's, such as a proxy's."""
    cause = error.body.get("error") if isinstance(error.body, Mapping) else None
    return cause if isinstance(cause, Mapping) and isinstance(cause.get("type"), str) else None


def reason_of(error: ApiError) -> str:
    """What the server said, in one line."""
    body, cause = error.body, cause_of(error)
    if cause is not None:
        return described(cause)
    return str(body.get("error") if isinstance(body, Mapping) else body)[:200]


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).rpartition(": ")[2] if "object at 0x" in str(error) else str(error)
    return re.sub(r"\[Errno -?\d+\] ", "", said)[:300] or type(error).__name__  # the words after it say the same


def retry_after(headers: Mapping[str, str], clock: Clock | None = None) -> float:
    """Seconds that a `Retry-After` header asks for, as a number or a date (RFC 9110, 10.2.3); at most an hour."""
    said = headers.get("retry-after")
    if not said:
        return 0.0
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - (clock or Clock()).wall_ms() / 1000
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else 0.0  # noqa: PLR0124 -- NaN is no time
