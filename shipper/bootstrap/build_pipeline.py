"""Pipeline, counters and redaction built from the settings."""

from collections.abc import Iterable, Iterator
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple

from shipper.config.files import key_files
from shipper.config.settings import Settings
from shipper.metrics.catalogue import OVERFLOWS, saved
from shipper.pipeline.pipeline import Pipeline
from shipper.pipeline.quarantine_release import Releaser
from shipper.pipeline.service_bounds import ServiceBounds
from shipper.system.errors import ConfigurationError
from shipper.system.own_log import own_log
from shipper.system.version import NATIVE_COST, NATIVE_HINT
from shipper_processors.assemble import Bounds
from shipper_processors.count import Counting
from shipper_processors.enforce import Enforce
from shipper_processors.fast_path import FastChain, Threads, Verdicts, cpus
from shipper_processors.redact import Redactor
from shipper_processors.route import Skew
from shipper_processors.time_zones import named_zone
from shipper_schemas.invalid import Invalid
from shipper_schemas.metrics import Metric, SeriesKey
from shipper_schemas.rules import Rule, events_requiring_id
from shipper_schemas.violation import DEFAULT_POLICIES

if TYPE_CHECKING:
    from shipper.metrics.openmetrics_history import History

MOST_THREADS = 4
"""Most threads without a setting."""
DECLINED_HINT = "documents and counters are the same; `compiled: false` accepts the Python path without a warning"


def from_zero(counting: Counting) -> Iterator[SeriesKey]:
    """Yield the rules' series known in advance: they start at 0, so that `increase()` sees their first change."""
    yield from counting.declared()
    yield from ((OVERFLOWS.name, (metric.name,)) for metric in counting.metrics() if metric.labels)


def saved_metrics(settings: Settings) -> list[Metric]:
    """Return every metric that an agent with these settings saves in its state."""
    return [*saved("agent"), *counting_of(settings, ()).metrics()]


def history_of(settings: Settings) -> "History":
    """Return an empty history of the counters of the rules."""
    from shipper.metrics.openmetrics_history import History  # noqa: PLC0415 -- most replays need none, and it loads prometheus_client

    counting = counting_of(settings, ())
    return History(counting.metrics(), declared=counting.declared(), labels={"job": "shipper"})


def releaser(settings: Settings) -> Releaser:
    """Build a releaser, which runs quarantined entries through the chain of `settings` again."""
    return Releaser(pipeline_of(settings, counting_of(settings, ()), redactor_of(settings)))


def pipeline_of(
    settings: Settings, counting: Counting, redactor: Redactor, services: ServiceBounds | None = None
) -> Pipeline:
    """Build the chain of steps; `services` bounds the series of the metrics of correlation ids."""
    schema = settings.schema_
    return Pipeline(
        Enforce(
            schema.field_paths(),
            require=schema.require_correlation_id,
            requiring_events=events_requiring_id(rules_of(settings)),
        ),
        counting,
        redactor,
        {**DEFAULT_POLICIES, **schema.policies},
        skew_of(settings),
        settings.index.prefix,
        settings.index.quarantine_prefix,
        frozenset(metric.name for metric in counting.metrics() if metric.type == "histogram"),
        schema.namespaces,
        services or ServiceBounds(),
    )


class Chain(NamedTuple):
    """The native chain of a pipeline, or the reason why all lines take the Python path."""

    native: FastChain | None
    reason: str = ""
    hint: str = ""


def chain_of(settings: Settings, pipeline: Pipeline) -> Chain:
    """Return the native chain of `pipeline`, if it is installed, wanted, and executes its plan."""
    if not settings.compiled:
        return Chain(None, "compiled: false")
    declined: list[str] = []
    verdicts = Verdicts(pipeline.policies, pipeline.namespaces, pipeline.index_prefix)
    chain = FastChain.of(
        pipeline.enforce, pipeline.counting, pipeline.redactor, pipeline.skew, declined.append, verdicts
    )
    if chain is not None:
        chain.threads = Threads.of(settings.threads or cpus(MOST_THREADS))
        return Chain(chain)
    if declined:
        return Chain(None, f"declined by the extension: {declined[0]}", DECLINED_HINT)
    return Chain(None, "the extension is not installed", NATIVE_HINT)


def chain_to_look_at(settings: Settings) -> Chain:
    """Return the native chain that an agent with these settings would use; nothing is stored. Raises ShipperError."""
    return chain_of(settings, pipeline_of(settings, counting_of(settings, ()), read_only_redactor(settings)))


def compiled_of(settings: Settings, pipeline: Pipeline) -> FastChain | None:
    """Return the native chain of `pipeline`; log why there is none, unless it is turned off."""
    chain, reason, hint = chain_of(settings, pipeline)
    if chain is None and settings.compiled:
        own_log("shipper").warning("python_path", reason=reason, cost=NATIVE_COST, hint=hint)
    return chain


def bounds_of(settings: Settings) -> Bounds:
    """Return the bounds of lines joined into one entry."""
    join = settings.join
    return Bounds(join.max_lines, join.max_bytes, settings.tail.max_line_bytes, join.wait)


def skew_of(settings: Settings) -> Skew:
    """Return the bounds of plausible times, and the zone of those that name none."""
    schema = settings.schema_
    zone = named_zone(schema.timezone) or UTC  # the settings accept only known names
    return Skew(int(schema.max_future * 1000), int(schema.max_past * 1000), int(schema.max_age * 1000), zone)


def counting_of(settings: Settings, known: Iterable[SeriesKey]) -> Counting:
    """Compile the built-in and configured counter rules; `known` series keep their place under the label bounds."""
    counters = settings.counters
    return Counting(
        rules_of(settings), max_label_values=counters.max_label_values, known=known, services=counters.services
    )


def rules_of(settings: Settings) -> list[Rule]:
    """Return the built-in and configured counter rules."""
    return settings.counters.all_rules()


def redactor_of(settings: Settings, key: bytes | None = None) -> Redactor:
    """Build the redactor; in hash mode it uses `key`, or else the newest key of the settings."""
    redact = settings.redact
    if redact.mode == "hash" and key is None:
        key = redaction_keys(settings)[0]
    return Redactor(redact.fields, redact.patterns, key=key, mode=redact.mode, extra_patterns=redact.extra_patterns)


def read_only_redactor(settings: Settings) -> Redactor:
    """Build the redactor for a command that must not write: without a key file, it uses a fixed key."""
    own = settings.state_dir / key_files.REDACTION
    if settings.redact.mode == "hash" and settings.redact.key is None and not own.exists():
        return redactor_of(settings, key_files.REDACTION.encode())
    return redactor_of(settings)


def redaction_keys(settings: Settings, *, make: bool = True) -> tuple[bytes, ...]:
    """Return the keys of hashes, newest first. Raises ShipperError, also if none exists and `make` is False."""
    redact, own = settings.redact, settings.state_dir / key_files.REDACTION
    if redact.key is not None:
        return key_files.parse_keys(redact.key.get_secret_value().encode())
    if not make and not own.exists():
        raise ConfigurationError(f"key {own} not found", "pass the agent's --state-dir, or set redact.key_file")
    content = key_files.read_or_create_key(own, "redact.key_file")
    try:
        return key_files.parse_keys(content)
    except Invalid as error:
        raise ConfigurationError(f"{own}: {error.what}", error.hint) from error
