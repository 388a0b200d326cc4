"""Read the head of a text line: its time, level, logger and correlation id, and where its message begins.

A head is what a logger or a server puts before the message. It is only recognised in the places where known formats
have it, so that a level word in a sentence means nothing: `[DEBUG] error while parsing` is a debug line. The first
characters select the few expressions that are tried; all of them are anchored, and their repetitions bounded.

Formats: Python's logging (basicConfig, the usual `asctime` forms, Django, Celery, loguru, gunicorn, uvicorn, alembic,
Airflow, Odoo), structlog and zerolog consoles, zap consoles, Go's log, klog and glog, capnslog, hclog, env_logger and
tracing, log4j, logback, Spring Boot, Quarkus, WildFly, Tomcat, java.util.logging, Kafka, ZooKeeper, Elasticsearch,
MongoDB, MySQL, MariaDB, PostgreSQL, Redis, RabbitMQ, nginx, Apache, HAProxy, PHP, Monolog, Ruby's Logger and Rails,
NestJS, winston, NLog, Serilog, .NET's console, Elixir, ClickHouse, and syslog (RFC 3164).
"""

# ruff: noqa: E501 -- a table with one expression a line
from functools import lru_cache
from typing import NamedTuple

from shipper_processors.chain_plan import SCHEMA
from shipper_processors.field_values import is_placeholder
from shipper_schemas import lazy_re as re

