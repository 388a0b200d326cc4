"""The Elasticsearch client, for management and search, and the translation of its errors."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import elastic_transport
from elasticsearch import ApiError, Elasticsearch, ElasticsearchWarning, UnsupportedProductError
from elasticsearch.serializer import OrjsonSerializer

from shipper.config.output_settings import ElasticsearchSettings
from shipper.outputs.elasticsearch.answers import (
    not_elasticsearch,
    timed_out,
    tls,
    tls_failure,
    unavailable,
    unexpected_response,
    unreachable,
    with_port,
)


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
        serializer=OrjsonSerializer(),
        **options,
    )


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate the client's errors into OutputUnavailable, with the server, the failure and a hint."""
    try:
        yield
    except UnsupportedProductError as error:
        raise not_elasticsearch(url) from error
    except ApiError as error:
        raise unavailable(url, error.meta.status, error.meta.headers, error.body) from error
    except elastic_transport.TlsError as error:
        raise tls_failure(url, error) from error
    except elastic_transport.ConnectionTimeout as error:
        raise timed_out(url) from error
    except elastic_transport.SerializationError as error:
        raise unexpected_response(url, str(error)) from error
    except elastic_transport.TransportError as error:
        raise unreachable(url, error) from error
