"""Where loggers put the known fields: one table of ordered paths, with the form in which each value is written.

A path names a literal key first (`log.level` as a key with a dot), then the nested value (`level` inside `log`).
Earlier sources win. `shipper_processors.normalise` compiles the table; documentation derives from it.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

TIME_FIELD = "timestamp"
"""The application's time; consumed, and written as `@timestamp`."""

Form = Literal[
    "plain", "trace", "parent", "last_part", "letter", "serilog", "klog", "number", "python", "otel", "logback",
    "name", "request_line", "ms", "s", "ns", "us", "unit", "integer_ns", "forwarded", "loguru",
    "seconds", "lines",
]  # fmt: skip
"""Form of a value beyond what its field implies, such as the unit of a duration or the scale of a level."""


class Source(NamedTuple):
    """One place where a field may stand."""

    path: str
    form: Form = "plain"
    beside: tuple[str, ...] = ()
    """Keys of which the entry must have at least one, where the path alone says too little."""


def _paths(text: str, form: Form = "plain", beside: Iterable[str] = ()) -> tuple[Source, ...]:
    """Return a source for each of the paths, which are separated by blanks."""
    return tuple(Source(path, form, tuple(beside)) for path in text.split())


ID_NAMES = (
    "correlation_id", "correlationId", "CorrelationId", "correlationID", "x_correlation_id", "correlation-id",
    "x-correlation-id", "X-Correlation-ID", "request_id", "requestId", "RequestId", "requestID", "RequestID", "reqId",
    "req_id", "x_request_id", "x-request-id", "X-Request-ID", "X-Request-Id",
)  # fmt: skip
CARRIERS = (
    "mdc", "MDC", "contextMap", "context", "extra", "named_tags", "record.extra", "properties", "Properties",
    "fields", "span", "Scopes", "attributes", "Attributes", "labels", "tags", "data", "meta", "metadata",
    "logging.googleapis.com/labels", "attr", "spans", "State",
)  # fmt: skip
"""Objects in which loggers nest what an application binds to an entry."""
BOUND = ("fields", "mdc", "MDC", "contextMap", "context", "record.extra", "properties", "Properties",
         "attributes", "Attributes", "State")  # fmt: skip
"""Those of them that hold what the application says about the entry, never a client's data as it came. `extra` is none:
pairs behind a message of text are kept there."""
TRACE_NAMES = (
    "trace_id", "traceId", "TraceId", "traceID", "trace.id", "@tr", "dd.trace_id", "otelTraceID", "otel.trace_id",
    "X-B3-TraceId", "x-b3-traceid", "_trace_id", "_traceId", "xray_trace_id",
)  # fmt: skip
SPAN_NAMES = (
    "span_id", "spanId", "SpanId", "spanID", "span.id", "@sp", "dd.span_id", "otelSpanID", "otel.span_id",
    "X-B3-SpanId", "_span_id", "_spanId", "logging.googleapis.com/spanId",
)  # fmt: skip


def _within_carriers(names: Iterable[str]) -> tuple[Source, ...]:
    return tuple(Source(f"{carrier}.{name}") for carrier in CARRIERS for name in names)


CORRELATION = (
    *_paths(" ".join(ID_NAMES)),
    *_paths(
        "req.id request.id http.request.id _correlation_id _correlationId _request_id _requestId request.request_id"
        " req.headers.x-correlation-id req.headers.x-request-id request.headers.x-correlation-id"
        " request.headers.x-request-id request.headers.X-Correlation-Id request.headers.X-Request-Id"
        " http_x_correlation_id http_x_request_id function_request_id awsRequestId aws_request_id auth.request_id"
        " record.requestId request_X-Request-Id"
    ),
    *_within_carriers(ID_NAMES),
)
TRACE = (
    *_paths(" ".join(TRACE_NAMES)),
    Source("logging.googleapis.com/trace", "last_part"),
    Source("traceparent", "trace"),
    Source("http_traceparent", "trace"),
    *_within_carriers(TRACE_NAMES),
    *(Source(f"{carrier}.traceparent", "trace") for carrier in CARRIERS),
    Source("req.headers.traceparent", "trace"),
    Source("trace", "last_part"),
)
SPAN = (
    *_paths(" ".join(SPAN_NAMES)),
    *_within_carriers(SPAN_NAMES),
    Source("traceparent", "parent"),
    Source("http_traceparent", "parent"),
)

