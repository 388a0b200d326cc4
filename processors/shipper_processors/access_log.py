"""Parse access lines: the request logs of uvicorn, gunicorn and nginx.

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
    """Return method, path without query, status_code, client_ip, and level or time if present; None for other lines.

    The whole line must match, so that nothing can be smuggled in before or after a request.
    """
    if " HTTP/" not in text or "\n" in text:
        return None
    match = UVICORN.fullmatch(text)
    if match is None:
        return _combined(text)
    fields = _request(match)
    if match["level"]:
        fields["level"] = match["level"].lower()
    return fields


def _combined(text: str) -> dict[str, Any] | None:
    match = COMBINED.fullmatch(text)
    if match is None:
        return None
    fields = _request(match)
    try:
        fields["time"] = datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").isoformat()
    except ValueError:
        return None
    return fields


def _request(match: re.Match[str]) -> dict[str, Any]:
    client = match["client"].strip("[]")
    fields: dict[str, Any] = {"method": match["method"], "path": match["path"], "status_code": int(match["status"])}
    if not 100 <= fields["status_code"] <= 599:  # noqa: PLR2004 -- the range of HTTP statuses
        del fields["status_code"]
    if client != "-":
        fields["client_ip"] = client
    return fields