LEVELS = dict(SCHEMA.levels)
"""Each spelling of a level in an application's own fields, with the level that it means."""
WORDS = {
    **LEVELS,
    "trc": "trace", "trce": "trace", "finest": "trace", "finer": "trace", "vrb": "trace", "trac": "trace", "debu": "debug", "erro": "error", "fata": "critical", "pani": "critical", "verb": "debug", "dbg": "debug",
    "dbug": "debug", "config": "debug", "inf": "info", "informational": "info", "log": "info", "note": "info",
    "system": "info", "success": "info", "wrn": "warning", "warng": "warning", "eror": "error", "errr": "error",
    "fail": "error", "failure": "error", "ftl": "critical", "pnc": "critical", "dpanic": "critical", "emer": "critical",
}  # fmt: skip
"""Further spellings, which only mean a level in a head."""
SENTENCE = {word: level for word, level in LEVELS.items() if word not in ("panic", "fine", "alert")}
"""Words that mean a level at the beginning of a line with a colon after them; Go begins a crash with `panic: `."""
POSTGRES = {
    "debug": "debug", "debug1": "debug", "debug2": "debug", "debug3": "debug", "debug4": "debug", "debug5": "debug",
    "log": "info", "info": "info", "statement": "info", "detail": "info", "hint": "info", "context": "info",
    "query": "info", "location": "info", "notice": "notice", "warning": "warning", "error": "error",
    "fatal": "critical", "panic": "critical",
}  # fmt: skip
PHP = {
    "fatal error": "critical", "recoverable fatal error": "error", "parse error": "critical", "core error": "critical",
    "compile error": "critical", "warning": "warning", "core warning": "warning", "compile warning": "warning",
    "user error": "error", "user warning": "warning", "user notice": "notice", "notice": "notice",
    "deprecated": "notice", "user deprecated": "notice", "strict standards": "notice",
}  # fmt: skip
LETTERS = {
    "i": "info", "w": "warning", "e": "error", "f": "critical", "d": "debug", "c": "critical", "n": "notice",
    "t": "trace", "u": "info", "a": "info",
}  # fmt: skip
MONGO = LETTERS | {"d1": "debug", "d2": "debug", "d3": "debug", "d4": "debug", "d5": "debug"}
LOGCAT = LETTERS | {"v": "debug"}
NGINX = {word: WORDS[word] for word in ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")}
WEBSPHERE = LETTERS | {"r": "info"}
REDIS = {".": "debug", "-": "debug", "*": "notice", "#": "warning"}
SYSLOG = ("critical", "critical", "critical", "error", "warning", "notice", "info", "debug")
"""Levels of syslog's severities 0 to 7 (RFC 5424, section 6.2.1)."""


class Head(NamedTuple):
    """The head of a text line."""

    time: str | None
    """The time as written; it may lack a date, a year or a zone."""
    level: str | None
    logger: str | None
    correlation_id: str | None
    at: int
    """Index at which the message begins."""

    def fields(self) -> dict[str, str]:
        """Return level, logger and correlation id, as far as the head has them."""
        known = (("level", self.level), ("logger", self.logger), ("correlation_id", self.correlation_id))
        return {name: value for name, value in known if value is not None}


class Form:
    """An expression that recognises one form of heads, and the words that its level may have.

    It is compiled at its first use: most processes meet few forms, and compiling all of them delays each start.
    """

    __slots__ = ("_pattern", "correlation_id", "expression", "level", "logger", "time", "words")

    def __init__(self, expression: str, words: dict[str, str]) -> None:
        """Set the expression; it may have the groups `time`, `level`, `logger` and `id`."""
        self.expression = expression
        self.words = words
        self._pattern: re.Pattern[str] | None = None
        self.time = self.level = self.logger = self.correlation_id = 0

    @property
    def pattern(self) -> "re.Pattern[str]":
        """The compiled expression; the numbers of its groups are known once it was read."""
        if self._pattern is None:
            self._pattern = re.compile(self.expression, re.ASCII)
            index = self._pattern.groupindex.get
            self.time, self.level = index("time", 0), index("level", 0)
            self.logger, self.correlation_id = index("logger", 0), index("id", 0)
        return self._pattern


def form(expression: str, words: dict[str, str] = WORDS) -> Form:
    """Return a form of heads whose level has one of these words."""
    return Form(expression, words)


ISO = r"\d{4}[-/.]\d\d[-/.]\d\d[Tt _]\d\d:\d\d:\d\d(?:[.,:]\d{1,9})?(?: ?(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)(?![\w:])| [A-Z]{3,5}(?= \[\d))?(?!\d|:\d)"
CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
UPPER = r"(?P<level>[A-Z]{3,13})"
WORD = r"(?P<level>[A-Za-z]{3,13})"
NAME = r"(?P<logger>[A-Za-z_<][\w.$/<>:*@-]{0,159})"
ID = r"(?P<id>[\w.:/+=@-]{1,128})"

TIME_FIRST = re.compile(rf"(?P<time>{ISO}|\d\d/[A-Z][a-z]{{2}}/\d{{4}}[: ]\d\d:\d\d:\d\d(?: [+-]\d{{4}})?)", re.ASCII)
DATE_FIRST = re.compile(
    r"\d{1,2}[/.]\d{1,2}[/.]\d{4},? {1,2}\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?: [AP]M)?(?![\d:])", re.ASCII
)
"""A date whose day and month cannot be told apart; its time is not read."""
AFTER_TIME_DASH = (
    form(rf" - (?P<logger>[\w./-]{{1,80}})\[{UPPER}\]: "),  # cloud-init
    form(rf" {{1,3}}- {{1,3}}(?:{NAME} {{1,40}}- {{1,3}})?[\[(]?{WORD}[\])]? {{0,8}}(?:[-:|]\s{{1,4}}|$)"),
    form(rf" {{1,3}}- {{1,3}}(?:{NAME} {{1,40}}- {{1,3}})?[\[(]?{UPPER}[\])]?\s{{1,8}}"),
)
"""`time - logger - LEVEL - message`, Python's best known format."""
AFTER_TIME_PIPE = (
    form(
        rf" ?\| ?{WORD} {{0,8}}\| ?(?:(?P<logger>[A-Za-z_<][\w.$<>/]{{0,159}})(?::[\w<>]{{1,120}}:\d{{1,7}})?(?: - |\|))?"
    ),
)
"""loguru's `time | LEVEL | module:function:line - message`, and NLog's `time|LEVEL|logger|message`."""
AFTER_TIME_TAB = (
    form(rf"\t(?P<id>[0-9a-f]{{8}}-[0-9a-f-]{{27}})\t{WORD}\t"),  # AWS Lambda, Node.js
    form(rf"\t{WORD}\t(?:(?P<logger>[A-Za-z_][\w.-]{{0,120}})\t)?(?:[\w./@-]{{1,200}}\.go:\d{{1,7}}\t)?"),
    form(rf"\t\[?{WORD}\]?:?\t"),
)
"""zap's console: `time<tab>LEVEL<tab>logger<tab>file:line<tab>message`."""
AFTER_TIME_BRACKET = (
    form(
        r" \[\d{1,10}(?:-\d{1,10})?\]:? (?:\[[^\[\]]{0,80}\] )?(?:[\w.-]{0,63}@[\w.-]{0,63} )?(?P<level>[A-Z1-5]{3,9}):\s{1,4}",
        POSTGRES,
    ),
    form(
        rf" \[{WORD} {{0,8}}\] \d{{1,10}}#\d{{1,10}}: (?:\*\d{{1,20}} )?", NGINX
    ),  # it names no logger: `OS: Linux 6.1` is a message
    form(
        rf" {{1,2}}\[{WORD} {{0,8}}\](?: <\d{{1,10}}\.\d{{1,10}}\.\d{{1,10}}>)? {{1,8}}(?:(?P<logger>[A-Za-z_][\w./-]{{0,80}}): )?"
    ),
    form(rf" {{1,2}}\[{WORD} {{0,8}}\]:?\s{{0,8}}"),
    form(rf" {{1,2}}\[(?P<logger>[A-Za-z_][\w.]{{0,120}})\] {UPPER}: "),  # Scrapy
    form(rf" {{1,2}}\[[^\[\]]{{0,160}}\]\s{{1,4}}(?:- {{1,2}})?{UPPER}(?:\s|:)"),  # a thread, then the level
    form(rf" {{1,2}}(?:\[[^\[\]]{{0,120}}\] ?){{1,3}}\[{WORD} {{0,8}}\]:?\s{{0,8}}"),
    form(rf" {{1,2}}\[[^\[\]]{{0,160}}\]\s{{1,4}}\[?{WORD}\]?:\s"),
    form(
        rf" \[ {{0,5}}\d{{1,10}} {{0,5}}\] \{{[^{{}}]{{0,80}}\}} <(?P<level>[A-Za-z]{{3,13}})> (?:{NAME}: )?"
    ),  # ClickHouse
)
AFTER_TIME_DIGIT = (
    form(rf" \d{{1,20}} \[{WORD}\] (?:\[MY-\d{{1,6}}\] )?(?:\[(?P<logger>[\w-]{{1,40}})\] )?"),  # MySQL, MariaDB
    form(rf" \d{{1,10}} {UPPER} (?:[\w.?-]{{1,64}} )?(?P<logger>[A-Za-z_][\w.]{{0,120}}): "),  # Odoo
    form(rf" \d{{1,10}} {UPPER}\s{{1,6}}"),
)
AFTER_TIME_BRACE = (form(rf" \{{[^{{}}]{{1,120}}\}} {UPPER} - "),)  # Airflow
AFTER_TIME_LETTER = (
    form(rf"[ ,]{{1,4}}{UPPER}(?:[\s:|,\]-]|$)"),
    form(rf"[ ,]{{1,4}}{WORD} {{0,8}}(?:[:|\]]|  |-\s|\[[^\[\]]{{1,80}}\]: )\s{{0,4}}"),
    form(r" (?P<level>[A-Z]) \| (?P<logger>[\w./-]{1,80}): ", LETTERS),  # capnslog
    form(rf" \w{{1,16}}\| {UPPER}: "),  # Squid
    form(r" (?P<level>[a-z]{4,8}) (?P<logger>[\w.-]{1,80}) : "),  # Swift
    form(r" (?P<level>[IWED])! ", LETTERS),  # Telegraf
    form(rf" [\w./-]{{1,120}}:\d{{1,7}}: {UPPER}: "),  # Go's log with file and line
    form(r" \S{1,160} \[(?P<level>[IWEDTCF])\] ", LETTERS),  # Gitea
    form(rf" (?:[\w.]{{1,20}}=\S{{1,128}} ){{1,8}}{UPPER}: "),  # Sidekiq
    form(r" (?P<level>[DIWEF]|D[1-5]) {1,3}(?P<logger>[A-Z-]{1,12}) {1,10}\[[^\[\]]{1,80}\] ", MONGO),
    form(rf" (?P<logger>[A-Za-z_][\w.-]{{0,120}}) {{1,4}}\[?{UPPER}\]?(?::|\s-|\s\||\s{{2}}|\s)\s{{0,4}}"),
    form(r" [\w.-]{1,63}@[\w.-]{1,63} (?:\[\d{1,10}\] )?(?P<level>[A-Z1-5]{3,9}):  ?", POSTGRES),
    form(r" [\w.-]{1,128} (?P<logger>[\w./-]{1,48})(?:\[\d{1,10}\])?: "),  # syslog with an ISO time
    form(
        r",(?:(?:\"[^\"]{0,256}\"|[^,\"]{0,64}),){10}(?P<level>[A-Z1-5]{3,9}),[0-9A-Z]{5},\"?", POSTGRES
    ),  # PostgreSQL's csvlog
)
LOGGER_FORMS = {
    "[": re.compile(
        r"(?:\[[^\[\]]{0,160}\] )?\d{1,10} --- (?:\[[^\[\]]{0,200}\] {0,40}){1,3}(?P<spring>[\w.$/\[\]-]{1,120}) {0,60}: "
        r"|\[(?P<coded>[a-z]\w{0,40}(?:\.\w{1,60}){1,12})\] (?=[A-Z]{2,12}\d{3,8}: )"
        r"|\[(?P<jboss>[A-Za-z_][\w.$-]{1,160})\] \([^()]{0,160}\) "
        r"|\[(?P<numbered>(?:[A-Za-z_]\w{0,60}\.){1,8}+(?!(?:py|js|ts|mjs|cjs|go|rb|rs|php|java|kt|cs|c|cc|cpp):)[A-Za-z_]\w{0,60}"
        r"|__main__|root):\d{1,7}\] "  # a logger with the line number, and no file
        r"|\[[^\[\]]{0,160}\]\s{1,4}(?P<threaded>[A-Za-z_][\w.$]{0,160}) {0,40}(?:-|:) "
        r"|\[(?:Server|Broker|Controller|Log|Group|Consumer|Producer|AdminClient)[^\[\]]{0,160}\]:? ",
        re.ASCII,
    ),
    "0": re.compile(
        r"\d{1,10} --- (?:\[[^\[\]]{0,200}\] {0,40}){1,3}(?P<spring>[\w.$/\[\]-]{1,120}) {0,60}: ", re.ASCII
    ),
}
"""What may stand between a level and the message after a bracket or a digit: process, thread and logger."""
LOGGER = re.compile(
    r"(?P<name>[A-Za-z_][\w.$-]{0,80}+(?:::\w{1,60}+){0,8}+)(?:\[\d{1,10}\])?(?P<end>(?: \[[^\[\]]{0,64}\])? {1,40}-(?= )|:(?= ))?",
    re.ASCII,
)
"""A logger after a level; without a dash or a colon after it, its name must have a dot in it."""
SPAN = re.compile(r"(?:[a-z_]\w{0,40}\{[^{}]{0,200}\}:?\s?){1,2}", re.ASCII)
"""The spans that tracing writes before its target."""
COMPOSE = re.compile(r"[A-Za-z][\w.-]{0,63} {0,40}\| {1,4}(?=\S)", re.ASCII)
"""The name of a service that Docker Compose writes before each line."""
SEPARATORS = " \t:|,]-"
TRACE = re.compile(
    r"\[(?:[\w.-]{0,64},)?(?P<id>[0-9a-f]{32}|[0-9a-f]{16}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?= |\]))"
    r"(?:[,-][0-9a-f]{16})?(?:,\w{0,8})?(?: [\w -]{0,200})?\]",
    re.ASCII,
)
"""Sleuth's and Micrometer's `[application,trace,span]`, and a bracket with a UUID or 32 hexadecimal digits."""
FIRST_DIGIT = (
    form(
        rf"(?P<time>\d{{4}}-\d\d-\d\d {{1,2}}\d{{1,2}}:\d\d:\d\d) \d{{1,20}} \[{WORD}\] "
    ),  # MariaDB, with a blank before the hour
    form(
        rf"(?P<time>{CLOCK}) (?:[\w.]{{1,40}}=(?!\[)[^\s\"]{{1,128}} ){{0,4}}?request_id={ID} (?:[\w.]{{1,40}}=[^\s\"]{{1,128}} ){{0,4}}\[{WORD}\] {{1,2}}"
    ),  # Elixir
    form(
        rf"(?P<time>{CLOCK}) \|-{UPPER} in (?P<logger>[A-Za-z_][\w.$/-]{{0,159}})(?:@[0-9a-f]{{1,16}})?(?:\[[^\[\]\n]{{0,120}}\])? - "
    ),  # logback about itself: a class, with the object's hash or name
    form(
        rf"\d\d-\d\d-\d\d {CLOCK} [\w.-]{{1,64}} {UPPER} \[(?P<logger>[\w.$/-]{{1,120}})(?::\d{{1,7}})?\] - "
    ),  # timbre
    form(r"(?P<time>\d{10}): (?P<level>[A-Z][a-z]{3,9}): ", SENTENCE),  # Mosquitto
    form(
        rf"(?P<time>\d\d-\d\d {CLOCK}) {{1,4}}\d{{1,10}} {{1,6}}\d{{1,10}} (?P<level>[VDIWEF]) (?P<logger>[^\s:]{{1,80}}) {{0,20}}: ",
        LOGCAT,
    ),
    form(rf"\d{{6}} \d{{6}} \d{{1,10}} {UPPER} (?P<logger>[\w.$]{{1,120}}): "),  # HDFS
    form(
        rf"(?P<time>\d\.\d{{1,20}}e[+-]\d\d)\t{WORD}\t(?:(?P<logger>[A-Za-z_][\w.-]{{0,120}})\t)?(?:[\w./@-]{{1,200}}\.go:\d{{1,7}}\t)?"
    ),  # zap
    form(
        rf"\d{{1,10}} \[[^\[\]]{{0,160}}\] {UPPER}\s{{1,4}}(?:(?P<logger>[A-Za-z_][\w.$]{{0,160}}) {{0,40}}- )?"
    ),  # log4j with milliseconds since the start
    form(
        rf"(?P<time>\d\d-[A-Z][a-z]{{2}}-\d{{4}} {CLOCK}) (?P<logger>[\w-]{{1,40}}): (?P<level>[a-z]{{4,8}})(?: \d)?: "
    ),  # BIND
    form(
        rf"(?P<time>{CLOCK})[ ,]{{1,3}}\[?(?P<level>[A-Z]{{3,11}}|(?<=\[)[a-z]{{3,11}})\]?\s{{1,8}}(?:\[(?P<logger>[A-Za-z_][\w.$-]{{1,160}})\] \([^()]{{0,160}}\) )?"
    ),
    form(
        rf"(?P<time>{CLOCK}) \[[^\[\]]{{0,160}}\] {UPPER}\s{{1,4}}(?:(?P<logger>[A-Za-z_][\w.$]{{0,160}}) {{0,40}}- )?"
    ),
    form(rf"(?P<time>{CLOCK}) (?:[\w.]{{1,40}}=(?!\[)[^\s\"]{{1,128}} ){{0,8}}\[{WORD}\] {{1,2}}"),  # Elixir
    form(rf"(?P<time>{CLOCK})\|{UPPER}\|(?:{NAME}\|)?"),
    form(rf"(?P<time>{CLOCK}) {{1,3}}-? {{0,3}}(?:(?P<logger>[\w.$-]{{1,120}}) - )?{UPPER} - "),
    form(r"\d{1,2}:\d\d ?[AP]M (?P<level>[A-Z]{3}) "),  # zerolog's short time
    form(r"\d{1,10}:[A-Z] (?P<time>\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{1,6}) (?P<level>[.*#-]) ", REDIS),
    form(
        rf"(?P<time>\d\d-[A-Z][a-z]{{2}}-\d{{4}} {CLOCK}) {UPPER} \[[^\[\]]{{0,160}}\] (?P<logger>[\w.$]{{1,160}})? ?"
    ),  # Tomcat
    form(rf"(?P<time>\d\d/\d\d/\d\d {CLOCK}) {UPPER}\s{{1,3}}(?:{NAME}: )?"),  # Spark
    form(rf"(?P<time>\d{{6}} {{1,2}}\d{{1,2}}:\d\d:\d\d)(?: \d{{1,20}})? \[{WORD}\] "),  # MySQL before 5.7
)
FIRST_BRACKET = (
    form(rf"\[\d{{1,10}}\] (?P<time>{ISO}) \[{WORD}\] "),  # NATS
    form(rf"\[(?P<time>{ISO}): {UPPER}/[^\]]{{1,80}}\] "),  # Celery
    form(rf"\[(?P<time>{ISO})\] \[\d{{1,10}}\] \[{UPPER}\] "),  # gunicorn, Hypercorn
    form(rf"\[(?P<time>{ISO})\] [\w-]{{1,64}}\.{UPPER}: "),  # Monolog
    form(
        rf"\[(?P<time>{ISO})\]\[{WORD} {{0,5}}\]\[(?P<logger>[\w.$-]{{1,160}}) {{0,20}}\] (?:\[[^\[\]]{{0,120}}\] ?)?"
    ),
    form(rf"\[(?P<time>{ISO}) {{1,3}}{UPPER} {{1,3}}(?P<logger>[\w:.-]{{1,160}})\] "),  # env_logger
    form(
        rf"\[(?P<time>{ISO})\] {{1,2}}(?:\{{[^{{}}]{{1,120}}\}} )?[\[(<]?{UPPER}[\])>]?(?::|,|\s|$)(?: ?- |\s{{0,4}})"
    ),
    form(rf"\[(?P<time>{ISO})\] {{0,2}}[\[(<]? {{0,3}}{WORD}[\])>:] {{0,4}}"),
    form(
        rf"\[(?P<time>{ISO})\] {{0,2}}\[(?P<logger>[A-Za-z_][\w.-]{{0,80}})\] {{0,2}}\[{WORD} {{0,8}}\]:?(?:\s{{1,4}}|(?=\[))"
    ),  # spdlog, katip
    form(rf"\[(?P<level>[IWEDCF]) (?P<time>\d{{6}} {CLOCK}|{ISO})(?: [\w.:-]{{1,80}})?\] ", LETTERS),  # Tornado
    form(rf"\[(?P<time>\d\d/\d\d/\d\d {CLOCK})\] {{1,4}}{UPPER}\s{{1,8}}"),  # rich
    form(
        r"\[\d{1,2}/\d{1,2}/\d\d,? \d{1,2}:\d\d:\d\d:\d{3} [A-Z]{3,4}\] [0-9a-f]{8} (?P<logger>[\w.]{1,80}) {1,60}(?P<level>[FEWAIDR]) ",
        WEBSPHERE,
    ),
    form(rf"\[(?P<time>{ISO})\][\s:-]{{1,4}}(?:\[[^\[\]]{{0,64}}\] ?){{0,2}}\[?{UPPER}\]?(?:[\s:|,-]|$)\s{{0,4}}"),
    form(rf"\[(?P<time>{CLOCK}) {UPPER}\] "),  # Serilog
    form(rf"\[(?P<time>{CLOCK})\] {{1,2}}\[?{UPPER}\]?(?: \([^()]{{0,160}}\))?:? "),  # pino-pretty
    form(rf"\[(?P<time>{CLOCK})\] \[[^\[\]]{{0,120}}/{UPPER}\]:? "),
    form(
        rf"\[(?P<time>{ISO})\]\[\d{{1,10}}\]\[{WORD}\]\[(?P<logger>[\w.-]{{1,80}})\] (?:\[[^\[\]]{{0,160}}\] )?"
    ),  # Envoy
    form(rf"\[(?P<time>{ISO})\] {{0,2}}(?:\[[^\[\]]{{0,80}}\] ?){{1,3}}?\[{WORD} {{0,8}}\]:?(?:\s{{1,4}}|(?=\[))"),
    form(rf"\[(?P<time>{ISO})\] {WORD}/(?P<logger>[\w-]{{1,40}}): "),  # Icinga
    form(rf"\[ {{0,8}}[\d.]{{1,12}}s\] {{1,2}}{UPPER} "),  # Linkerd
    form(rf"\[{UPPER}\]\t(?P<time>{ISO})\t(?P<id>[0-9a-f]{{8}}-[0-9a-f-]{{27}})\t"),  # AWS Lambda, Python
    form(
        rf"\[(?P<time>[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d {CLOCK} \d{{4}})\] \[(?:(?P<logger>[\w-]{{1,40}}):)?(?P<level>[a-z]{{3,7}})\d?\] (?:\[pid \d{{1,10}}(?::tid \d{{1,20}})?\] )?(?:\[client [^\[\]]{{1,64}}\] )?"
    ),
    form(
        r"\[(?P<time>\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [A-Za-z/_+:\d-]{1,40})?)\] PHP (?P<level>[A-Z][A-Za-z ]{2,30}):  ?",
        PHP,
    ),
    form(
        rf"\[(?P<time>\d\d-[A-Z][a-z]{{2}}-\d{{4}} \d\d:\d\d:\d\d(?:\.\d{{1,6}})?(?: [A-Za-z/_+:\d-]{{1,40}})?)\] {UPPER}: "
    ),  # php-fpm
    form(
        rf"\[Nest\] {{1,2}}\d{{1,10}} {{1,4}}- (?P<time>\d\d/\d\d/\d{{4}}, {{1,2}}\d{{1,2}}:\d\d:\d\d(?: [AP]M)?) {{1,8}}{UPPER} (?:\[(?P<logger>[^\[\]]{{1,80}})\] )?"
    ),
    form(r"\[\d{1,10}\] (?P<time>\d\d [A-Z][a-z]{2}(?: \d{4})? \d\d:\d\d:\d\d\.\d{1,6}) (?P<level>[.*#-]) ", REDIS),
    form(rf"\[{UPPER}\] \d{{1,3}}/\d{{6}} \(\d{{1,10}}\) : "),  # HAProxy
    form(rf"\[{WORD} {{0,8}}\] {{0,3}}\[?(?P<time>{ISO})\]?[\s:,-]{{1,4}}"),
    form(rf"\[ {{0,5}}{WORD} {{0,8}}\](?:[\s:-]{{1,8}}|$)(?:\[(?P<logger>[A-Za-z_][\w.$-]{{0,120}})\] )?"),
    form(rf"\[[\w.:/ -]{{1,64}}\] ?\[{WORD}\](?:[\s:-]{{1,8}}|$)"),
    form(
        rf"\[[A-Za-z_][\w.:/-]{{0,64}}\] {UPPER}(?::|\s-|\s{{2}}|\s(?=[\w.$]{{1,120}} - ))\s{{0,4}}(?:(?P<logger>[\w.$]{{1,120}}) - )?"
    ),
    form(r"\[[A-Za-z_][\w.:/ -]{0,64}\] (?P<level>[A-Za-z]{3,9}): ", SENTENCE),
)
FIRST_ANGLE = (
    form(
        r"<[A-Z#][^<>]{8,60}> <(?P<level>[A-Z][a-z]{3,12})> <(?P<logger>[\w.-]{1,80})> (?:<[^<>]{0,160}> ){0,8}"
    ),  # WebLogic
)
FIRST_PARENTHESIS = (form(r"\(node:\d{1,10}\) (?:\[\w{1,20}\] )?(?:[A-Z][a-z]{1,30})?(?P<level>Warning): "),)
LEVEL_LED = (
    form(r"(?P<level>[A-Z]{3,9}):  (?=\S)", POSTGRES),  # without a prefix
    form(
        r"(?P<level>[A-Z]{4,5})\[(?:\d{4,10}|[\dT:+Z-]{20,25}|\d\d-\d\d\|[\d:.]{8,12})\] {1,2}"
    ),  # logrus, log15 on a terminal
    form(rf"{UPPER}:(?P<logger>[A-Za-z_<][\w.$<>-]{{0,159}}):"),  # Python's basicConfig
    form(
        rf"{UPPER}:\s{{1,8}}(?P<time>{ISO}) {{1,4}}(?:(?P<logger>[A-Za-z_][\w.-]{{0,120}})(?::\d{{1,7}})? {{1,4}})?(?:\[{ID}\] )?"
    ),
    form(
        r"(?P<level>trce|dbug|info|warn|fail|crit): (?P<logger>[A-Za-z_][\w.`+<>-]{0,200})\[\d{1,10}\](?:\s{1,12}|$)"
    ),  # .NET
    form(
        r"(?P<level>Fatal error|Parse error|Warning|Notice|Deprecated): (?=[^\n]{1,400} in /[^\s]{1,200} on line \d)",
        PHP,
    ),
    form(
        rf"{UPPER}\s{{1,4}}\[[^\[\]]{{0,160}}\] {{1,4}}(?P<time>{ISO})[ ,]{{1,4}}(?P<logger>[\w.$]{{1,120}})(?::\d{{1,7}})? - "
    ),  # Cassandra
    form(rf"{UPPER}[\s,|:]{{1,6}}[\[(]?(?P<time>{ISO}|{CLOCK})[\])]?(?:[\s,|-]|$)"),
    form(rf"{UPPER}\s{{1,4}}\[(?P<logger>[\w.:$-]{{1,128}})\] ?"),  # alembic
    form(r"(?P<level>[A-Za-z]{3,9}):(?:\s{1,12}|$)", SENTENCE),
    form(r"(?P<level>[A-Z]{3,9}) {0,5}(?:- |\| |\t|  )\s{0,8}(?:(?P<logger>[\w.$/]{1,120}) ?[-|] )?"),
    form(r"(?P<level>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE) (?! )"),
    form(r"(?:level|lvl|severity)=\"?(?P<level>[A-Za-z]{3,11})\"?(?=\s|$)"),
)
DATE_LED = (
    form(rf"(?P<time>[A-Z][a-z]{{2}} [ \d]\d {CLOCK}) (?P<level>DBG|INF|WRN|ERR) "),  # tint
    form(
        r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<logger>[\w-]{1,40}): (?P<level>[A-Z][a-z]{3,6}): "
    ),  # Dovecot
    form(
        r"(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) [\w.:-]{1,128} (?P<logger>[\w./()-]{1,64})(?:\[\d{1,10}\])?: "
    ),  # syslog
    form(
        r"(?P<time>[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M) (?P<logger>[\w.$]{1,200})(?: [\w$<>]{1,120})?\n(?P<level>[A-Z]{4,7}): "
    ),
    form(
        r"(?P<time>[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M) (?P<logger>[\w.$]{1,200})(?: [\w$<>]{1,120})?$"
    ),
    form(rf"(?P<time>[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d {CLOCK} \d{{4}}) (?:- )?"),  # uWSGI, OpenVPN
    form(
        rf"(?P<time>[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d {CLOCK}) (?:- |\[[^\[\]]{{1,80}}\] )"
    ),  # MongoDB before 2.6
)
LETTER_LED = (
    form(
        rf"(?P<level>[IWEFD])(?P<time>\d{{4}} {CLOCK})\s{{1,8}}\d{{1,10}} (?P<logger>[\w./-]{{1,120}}):\d{{1,7}}\] ",
        LETTERS,
    ),
    form(
        rf"(?P<level>[IWEFD])(?P<time>\d{{4}}(?:\d{{4}}|\d\d)? {CLOCK})\s{{1,8}}(?:\d{{1,10}} (?P<logger>[\w./-]{{1,120}}):\d{{1,7}}\] )?",
        LETTERS,
    ),
    form(rf"[A-Z], \[(?P<time>{ISO}) ?#\d{{1,10}}\] {{1,3}}{WORD} -- [^:\s]{{0,80}}: "),  # Ruby's Logger
)
WORD_LED = {
    "php": (form(r"PHP (?P<level>[A-Z][A-Za-z ]{2,30}):  ?", PHP),),
    "fatal": (form(r"(?P<level>Fatal error): (?=[^\n]{1,400} in /[^\s]{1,200} on line \d)", PHP), *LEVEL_LED),
    "parse": (form(r"(?P<level>Parse error): (?=[^\n]{1,400} in /[^\s]{1,200} on line \d)", PHP),),
    "deprecated": (form(r"(?P<level>Deprecated): (?=[^\n]{1,400} in /[^\s]{1,200} on line \d)", PHP),),
    **dict.fromkeys(
        ("start", "end", "report"), (form(r"[A-Z]{3,6} RequestId: (?P<id>[0-9a-f]{8}-[0-9a-f-]{27})\s{0,4}"),)
    ),  # AWS Lambda
    "nginx": (form(rf"nginx: \[{WORD}\] "),),
    "npm": (form(r"npm (?P<level>ERR!|WARN|error|warn) ", {"err!": "error", "error": "error", "warn": "warning"}),),
    "level": LEVEL_LED[-1:],
    "lvl": LEVEL_LED[-1:],
    "severity": LEVEL_LED[-1:],
}
"""Further first words of heads, in lower case."""
PAIRS_LED = (
    form(
        r"[\w.]{1,40}=[^\s]{0,128} (?:[\w.]{1,40}=[^\s]{0,128} ){0,6}(?:level|lvl|severity)=\"?(?P<level>[A-Za-z]{3,11})\"?(?=\s|$)"
    ),
)
MONTHS = frozenset({"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"})
WEEKDAYS = frozenset({"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"})
FIRST_WORD = re.compile(r"[A-Za-z]{1,14}", re.ASCII)
LONGEST_HEAD = 512
"""Characters at the beginning of a text in which a head is looked for."""
PRIORITY = re.compile(
    r"<(?P<priority>\d{1,3})>(?:(?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d))"
    r"(?: (?![\w./-]{1,48}(?:\[\d{1,10}\])?:)[\w.:-]{1,128})? )?(?:(?P<logger>[\w./-]{1,48})(?:\[\d{1,10}\])?: ?)?",
    re.ASCII,
)
"""RFC 3164: `<priority>Mon dd HH:MM:SS host tag[pid]: message`."""
BLANKS = " \t\ufeff"
PAIR_MARKS = ("=", "_", ".")