TIME = (
    *_paths(
        "timestamp @timestamp time ts @t Timestamp datetime date asctime eventTime event_time timeMillis t.$date"
        " instant start_time StartUTC record.time.timestamp record.time time_iso8601 time_local msec timeUnixNano"
        " observedTimeUnixNano ObservedTimestamp written_at datetime.date timestamp_ms log_time @time Time _time"
        " startTime StartLocal logTime local_time DateTime __REALTIME_TIMESTAMP ibm_datetime _meta.date"
    ),
    Source("timestampSeconds", "seconds"),
    Source("t"),
)

LEVEL = (
    *_paths(
        "level severity levelname level_name log.level @level @l LogLevel Level lvl loglevel log_level logLevel"
        " SeverityText severityText severity_text record.level.name level.name error_severity syslog.severity.name"
        " _meta.logLevelName context.logLevel"
    ),
    Source("s", "letter"),
    Source("status", "plain", ("dd", "ddsource", "ddtags")),
    Source("label", "plain", ("err_code", "prio")),
    *_paths("LEVEL Severity fields.level PRIORITY"),
    *_paths("SeverityNumber severityNumber severity_number", "otel"),
    *_paths("levelno level_no record.level.no", "python"),
    Source("level_value", "logback"),
    *_paths("@mt @m @i", "serilog"),
    Source("v", "klog", ("caller",)),
)

MESSAGE = _paths(
    "message msg @message short_message @m RenderedMessage @mt Message MESSAGE log.message record.message"
    " fields.message"
    " Body.stringValue Body body.stringValue body MessageTemplate fields.msg textPayload jsonPayload.message _msg"
    " messageTemplate full_message text"
)

EXCEPTION = (
    *_paths("exception exc_info"),
    *_paths(
        "exc_text stack_trace stackTrace stacktrace StackTrace traceback stack err.stack error.stack_trace error.stack"
        " error.stacktrace error.traceback exception.stacktrace exception.stack_trace exception.stackTrace"
        " exception.stack _exception.stackTrace thrown @x Exception errorVerbose"
        " attributes.exception.stacktrace Attributes.exception.stacktrace context.exception extra.exception"
        " error.details fields.backtrace backtrace error_stack errorStack err error"
    ),
    Source("record.exception", "loguru"),
    *_paths("full_message message", "lines"),
)

ERROR_TYPE = _paths(
    "error_type error.type err.type error.name err.name exception.type exception.class exception.exceptionType"
    " exception_class exception_type exc_type exceptionType errorType error.class error.kind exception_name"
    " thrown.name record.exception.type context.exception.class attributes.exception.type Attributes.exception.type"
    " _exception.class err.code error_class errorClass",
    "name",
)

ERROR_MESSAGE = _paths(
    "error_message error.message err.message exception.message exception.exceptionMessage exception_message exc_value"
    " exceptionMessage errorMessage thrown.message record.exception.value context.exception.message"
    " attributes.exception.message Attributes.exception.message _exception.message error err fields.error"
)

LOGGER = (
    *_paths(
        "logger logger_name loggerName log.logger _log_logger @module _logger Category SourceContext"
        " Properties.SourceContext properties.SourceContext"
        " logger.name record.name LoggerName channel instrumentationScope.name scope.name"
        " InstrumentationScope.name jsonPayload.logger",
        "name",
    ),
    Source("name", "name", ("levelname", "asctime", "hostname", "pid", "funcName", "levelno", "lineno", "taskName")),
    Source("target", "name", ("fields", "span", "spans", "threadId", "threadName", "message")),
    Source("c", "name", ("ctx", "svc", "attr")),
    *_paths("component", "name"),
    Source("context", "name", ("pid", "level", "timestamp")),
)

