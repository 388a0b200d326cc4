r"""Parse access lines: the request logs of web servers and proxies.

Formats: uvicorn; the common and combined log formats (nginx, Apache with host names or virtual hosts, gunicorn,
Hypercorn, Traefik, Caddy, ingress-nginx, werkzeug) also behind the prefix of gunicorn's or werkzeug's logger; Django's
development server; HAProxy's HTTP log; Envoy's and Istio's default format; uWSGI; gin; morgan's `tiny`, `short` and
`dev`; IIS (W3C with its default fields).

A client controls path, query, user name, referrer, user agent and `X-Forwarded-For`. Servers escape quotes in them (`\x22`,
`\"`), so that the first quote that is not escaped begins the request, and the request ends where its version is
followed by the status. Nothing after the bytes can change what was read before. The whole line must match, so that
nothing can be smuggled in before a request; a line that can be read in two ways is no access line.
"""
# ruff: noqa: E501 -- a table with one expression a line

from datetime import datetime
from typing import Any

from shipper_processors.chain_plan import SCHEMA
from shipper_schemas import lazy_re as re

LEVELS = dict(SCHEMA.levels)
METHOD = r"(?P<method>[A-Z]{3,10})"
REQUEST = rf"\"{METHOD} (?P<path>[^\s\"?#]{{1,8192}})(?:[?#][^\s\"]{{0,16384}})? HTTP/\d(?:\.\d)?\""
TARGET = (
    r"(?:[a-z]{2,5}://[^\s\"/?#]{0,255})?+(?P<path>[^\s\"?#]{1,8192}+(?:\"(?<=\\\")[^\s\"?#]{0,8192}+){0,64}+)"
    r"(?:[?#][^\s\"]{0,65536}+(?:(?:\"(?<=\\\")| (?!(?:HTTP/)?[\d.]{1,3}\"))[^\s\"]{0,65536}+){0,64}+)?"
)
"""A request's target; a quote in it is preceded by a backslash. A target in absolute form is shortened to its path."""
QUOTED = rf"\"{METHOD} {TARGET} HTTP/\d(?:\.\d)?\" (?P<status>\d{{3}})"
CLF_TIME = r"\[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?)\]"
CLF = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4})[: ](\d\d:\d\d:\d\d)(\.\d{1,6})?(?: ([+-]\d{4}))?", re.ASCII)
MONTHS = {
    name: f"{number:02d}"
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
ADDRESS = r"[0-9a-fA-F.:]{2,45}"
IPV4 = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
UVICORN = re.compile(
    rf"(?:(?P<level>[A-Z]{{4,8}}):\s{{1,8}})?(?P<client>\[{ADDRESS}\]|{ADDRESS}):\d{{1,5}}"
    rf" - {REQUEST} (?P<status>\d{{3}})"
    r"(?: [A-Za-z' -]{1,40})?",
    re.ASCII,
)
PREFIX = re.compile(
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d{1,10}\] \[(?P<gunicorn>[A-Z]{4,8})\] |(?P<werkzeug>[A-Z]{4,8}):werkzeug:",
    re.ASCII,
)
"""The prefix of gunicorn's and Hypercorn's loggers, and of werkzeug's in Python's default format."""
CLIENT = re.compile(
    rf"(?:(?P<vhost>[\w.-]{{1,253}}:\d{{1,5}}) (?![- ]))?(?:(?P<ip>{ADDRESS}|-)|(?P<list>[^\s\",\[\]|=:\x00-\x1f]{{1,253}}|[^\s\",\[\]|=\x00-\x1f]{{1,253}}(?:, ?[^\s\",\[\]\x00-\x1f]{{1,253}}){{1,32}})) (?P<ident>[^\s\"]{{1,128}}) ",
    re.ASCII,
)
"""What common log lines begin with: perhaps a virtual host, then an address, a host name or a list of addresses."""
TIME_AT_END = re.compile(rf" {CLF_TIME} $", re.ASCII)
COMMON = re.compile(rf"{QUOTED} (?:\d{{1,15}}|-)(?: .{{0,262144}})?", re.ASCII)
HYPERCORN = re.compile(
    rf"\"{METHOD} {TARGET} (?:1\.[01]|2|3)\" (?P<status>\d{{3}}) (?:\d{{1,15}}|-) \".{{0,262144}}", re.ASCII
)
QUOTE = re.compile(r"(?<!\\)\"")
USER = re.compile(r"[^\s]{1,512}", re.ASCII)
SECOND = re.compile(rf"{CLF_TIME.replace('?P<time>', '?:')} \"[A-Z]{{3,10}} ", re.ASCII)
"""The beginning of another request: where a server escapes no quotes, a client's text could have either place."""
TRAEFIK = re.compile(r"\" \d{1,20} \"[^\"]{0,512}\" \"[^\"]{0,512}\" (?P<ms>\d{1,9})ms$", re.ASCII)
INGRESS = re.compile(
    r"\" \d{1,10} (?P<seconds>\d{1,7}\.\d{3}) \[[^\[\]\"]{0,255}\] \[[^\[\]\"]{0,255}\] [\d.:a-fA-F\[\], -]{1,512} [\d, -]{1,128} [\d., -]{1,128} [\d, -]{1,128} (?P<id>[0-9a-f]{32})$",
    re.ASCII,
)
TAIL = 4096
"""Characters at the end of a line in which a proxy's own fields are looked for."""
DAPHNE = re.compile(
    rf"(?P<client>[0-9a-fA-F.:]{{4,52}}) - - {CLF_TIME} \"{METHOD} {TARGET}\" (?P<status>\d{{3}}) (?:\d{{1,15}}|-)",
    re.ASCII,
)
AIOHTTP = re.compile(rf"(?P<client>{ADDRESS}) {CLF_TIME} {QUOTED} (?:\d{{1,15}}|-)(?: \".{{0,65536}})?", re.ASCII)
PHP_FPM = re.compile(
    rf"(?P<client>{ADDRESS}|-) - (?:[^\s\"]{{1,256}}+)? {CLF_TIME[2:-2]} \"{METHOD} {TARGET}\" (?P<status>\d{{3}})",
    re.ASCII,
)
DJANGO = re.compile(rf"{CLF_TIME} {QUOTED} (?:\d{{1,15}}|-)", re.ASCII)
ENVOY = re.compile(
    rf"\[(?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z)\] {QUOTED} (?P<flags>[\w,-]{{1,128}}) (?:[^\s\"]{{1,256}} [^\s\"]{{1,256}} \"[^\"]{{0,512}}\" )?\d{{1,15}} \d{{1,15}} (?P<ms>\d{{1,12}}|-) (?:\d{{1,12}}|-) (?P<rest>\".{{0,65536}})",
    re.ASCII,
)
ENVOY_REST = re.compile(
    r"\"(?P<forwarded>[^\"]{0,4096})\" \"[^\"]{0,8192}\" \"(?P<id>[^\"]{0,128})\" \"[^\"]{0,1024}\" \"[^\"]{0,512}\"(?: [^\"]{0,1024})?",
    re.ASCII,
)
HAPROXY = re.compile(
    rf"(?:<\d{{1,3}}>)?(?:[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d (?:(?!haproxy\[)[\w.:-]{{1,128}} )?)?(?:haproxy\[\d{{1,10}}\]: )?(?P<client>[0-9a-fA-F.:]{{4,52}}+) \[(?P<time>\d\d/[A-Z][a-z]{{2}}/\d{{4}}:\d\d:\d\d:\d\d\.\d{{3}})\] [^\s\"]{{1,128}} [^\s\"/]{{1,128}}/[^\s\"]{{1,128}} (?:[+-]?\d{{1,10}}/){{3,4}}\+?(?P<ms>-?\d{{1,10}}) (?P<status>\d{{3}}|-1) \+?\d{{1,15}} [^\s\"]{{1,256}} [^\s\"]{{1,256}} [\w-]{{4}} [\d/+]{{5,64}} \d{{1,10}}/\d{{1,10}} (?:\{{[^\"{{}}]{{0,8192}}\}} ){{0,2}}\"{METHOD} {TARGET} HTTP/\d(?:\.\d)?\"",
    re.ASCII,
)
UWSGI = re.compile(
    rf"\[pid: \d{{1,10}}\|app: [\d-]{{1,10}}\|req: [\d/-]{{1,40}}\] (?P<client>{ADDRESS}|) \([^\n]{{0,512}}\) \{{\d{{1,6}} vars in \d{{1,10}} bytes\}} \[(?P<time>[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d \d{{4}})\] {METHOD} (?P<path>[^\s?#]{{1,8192}})(?:[?#]\S{{0,65536}})? => generated -?\d{{1,15}} bytes in (?P<ms>\d{{1,12}}) msecs (?:via [\w()]{{1,20}} )?\(HTTP/\d(?:\.\d)? (?P<status>\d{{3}})\) \d{{1,6}} headers in \d{{1,10}} bytes \(\d{{1,10}} switches on core \d{{1,10}}\)",
    re.ASCII,
)
GIN = re.compile(
    rf"\[GIN\] (?P<time>\d{{4}}/\d\d/\d\d - \d\d:\d\d:\d\d) \| {{1,4}}(?P<status>\d{{3}}) \| {{1,20}}(?P<duration>[\d.hmnsµ]{{1,24}}) \| {{1,40}}(?P<client>{ADDRESS}|) \| {METHOD} {{1,12}}\"(?P<path>(?:[^\"?#\\]|\\.){{1,8192}})(?:[?#](?:[^\"\\]|\\.){{0,65536}})?\"(?: .{{0,65536}})?"
)
MORGAN = re.compile(
    rf"(?:(?P<client>{ADDRESS}) (?P<user>\S{{1,256}}) )?(?P<method>GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|CONNECT|TRACE) (?P<path>/[^\s?#]{{0,8191}})(?:[?#]\S{{0,65536}})?(?: HTTP/\d(?:\.\d)?)? (?P<status>\d{{3}}) (?:(?P<dev>\d{{1,9}}\.\d{{3}}) ms - (?:\d{{1,15}}|-)|(?:\d{{1,15}}|-) - (?P<tiny>\d{{1,9}}\.\d{{3}}) ms)",
    re.ASCII,
)
IIS = re.compile(
    rf"(?P<time>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d) {ADDRESS} {METHOD} (?P<path>/[^\s?#]{{0,8191}}) \S{{1,16384}} \d{{1,5}} \S{{1,256}} (?P<client>{ADDRESS}) \S{{1,8192}} \S{{1,8192}} (?P<status>\d{{3}}) \d{{1,5}} \d{{1,10}}(?: (?P<ms>\d{{1,12}}))?",
    re.ASCII,
)
STARTED = re.compile(
    rf"(?:\[[^\[\]]{{1,128}}\] ){{0,4}}Started {METHOD} \"(?P<path>[^\s\"?#]{{1,8192}})(?:[?#][^\"]{{0,65536}})?\" for (?P<client>{ADDRESS}) at ",
    re.ASCII,
)
COMPLETED = re.compile(
    r"(?:\[[^\[\]]{1,128}\] ){0,4}Completed (?P<status>\d{3})(?: [A-Za-z '-]{1,48}?)? in (?P<ms>\d{1,12}(?:\.\d{1,6})?)ms\b",
    re.ASCII,
)
GO_DURATION = re.compile(
    r"(?:(?P<h>\d{1,6})h)?(?:(?P<m>\d{1,6})m(?!s))?(?:(?P<n>\d{1,9}(?:\.\d{1,12})?)(?P<unit>ns|µs|ms|s))?"
)
IDENTIFIER = re.compile(r"[A-Za-z0-9._:/+=@-]{2,128}", re.ASCII)
UNITS = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1000.0}
WITHOUT_VERSION = frozenset("[GHPDOCT0123456789")
"""First characters of access lines without ` HTTP/`."""
METHODS = ("GET", "HEA", "POS", "PUT", "DEL", "PAT", "OPT", "CON", "TRA")
STATUSES = range(100, 600)