def head_of(text: str) -> Head | None:
    """Return the head of a text line; None if it has none that is known."""
    return _head_of(text if len(text) <= LONGEST_HEAD else text[:LONGEST_HEAD])


@lru_cache(maxsize=64)
def _head_of(text: str) -> Head | None:
    start = 0
    first = text[:1]
    if first in BLANKS:
        if not first:
            return None
        start = _after_blanks(text)
        first = text[start : start + 1]
    if "0" <= first <= "9":
        match = TIME_FIRST.match(text, start)
        if match is not None:
            return _after_time(text, match.end(), match["time"])
        date = DATE_FIRST.match(text, start)
        return _first_of(FIRST_DIGIT, text, start) if date is None else _after_time(text, date.end(), None)
    if first == "[":
        return _first_of(FIRST_BRACKET, text, start)
    if first == "<":
        return _priority(text, start) or _first_of(FIRST_ANGLE, text, start)
    if first == "(":
        return _first_of(FIRST_PARENTHESIS, text, start)
    word = FIRST_WORD.match(text, start)
    head = None if word is None else _first_of(_forms_of_word(text, start, word[0]), text, start)
    if start and head is not None and head.time is None and first.islower():
        return None  # a line of source code in a stack trace
    if head is None and "|" in text[start : start + 106]:
        return _composed(text, start)
    return head


