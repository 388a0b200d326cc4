"""Answers of a server, and the translation of its errors; knows no client library."""

import ssl
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import urllib3
from urllib3.exceptions import InsecureRequestWarning

from shipper.config.output_settings import ElasticsearchSettings
from shipper.outputs.elasticsearch.bulk import cluster_hint, describe
from shipper.outputs.tls_probe import tls_problem
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError, OutputUnavailable
from shipper_schemas import lazy_re as re

TLS_ALERT = re.compile(r"[a-z0-9]{0,16} {0,1}alert [a-z ]{1,80}|EOF occurred", re.IGNORECASE)
"""Messages of OpenSSL if the peer ends the handshake."""
MOST_NAMED = 3
"""Things of one kind that a message names."""
ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")
PORTS = {"http": 9200, "https": 9200}


class Answer(NamedTuple):
    """A response: its status, its headers by any case of their names, and its body."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def succeeded(self) -> bool:
        """True for a status of success."""
        return 200 <= self.status < 300  # noqa: PLR2004 -- classes of HTTP

    def body(self) -> object:
        """Return the decoded body: JSON where it is JSON, else text."""
        try:
            return orjson.loads(self.data)
        except orjson.JSONDecodeError:
            return self.data.decode("utf-8", "replace")


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
        urllib3.disable_warnings(InsecureRequestWarning)  # it was asked for; one line a request would hide the rest
    return context


def _message_of(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def not_elasticsearch(url: str) -> OutputUnavailable:
    """The error for a server that responds like Elasticsearch and is something else."""
    return OutputUnavailable(
        f"{url} is not Elasticsearch (perhaps OpenSearch or a proxy): its responses do not name the product",
        "use the URL of an Elasticsearch 8 or 9 server; for OpenSearch, write to Kafka or `local:` instead",
    )


def tls_failure(url: str, error: BaseException) -> OutputUnavailable:
    """The error for a failed TLS connection. OpenSSL's error is text only: names of codes and fixed alerts."""
    cause = root_cause(error)
    if "WRONG_VERSION_NUMBER" in cause:
        return OutputUnavailable(f"{url} does not use TLS", "use http://, or the TLS port")
    if (message := TLS_ALERT.search(cause)) is not None:
        return OutputUnavailable(
            f"{url} rejected the client certificate, or requires one: {message[0]}",
            "set elasticsearch.certificate_file and elasticsearch.key_file to a certificate that it trusts",
        )
    return OutputUnavailable(
        f"{url}: the server certificate is not trusted: {cause}",
        "set elasticsearch.ca_file to the authority that signed it, and use the host name in the certificate",
    )


def timed_out(url: str) -> OutputUnavailable:
    """The error for a server that did not respond within the request timeout."""
    return OutputUnavailable(f"{url} did not respond in time", resumes=True)


def unreachable(url: str, error: BaseException) -> OutputUnavailable:
    """The error for a connection that could not be made, or broke."""
    if requires_tls(url):
        return OutputUnavailable(f"{url} requires TLS", "use https://, or the plain-text port")
    hint = "check that it is running and reachable from this host"
    return OutputUnavailable(f"{url} cannot be reached: {root_cause(error)}", hint, resumes=True)


def requires_tls(url: str) -> bool:
    """Return True if the server at a plain-text URL expects TLS."""
    address = urlsplit(with_port(url))
    if address.scheme != "http" or address.hostname is None:
        return False
    return tls_problem(address.hostname, address.port or PORTS["http"], None) is not None


def unexpected_response(url: str, what: str) -> OutputUnavailable:
    """The error for a response that Elasticsearch would not send."""
    return OutputUnavailable(f"{url} sent an unexpected response: {what[:200]}", "check for a proxy in between")


def unavailable(url: str, status: int, headers: Mapping[str, str], body: object) -> OutputUnavailable:
    """The error for a response without success."""
    cause = cause_in(body)
    message = f"{url} answered {status} {reason_in(body)}"
    if cause is not None and cause["type"] != "security_exception" and (hint := cluster_hint(cause)) is not None:
        return OutputUnavailable(message, hint, retry_after(headers))
    if status == 401:  # noqa: PLR2004 -- HTTP
        return OutputUnavailable(message, "correct elasticsearch.api_key_file, or username and password_file")
    if status == 403:  # noqa: PLR2004 -- HTTP
        return OutputUnavailable(
            message,
            "grant `create_doc`, `auto_configure`, `view_index_metadata` on the indices, `monitor` on the cluster",
        )
    return OutputUnavailable(message, retry_after=retry_after(headers), resumes=True)


def cause_in(body: object) -> Mapping[str, Any] | None:
    """The error object of Elasticsearch; None if the response is not its own but, for example, a proxy's."""
    cause = body.get("error") if isinstance(body, Mapping) else None
    return cause if isinstance(cause, Mapping) and isinstance(cause.get("type"), str) else None


def reason_in(body: object) -> str:
    """The server's error message in one line."""
    cause = cause_in(body)
    if cause is not None:
        return describe(cause)
    return str(body.get("error") if isinstance(body, Mapping) else body)[:200]


def first_few(names: Sequence[str], separator: str = ", ") -> str:
    """Return the first of `names` for a message, with the number of the rest."""
    more = f", and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return separator.join(names[:MOST_NAMED]) + more


def root_cause(error: BaseException) -> str:
    """The message of the innermost cause, without addresses of objects and error numbers."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = str(error).rpartition(": ")[2] if "object at 0x" in str(error) else str(error)
    return ERROR_NUMBER.sub("", message)[:300] or type(error).__name__  # the message after it says the same


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