Fields = dict[str, Any]


def decode_access(text: str) -> Fields | None:
    """Return method, path without query, status_code, client_ip, and level, time, duration_ms or correlation_id if present.

    None for other lines. The whole line must match. The path is as logged.
    """
    if "\n" in text:
        return None
    if " HTTP/" not in text:
        return _without_version(text) if text[:1] in WITHOUT_VERSION else None
    match = UVICORN.fullmatch(text)
    if match is not None:
        fields = _request(match, match["client"].strip("[]"))
        level = LEVELS.get(match["level"].lower()) if match["level"] else None
        return fields if level is None else {**fields, "level": level}
    first = text[:1]
    if first == "[":
        return _bracketed(text)
    if (prefix := PREFIX.match(text)) is not None:
        return _prefixed(text, prefix)
    if (match := HAPROXY.fullmatch(text)) is not None:
        return _timed(match, match["client"].rpartition(":")[0])
    if (match := AIOHTTP.fullmatch(text)) is not None:
        return _request(match, match["client"], clf_time(match["time"]))
    return _common(text) or _morgan(_match_morgan(text))


def _bracketed(text: str) -> Fields | None:
    """Decode a line that begins with a bracket: Django, Envoy, or the prefix of gunicorn and Hypercorn."""
    if (prefix := PREFIX.match(text)) is not None:
        return _prefixed(text, prefix)
    if (match := DJANGO.fullmatch(text)) is not None:
        return _request(match, None, clf_time(match["time"]))
    return _envoy(text)