def _composed(text: str, start: int) -> Head | None:
    """Return the head behind the service's name of Docker Compose."""
    prefix = COMPOSE.match(text, start)
    if prefix is None:
        return None
    head = _head_of(text[prefix.end() :])
    return None if head is None else head._replace(at=head.at + prefix.end())


def _forms_of_word(text: str, start: int, word: str) -> tuple[Form, ...]:
    """Return the forms of heads that may begin with a word."""
    lowered = word.lower()
    if lowered in WORDS:
        return WORD_LED.get(lowered, LEVEL_LED)
    if len(word) == 1:
        return LETTER_LED
    if word in MONTHS or word in WEEKDAYS:
        return DATE_LED
    following = text[start + len(word) : start + len(word) + 1]
    return WORD_LED.get(lowered) or (PAIRS_LED if following in PAIR_MARKS else ())


def _after_blanks(text: str) -> int:
    return next((at for at, character in enumerate(text[:64]) if character not in BLANKS), 0)


def _first_of(forms: tuple[Form, ...], text: str, start: int) -> Head | None:
    for one in forms:
        match = one.pattern.match(text, start)
        if match is None:
            continue
        level = None
        word = match[one.level] if one.level else None
        if word is not None:
            level = one.words.get(word.lower())
            if level is None:
                continue
        if one.level and word is None and not one.time:
            continue
        return _head(text, match, one, level)
    return None