METHOD = (
    *_paths(
        "method http.request.method http_method httpMethod http.method req.method request.method request_method"
        " requestMethod RequestMethod httpRequest.requestMethod verb HttpMethod Method Properties.RequestMethod"
        " attributes.http.request.method Attributes.http.request.method Attributes.http.method"
        " attributes.http.method fields.method Scopes.Method span.method context.method State.Method"
        " mdc.method contextMap.method properties.method attributes.method record.extra.method"
    ),
    *_paths("request http_request requestLine request_line", "request_line"),
)

PATH = (
    *_paths(
        "path url.path url uri req.url request.uri request.url request.path request_uri requestUri requestPath"
        " request_path RequestPath Properties.RequestPath http.target http.path http.url url.original url.full"
        " httpRequest.requestUrl http_path requestUrl request_url Scopes.RequestPath Path Url URL Uri req.path"
        " attributes.url.path Attributes.url.path Attributes.http.target attributes.http.target"
        " Attributes.http.url fields.uri fields.path span.uri span.path State.Path context.url originalUrl"
        " context.path mdc.path contextMap.path properties.path attributes.path record.extra.path"
        " req.originalUrl"
    ),
    *_paths("request http_request requestLine request_line", "request_line"),
)

STATUS_CODE = _paths(
    "status_code statusCode StatusCode http.response.status_code http.status_code res.statusCode response.status_code"
    " response.statusCode response.status httpRequest.status http_status httpStatus http_status_code httpStatusCode"
    " http.status DownstreamStatus response_code responseCode status responseStatus response_status Status"
    " attributes.http.response.status_code Attributes.http.response.status_code Attributes.http.status_code"
    " attributes.http.status_code Properties.StatusCode res.status fields.status fields.status_code State.StatusCode"
    " context.status_code context.status mdc.status_code contextMap.status_code"
    " properties.status_code attributes.status_code record.extra.status_code",
    "number",
)

_STEMS = (
    "duration",
    "elapsed",
    "latency",
    "response_time",
    "request_time",
    "execution_time",
    "took",
    "request_duration",
)
_ENDINGS: Mapping[Form, tuple[str, ...]] = {
    "ms": ("_ms", "Ms", "_millis", "Millis", "_milliseconds", "Milliseconds", "InMillis", "MS"),
    "s": ("_s", "_sec", "_secs", "_seconds", "Seconds"),
    "us": ("_us", "_micros", "Micros", "_microseconds"),
    "ns": ("_ns", "_nanos", "Nanos", "_nanoseconds"),
}


def _stem(stem: str, ending: str) -> str:
    """Return the stem with its ending, in camel case where the ending is."""
    if ending.startswith("_"):
        return f"{stem}{ending}"
    first, *others = stem.split("_")
    return first + "".join(word.capitalize() for word in others) + ending


DURATION = (
    Source("duration_ms", "ms"),
    *_paths(
        "responseTime Elapsed ElapsedMilliseconds elapsed elapsedTime Properties.Elapsed"
        " State.ElapsedMilliseconds res.responseTime",
        "ms",
    ),
    *(
        Source(_stem(stem, ending), form)
        for form, endings in _ENDINGS.items()
        for ending in endings
        for stem in _STEMS
        if (stem, ending) != ("duration", "_ms")
    ),
    *_paths(
        "attr.durationMillis record.metrics.durationMs metrics.durationMs http.duration_ms"
        " fields.duration_ms",
        "ms",
    ),
    Source("event.duration", "ns"),
    Source("Duration", "ns", ("DownstreamStatus", "RouterName", "OriginStatus", "RequestMethod", "ClientAddr")),
    Source("request_time", "s"),
    Source("httpRequest.latency", "s"),
    Source("latency_human", "unit"),
    Source(
        "duration", "ms",
        ("controller", "response_flags", "upstream_cluster", "upstream_host", "upstream_service_time",
        "response_code_details"),
    ),
    Source("duration", "s", ("ts",)),
    Source("duration", "integer_ns", ("msg",)),
    Source("latency", "s", ("ts",)),
    Source("elapsed", "s", ("ts",)),
    *_paths(
        "duration latency took response_time processing_time time_taken fields.latency"
        " fields.duration Duration",
        "unit",
    ),
    *_paths("fields.time.busy time.busy", "unit"),
)  # fmt: skip