def _without_version(text: str) -> Fields | None:
    """Decode the lines of servers that do not write ` HTTP/`."""
    first = text[0]
    if first == "[":
        if text.startswith("[GIN] "):
            return _gin(text)
        if text.startswith("[pid: "):
            match = UWSGI.fullmatch(text)
            return None if match is None else _timed(match, match["client"])
        prefix = PREFIX.match(text)
        return None if prefix is None else _prefixed(text, prefix)
    if first.isdecimal():
        if (match := DAPHNE.fullmatch(text)) is not None:
            return _request(match, match["client"].rpartition(":")[0], clf_time(match["time"]))
        if (match := PHP_FPM.fullmatch(text)) is not None:
            return _request(match, match["client"], clf_time(match["time"]))
        match = IIS.fullmatch(text) if text[4:5] == "-" and text[-1].isdecimal() else None
        return _morgan(_match_morgan(text)) if match is None else _timed(match, match["client"])
    return _morgan(_match_morgan(text)) if text[:3] in METHODS else None


# --- the common log format -------------------------------------------------------------------------


def _prefixed(text: str, prefix: "re.Match[str]") -> Fields | None:
    """Decode a common log line behind the prefix of a server's own logger."""
    fields = _common(text, prefix.end())
    if fields is None:
        return None
    level = LEVELS.get((prefix["gunicorn"] or prefix["werkzeug"]).lower())
    return fields if level is None else {**fields, "level": level}


