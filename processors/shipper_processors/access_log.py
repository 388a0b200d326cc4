"""Access lines: what uvicorn, gunicorn and nginx print of each request.

Formats: uvicorn's `ADDRESS - "METHOD PATH HTTP/x" STATUS PHRASE` behind a level prefix, and the common and combined log
formats (`ADDRESS IDENT USER [TIME] "METHOD PATH HTTP/x" STATUS BYTES` with referrer and agent) of gunicorn and nginx.
"""

import re
from datetime import datetime
from typing import Any

METHOD = r"(?P<method>[A-Z]{3,10})"
REQUEST = rf"\"{METHOD} (?P<path>[^\s\"?#]{{1,8192}})(?:[?#][^\s\"]{{0,16384}})? HTTP/\d(?:\.\d)?\""
TIME = r"(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})"
UVICORN = re.compile(
    rf"(?:(?P<level>[A-Z]{{4,8}}):\s{{1,8}})?(?P<client>[0-9a-fA-F.:\[\]]{{2,45}}):\d{{1,5}}"
    rf" - {REQUEST} (?P<status>\d{{3}})"
    r"(?: [A-Za-z' -]{1,40})?",
    re.ASCII,
)
COMBINED = re.compile(
    rf"(?P<client>[0-9a-fA-F.:]{{2,45}}|-) \S{{1,128}} \S{{1,256}} \[{TIME}\]"
    rf" {REQUEST} (?P<status>\d{{3}})"
    r" (?:\d{1,15}|-)(?: \"[^\"]{0,8192}\" \"[^\"]{0,8192}\")?(?: .{0,256})?",
    re.ASCII,
)


def decode_access(text: str) -> dict[str, Any] | None:
    """Method, path without query, status_code, client_ip, with level or time where the line has one; else None.

    The line must match from end to end, so that nothing can be smuggled behind or before it.
    """
    if " HTTP/" not in text or "\n" in text:
        return None
    match = UVICORN.fullmatch(text)
    if match is None:
        return _combined(text)
    found = _request(match)
    if match["level"]:
        found["level"] = match["level"].lower()
    return found


def _combined(text: str) -> dict[str, Any] | None:
    match = COMBINED.fullmatch(text)
    if match is None:
        return None
    found = _request(match)
    try:
        found["time"] = datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").isoformat()
    except ValueError:
        return None
    return found


def _request(match: re.Match[str]) -> dict[str, Any]:
    client = match["client"].strip("[]")
    found: dict[str, Any] = {"method": match["method"], "path": match["path"], "status_code": int(match["status"])}
    if not 100 <= found["status_code"] <= 599:  # noqa: PLR2004 -- what a status can be
        del found["status_code"]
    if client != "-":
        found["client_ip"] = client
    return found