def _head(text: str, match: "re.Match[str]", one: Form, level: str | None) -> Head:
    logger = match[one.logger] if one.logger else None
    correlation_id = match[one.correlation_id] if one.correlation_id else None
    at = match.end()
    if logger is None and level is not None and one.time and one.words is WORDS:
        at, logger = _logger(text, at)
    if correlation_id is None and text[at : at + 1] == "[":
        correlation_id = _bracketed_id(text, at)
    elif correlation_id is not None and is_placeholder(correlation_id):
        correlation_id = None
    return Head(match[one.time] if one.time else None, level, logger, correlation_id, at)


def _after_time(text: str, end: int, time: str | None) -> Head:
    """Return the head of a line that begins with a date and a time, which end at `end`."""
    following = text[end : end + 3].lstrip(" ,")[:1]
    forms = FORMS_AFTER_TIME.get(text[end : end + 1] if following != "[" else "[")
    if forms is None:
        forms = FORMS_AFTER_TIME.get(following, AFTER_TIME_DIGIT if following.isdecimal() else AFTER_TIME_LETTER)
    for one in forms:
        rest = one.pattern.match(text, end)
        if rest is None:
            continue
        level = None
        if one.level:
            level = one.words.get(rest[one.level].lower())
            if level is None:
                continue
        logger = rest[one.logger] if one.logger else None
        at = rest.end()
        if logger is None and level is not None and one.words is WORDS:
            at, logger = _logger(text, at)
        correlation_id = rest[one.correlation_id] if one.correlation_id else _trace(text, end, at)
        return Head(time, level, logger, correlation_id, at)
    at = end
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    return Head(time, None, None, None, at)