CLIENT_IP = (
    *_paths(
        "client_ip client.ip clientIp clientIP ClientIP request.client_ip client.address remote_addr remoteAddr"
        " remote_address remoteAddress remote_ip remoteIp RemoteIP RemoteIp remoteIP ClientHost req.remoteAddress"
        " req.ip request.remote_ip request.remote_addr httpRequest.remoteIp source.ip client_addr ClientAddr"
        " clientAddress network.peer.address net.peer.ip http.client_ip downstream_remote_address"
        " attributes.client.address Attributes.client.address attr.remote remote_host remote ip ip_address ipAddress"
    ),
    *_paths(
        "http_x_forwarded_for x_forwarded_for x-forwarded-for X-Forwarded-For xff forwarded_for"
        " req.headers.x-forwarded-for request.headers.X-Forwarded-For",
        "forwarded",
    ),
)

FIELD_SOURCES: Mapping[str, tuple[Source, ...]] = {
    TIME_FIELD: TIME,
    "correlation_id": CORRELATION,
    "trace_id": TRACE,
    "span_id": SPAN,
    "event": (
        *_paths("event event.action event_name eventName event.name"),
        *(Source(f"{carrier}.{name}") for carrier in BOUND for name in ("event", "event.name", "event_name")),
    ),
    "level": LEVEL,
    "message": MESSAGE,
    "method": METHOD,
    "path": PATH,
    "status_code": STATUS_CODE,
    "duration_ms": DURATION,
    "client_ip": CLIENT_IP,
    "error_type": ERROR_TYPE,
    "error_message": ERROR_MESSAGE,
    "exception": EXCEPTION,
    "logger": LOGGER,
}
"""The sources of each field, in the order in which they are tried."""

PLACEHOLDERS = frozenset(
    {"", "-", "--", "null", "none", "(none)", "(null)", "<none>", "<null>", "undefined", "n/a", "na", "nil",
    "<nil>", "0",
     "unknown", "nan", "empty", "(empty)", "false"}
)  # fmt: skip
"""Texts, in lower case, that mean no value. So do texts of zeros and dashes alone."""
BLANK_FILLERS = "0-"
"""Characters of which an id without meaning consists, such as an all-zero trace id."""
COUNTED_PREFIX = "req"
"""Beginning of ids that a process counts up, such as `req-1`."""
MOST_COUNTED_DIGITS = 9
"""Most digits of an id that is a plain count."""
SHORTEST_CERTAIN_ID = 16
"""An id of at least this many characters is no placeholder word and no count, unless it is made of fillers."""

METHODS = frozenset(
    {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PROPPATCH", "MKCOL",
     "COPY", "MOVE", "LOCK", "UNLOCK", "PURGE", "REPORT", "SEARCH", "QUERY"}
)  # fmt: skip

LEVEL_WORDS = {
    "informational": "info", "success": "info", "config": "debug", "finer": "trace", "finest": "trace", "note":
    "notice",
    "default": "info", "log": "info", "trc": "trace", "vrb": "debug", "dbg": "debug", "inf": "info", "wrn": "warning",
    "eror": "error", "ftl": "critical", "crt": "critical", "fail": "error", "warnings": "warning", "errors": "error",
}  # fmt: skip
"""Words that are levels in a level field only: at the beginning of a text they may mean anything."""
LEVEL_LETTERS = {
    "t": "trace", "d": "debug", "v": "debug", "i": "info", "n": "notice", "w": "warning", "e": "error", "f": "critical",
    "c": "critical", "p": "critical",
    "debug1": "debug", "debug2": "debug", "debug3": "debug", "debug4": "debug", "debug5": "debug", "d1": "debug",
    "d2": "debug", "d3": "debug", "d4": "debug", "d5": "debug",
}  # fmt: skip
"""Letters that are levels in a level field, and the numbered ones of MongoDB and PostgreSQL."""
SYSLOG_LEVELS = ("critical", "critical", "critical", "error", "warning", "notice", "info", "debug")
DOTNET_LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