def _common(text: str, start: int = 0) -> Fields | None:
    """Decode a common or combined log line that begins at `start`."""
    quote = QUOTE.search(text, start)
    client = CLIENT.match(text, start)
    if quote is None or client is None:
        return None
    at = quote.start()
    time = TIME_AT_END.search(text[max(client.end() - 1, at - 64) : at])
    match = COMMON.fullmatch(text, at) or (HYPERCORN.fullmatch(text, at) if start else None)
    if time is None or match is None:
        return None
    user = text[client.end() : at - len(time[0])]
    is_named = client["ip"] is None and client["vhost"] is None
    if is_named and (USER.fullmatch(user) is None or client["list"].lower() in LEVELS):
        return None
    stamp = clf_time(time["time"])
    if stamp is None or SECOND.search(text, match.end("status")) is not None:
        return None
    fields = _request(match, _first_address(client), stamp)
    return _with_tail(fields, text[-TAIL:]) if text[-1] != '"' else fields


def _first_address(client: "re.Match[str]") -> str:
    if client["ip"] is not None:
        return _without_port(client["ip"])
    return str(client["list"].partition(",")[0])


def _without_port(address: str) -> str:
    host, colon, _ = address.partition(":")
    return host if colon and "." in host else address


def _with_tail(fields: Fields, tail: str) -> Fields:
    """Add the duration and the request id that Traefik and ingress-nginx write at the end."""
    if (match := TRAEFIK.search(tail)) is not None:
        fields["duration_ms"] = float(match["ms"])
    elif (match := INGRESS.search(tail)) is not None:
        fields["duration_ms"] = round(float(match["seconds"]) * 1000, 3)
        fields["correlation_id"] = match["id"]
    return fields


