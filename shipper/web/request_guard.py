"""Request checks: origin, redirects, form fields."""

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl, urlencode

from shipper.system.loopback import is_loopback

READ = ("GET", "HEAD")
MOST_FORM_BYTES, MOST_FIELDS = 4096, 32

Environ = dict[str, Any]


def query_fields(query: str) -> dict[str, str] | None:
    """Parse a query, keeping the last value of each name; None if there are too many fields."""
    try:
        return dict(parse_qsl(query, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None


def authorization_scheme(environ: Environ) -> str:
    """Return the scheme of the Authorization header, in lower case."""
    return str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")[0].lower()


def is_cross_site(environ: Environ) -> bool:
    """Return True for a request of another site in the background, in a frame or by a form; links are allowed."""
    if environ["REQUEST_METHOD"] not in READ:
        origin = environ.get("HTTP_ORIGIN", "")
        if origin and origin.partition("://")[2] != environ.get("HTTP_HOST", ""):
            return True
    if environ.get("HTTP_SEC_FETCH_SITE") not in ("cross-site", "same-site"):
        return False
    linked = environ.get("HTTP_SEC_FETCH_MODE") == "navigate" and environ.get("HTTP_SEC_FETCH_DEST") == "document"
    return not linked or environ["REQUEST_METHOD"] not in READ


def requested_location(environ: Environ, paths: Collection[str]) -> str:
    """Return the requested path and query, validated by `safe_location`."""
    query = environ.get("QUERY_STRING", "")
    return safe_location(f"{environ.get('PATH_INFO', '/').removeprefix('/')}{'?' if query else ''}{query}", paths)


def safe_location(place: str, paths: Collection[str]) -> str:
    """Return `place` as a relative location rebuilt from its parts; `./` if it is not one of `paths`."""
    path, _, query = place.partition("?")
    if f"/{path}" not in paths:
        return "./"
    fields = query_fields(query)
    return f"{path or './'}?{urlencode(fields)}" if fields else path or "./"


def is_local_name(host: str) -> bool:
    """Return True if a Host header names this machine: another site's name may resolve to loopback."""
    name = host.removesuffix(f":{host.rpartition(':')[2]}") if ":" in host and not host.endswith("]") else host
    return name in ("", "localhost") or is_loopback(name.strip("[]"))


def host_of(listen: str) -> str:
    """Return the host of HOST:PORT, without the brackets of an IPv6 address."""
    return listen.rpartition(":")[0].strip("[]")
