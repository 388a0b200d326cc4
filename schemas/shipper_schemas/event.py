"""The event: fields an application may log, their types, and how they are searched.

`Event` is the single declaration. The validator, the field reference, the label guard of the counter rules and
the index mapping are derived from it; no other module lists these names.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter
from typing_extensions import TypedDict

CORRELATION_FIELD = "correlation_id"
"""The field that the policy may require."""
LEVEL_FIELD = "level"
"""The field whose spellings `LEVEL_ALIASES` maps before it is validated."""
CORRELATION_ID_PATTERN = r"^[A-Za-z0-9._:/+=@\-]{1,128}$"
"""A valid correlation id: 1 to 128 characters that are safe in terminals, pages and queries."""


@dataclass(frozen=True, slots=True)
class Searchable:
    """Index properties of a field: its Elasticsearch type, the ECS alias where one fits, and its meaning."""

    type: Literal["keyword", "text", "long", "double", "date", "ip"]
    meaning: str
    ecs: str | None = None
    personal: bool = False
    """Personal or unbounded: not allowed as a counter label."""


CorrelationId = Annotated[str, StringConstraints(pattern=CORRELATION_ID_PATTERN, strict=True)]
Text = Annotated[str, Field(strict=True)]
Identifier = Annotated[str, Field(strict=True)] | Annotated[int, Field(strict=True)] | None
Milliseconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
StatusCode = Annotated[int, Field(strict=True, ge=100, le=599)]


class Event(TypedDict, total=False):
    """The fields of a structured entry. Every field is optional here; the policy may require `correlation_id`."""

    __pydantic_config__ = ConfigDict(extra="forbid", defer_build=True)  # type: ignore[misc]

    correlation_id: Annotated[
        CorrelationId, Searchable("keyword", "the same for all entries of one request", "http.request.id", True)
    ]
    event: Annotated[Text, Searchable("keyword", "short name of the event")]
    level: Annotated[Text, Searchable("keyword", "severity in lower case", "log.level")]
    message: Annotated[Text, Searchable("text", "message for people")]
    method: Annotated[Text, Searchable("keyword", "HTTP method", "http.request.method")]
    path: Annotated[Text, Searchable("keyword", "request path, query cut off", "url.path", True)]
    status_code: Annotated[StatusCode, Searchable("long", "HTTP status", "http.response.status_code")]
    duration_ms: Annotated[Milliseconds, Searchable("double", "duration in milliseconds")]
    client_ip: Annotated[Text, Searchable("keyword", "address of the client", "client.ip", True)]
    user_id: Annotated[Identifier, Searchable("keyword", "id of the acting user", "user.id", True)]
    patient_id: Annotated[Identifier, Searchable("keyword", "id of the patient whose record it is", None, True)]
    error_type: Annotated[Text, Searchable("keyword", "class of the failure", "error.type")]
    error_message: Annotated[Text, Searchable("text", "message of the failure", "error.message", True)]
    exception: Annotated[Text, Searchable("text", "stack trace", "error.stack_trace", True)]
    logger: Annotated[Text, Searchable("keyword", "name of the logger", "log.logger")]
    trace_id: Annotated[CorrelationId, Searchable("keyword", "id of the distributed trace", "trace.id", True)]
    span_id: Annotated[CorrelationId, Searchable("keyword", "id of the span within the trace", "span.id", True)]
    correlation_scope: Annotated[
        Text, Searchable("keyword", "`local`: a count of one process, such as `req-1`, unique only within its run")
    ]


LEVELS = ("trace", "debug", "info", "notice", "warning", "error", "critical")
"""Severities in ascending order; `LEVEL_ALIASES` maps the spellings of applications to them."""

LEVEL_ALIASES = {
    **{name: name for name in LEVELS},
    "warn": "warning", "err": "error", "severe": "error", "exception": "error",
    "fatal": "critical", "crit": "critical", "alert": "critical", "emerg": "critical", "emergency": "critical",
    "panic": "critical", "information": "info", "verbose": "debug", "fine": "debug", "dpanic": "critical",
}  # fmt: skip

KNOWN_FIELDS: dict[str, Searchable] = {
    name: next(note for note in get_args(hint) if isinstance(note, Searchable))
    for name, hint in get_type_hints(Event, include_extras=True).items()
    if name != "__pydantic_config__"
}

RESERVED_FIELDS = frozenset(
    {"@timestamp", "stream", "container", "service", "host", "log", "schema", "extra", "timestamp", "kubernetes"}
)
"""Names of fields that the shipper writes or consumes; an application's field of such a name is kept under `extra`."""

EVENT_ADAPTER: TypeAdapter[Any] = TypeAdapter(Event)
