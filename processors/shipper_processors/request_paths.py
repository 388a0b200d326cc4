"""The paths of a request under which servers may route it, besides the one that was logged.

A server decodes and normalises a path before it selects a handler, and servers differ: nginx decodes, merges slashes
and resolves dots; Starlette decodes; Tomcat also cuts path parameters; Express ignores letter case and a trailing
slash; servers that parse paths as URLs treat a backslash as a slash; a proxy and the application behind it may both
decode; some cut a path at a NUL or trim blanks at its end. A client can thus write one path in many ways.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE | re.ASCII)
PARAMETERS = re.compile(r";[^/]*")
BLANKS = " \t\r\n"
SLASHES = re.compile(r"/{2,}")


def is_unusual(path: str) -> bool:
    """Return True if servers may route a path otherwise than as it is written, letter case apart."""
    return "%" in path or "//" in path or "/." in path or ";" in path or "\\" in path


def normalised_paths(path: str) -> Iterator[str]:
    """Yield the normalised forms of a path: decoded, without origin, query, parameters, dots and repeated slashes.

    Two forms, if a path has both `..` and repeated slashes: RFC 3986 resolves dots first, nginx merges slashes first.
    As many again, if a path decoded once can be decoded again.
    """
    bare = re.split(r"[?#]", path, maxsplit=1)[0]
    origin = ORIGIN.match(bare)
    if origin is not None:
        bare = bare[origin.end() :] or "/"
    if ";" in bare:
        bare = PARAMETERS.sub("", bare)
    once = unquote(bare) if "%" in bare else bare
    yield from _forms(once)
    if "%" in once and (twice := unquote(once)) != once:
        yield from _forms(twice)


def _forms(decoded: str) -> Iterator[str]:
    bare = decoded.partition("\0")[0].rstrip(BLANKS).replace("\\", "/")
    merged = without_dots(SLASHES.sub("/", bare))
    yield merged
    if "//" in bare and "/.." in bare:
        yield SLASHES.sub("/", without_dots(bare))


def without_dots(path: str) -> str:
    """Return a path without `.` and `..` segments, as RFC 3986, section 5.2.4, removes them."""
    if "/." not in path:
        return path
    kept: list[str] = []
    first, *segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/".join([first, *kept])