def clf_time(text: str) -> str | None:
    """Return a time such as `30/Nov/2026:11:37:18 +0000` in ISO 8601, without a zone if it has none; None if invalid."""
    match = CLF.fullmatch(text)
    if match is None:
        return None
    day, month, year, clock, fraction, zone = match.groups()
    iso = f"{year}-{MONTHS.get(month, '')}-{day}T{clock}{fraction or ''}{f'{zone[:3]}:{zone[3:]}' if zone else ''}"
    try:
        datetime.fromisoformat(iso)
    except ValueError:
        return None
    return iso


# --- other servers ---------------------------------------------------------------------------------


def _envoy(text: str) -> Fields | None:
    match = ENVOY.fullmatch(text)
    if match is None:
        return None
    fields = _timed(match, None)
    rest = ENVOY_REST.fullmatch(match["rest"])  # a quote in a header shifts the fields: then none of them is read
    if rest is not None:
        client = rest["forwarded"].partition(",")[0]
        if client != "-":
            fields["client_ip"] = client
        if IDENTIFIER.fullmatch(rest["id"]):
            fields["correlation_id"] = rest["id"]
    return fields


def _gin(text: str) -> Fields | None:
    match = GIN.fullmatch(text)
    if match is None:
        return None
    fields = _request(match, match["client"], match["time"].replace("/", "-").replace(" - ", " "))
    duration = go_duration_ms(match["duration"])
    return fields if duration is None else {**fields, "duration_ms": duration}


def go_duration_ms(text: str) -> float | None:
    """Return milliseconds of a duration as Go writes it, such as `1m2.5s` or `12.3µs`; None if it is none."""
    match = GO_DURATION.fullmatch(text)
    if match is None or not text:
        return None
    hours, minutes = int(match["h"] or 0), int(match["m"] or 0)
    number = float(match["n"]) * UNITS[match["unit"]] if match["n"] else 0.0
    return round((hours * 60 + minutes) * 60_000 + number, 6)


def decode_started(text: str, at: int) -> Fields:
    """Return method, path and client of the line that Rails writes when a request begins; nothing for other lines."""
    match = STARTED.match(text, at)
    return {} if match is None else {"method": match["method"], "path": match["path"], "client_ip": match["client"]}


def decode_completed(text: str, at: int) -> Fields:
    """Return status and duration of the line that Rails writes when a request ends; nothing for other lines."""
    match = COMPLETED.match(text, at)
    return {} if match is None else {"status_code": int(match["status"]), "duration_ms": float(match["ms"])}


def _match_morgan(text: str) -> "re.Match[str] | None":
    return MORGAN.fullmatch(text) if " ms" in text else None


def _morgan(match: "re.Match[str] | None") -> Fields | None:
    if match is None:
        return None
    fields = _request(match, match["client"])
    fields["duration_ms"] = float(match["dev"] or match["tiny"])
    return fields


def _timed(match: "re.Match[str]", client: str | None) -> Fields:
    """Return the fields of a request whose line has a time and a duration in milliseconds."""
    time = match["time"]
    fields = _request(match, client, (clf_time(time) or time) if "/" in time else time)
    if match["ms"] is not None and match["ms"].isdecimal():
        fields["duration_ms"] = float(match["ms"])
    return fields


def _request(match: "re.Match[str]", client: str | None, time: str | None = None) -> Fields:
    fields: Fields = {"method": match["method"], "path": match["path"]}
    status = int(match["status"])
    if status in STATUSES:
        fields["status_code"] = status
    if client and client != "-":
        fields["client_ip"] = client
    if time is not None:
        fields["time"] = time
    return fields
