"""Checks of a request before it is answered: origin, redirects, form fields."""

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shipper.system.loopback import is_loopback

READ = ("GET", "HEAD")
MOST_FORM_BYTES, MOST_FIELDS = 4096, 32

Environ = dict[str, Any]


def _fields(query: str) -> dict[str, str] | None:
    """The fields of a query, the last of each name; None where there are too many."""
    try:
        return dict(parse_qsl(query, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None


def _scheme(environ: Environ) -> str:
    return str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")[0].lower()


def _from_elsewhere(environ: Environ) -> bool:
    """Whether a page of another site asks, in the background, in a frame or by a form; a link to us is welcome."""
    if environ["REQUEST_METHOD"] not in READ:
        origin = environ.get("HTTP_ORIGIN", "")
        if origin and origin.partition("://")[2] != environ.get("HTTP_HOST", ""):
            return True
    if environ.get("HTTP_SEC_FETCH_SITE") not in ("cross-site", "same-site"):
        return False
    linked = environ.get("HTTP_SEC_FETCH_MODE") == "navigate" and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    return not linked or environ["REQUEST_METHOD"] not in READ


def _following(environ: Environ, paths: Collection[str]) -> str:
    """The place that a request asks for, as `_safe` gives it."""
    query = environ.get("QUERY_STRING", "")
    return _safe(f"{environ.get('PATH_INFO', '/').removeprefix('/')}{'?' if query else ''}{query}", paths)


def _safe(place: str, paths: Collection[str]) -> str:
    """A relative place among `paths`, made anew from what was given; `./` where that is none."""
    path, _, query = place.partition("?")
    if f"/{path}" not in paths:
        return "./"
    fields = _fields(query)
    return f"{path or './'}?{urlencode(fields)}" if fields else path or "./"


def _local_name(host: str) -> bool:
    """Whether a Host header names this machine: a page elsewhere may have its own name resolve to loopback."""
    name = host.removesuffix(f":{host.rpartition(':')[2]}") if ":" in host and not host.endswith("]") else host
    return name in ("", "localhost") or is_loopback(name.strip("[]"))


def host_of(listen: str) -> str:
    """The host of HOST:PORT, without the brackets of an IPv6 address."""
    return listen.rpartition(":")[0].strip("[]")