FORMS_AFTER_TIME = {
    "-": AFTER_TIME_DASH, "|": AFTER_TIME_PIPE, "\t": AFTER_TIME_TAB, "[": AFTER_TIME_BRACKET, "{": AFTER_TIME_BRACE,
}  # fmt: skip
"""Forms by the character after the time."""


def _logger(text: str, at: int) -> tuple[int, str | None]:
    """Return where the message begins after a level, and the logger before it."""
    first = text[at : at + 1]
    while first and first in SEPARATORS:
        at += 1
        first = text[at : at + 1]
    if first != "[" and not first.isdecimal():
        return _named(text, at)
    match = LOGGER_FORMS["[" if first == "[" else "0"].match(text, at)
    if match is None:
        return at, None
    return match.end(), match[match.lastgroup] if match.lastgroup else None


def _named(text: str, at: int) -> tuple[int, str | None]:
    """Return where the message begins, and the logger if a name stands before it."""
    if "{" in text[at : at + 42] and (span := SPAN.match(text, at)) is not None:
        at = span.end()
    match = LOGGER.match(text, at)
    if match is None or text[match.end() : match.end() + 1] != " ":
        return at, None
    name, end = match["name"], match["end"]
    inner = name[1:-1]
    is_name = "." in inner or ":" in inner if end is None else end != ":" or name[0].islower() or not inner.islower()
    if not is_name or name.lower() in WORDS or (end is None and not name[0].islower()):
        return at, None
    return match.end() + 1, name


def _trace(text: str, start: int, at: int) -> str | None:
    """Return the trace or request id in the brackets of a head."""
    if "[" not in text[start : at + 1]:
        return None
    match = TRACE.search(text[start : min(at + 160, start + 512)])
    return match["id"] if match is not None and match.start() <= at - start and match["id"].strip("0-") else None


def _bracketed_id(text: str, at: int) -> str | None:
    match = RAILS_TAG.match(text, at)
    return None if match is None or not match["id"].strip("0-") else match["id"]


RAILS_TAG = re.compile(
    r"\[(?P<id>(?=[\w-]{0,126}\d)[\w-]{8,128})\] ",
    re.ASCII,
)
"""A tag before the message that looks like a request id: eight characters or more, a digit among them."""


def _priority(text: str, start: int) -> Head | None:
    match = PRIORITY.match(text, start)
    if match is None or int(match["priority"]) > 191:  # noqa: PLR2004 -- 23 facilities of eight severities
        return None
    return Head(match["time"], SYSLOG[int(match["priority"]) & 7], match["logger"], None, match.end())
