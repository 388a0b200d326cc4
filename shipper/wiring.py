"""Wiring: the one place where settings become objects."""

import resource
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from processors.assemble import Bounds
from processors.compiled import CompiledChain
from processors.count import Counting
from processors.enforce import Enforce
from processors.redact import Redactor
from processors.route import Skew, is_daily
from schemas.builtin_rules import builtin_rules
from schemas.metrics import Metric, SeriesKey
from schemas.rules import Rule
from schemas.violation import DEFAULT_POLICIES, Kind
from shipper import keys
from shipper.agent import DECLARED, METRICS, Agent, Pace
from shipper.change import Change
from shipper.clock import Clock
from shipper.errors import ConfigurationError
from shipper.ledger import Ledger
from shipper.outputs.dead_letters import DeadLetters
from shipper.outputs.local import LocalStore
from shipper.outputs.local_reader import LocalReader
from shipper.pipeline import OVERFLOWS, VIOLATIONS, Pipeline
from shipper.ports import Output, Reader
from shipper.release import Releaser
from shipper.settings import ElasticsearchSettings, Settings
from shipper.sources.metadata import Provenance
from shipper.sources.reader import Limits
from shipper.sources.scan import Folders, Scanner
from shipper.sources.tail import Input, Tail
from shipper.state import State

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from shipper.follow import Follower
    from shipper.history import History
    from shipper.http import AgentView
    from shipper.indexer import Indexer
    from shipper.indexer_vitals import IndexerVitals
    from shipper.outputs.elasticsearch.guard import Guard
    from shipper.outputs.elasticsearch.install import Step
    from shipper.outputs.kafka.message import Prefixes
    from shipper.page.pages import WebPages

SEARCH_S = 10.0
"""How long a page waits for one answer of a cluster."""
SPARE_DESCRIPTORS = 128
"""Descriptors left for databases, sockets and rotated files while logs are open."""


def agent(settings: Settings, clock: Clock, *, from_end: bool = False) -> Agent:
    """The agent that `settings` describe, its state open and locked. Raises ShipperError."""
    output = output_of(settings)
    state = state_of(settings)
    try:
        values, created = state.series()
        counting = counting_of(settings, values)
        declared = (*METRICS, VIOLATIONS, OVERFLOWS, *counting.metrics())
        ledger = Ledger({metric.name: metric for metric in declared})
        ledger.restore(values, created)
        ledger.declare([*DECLARED, *counting.declared(), *from_zero(counting)], clock.wall_ms() / 1000)
        pipeline = pipeline_of(settings, counting, redactor_of(settings))
        tail = tail_of(settings, state, from_end=from_end)
        tail.compiled = compiled_of(settings, pipeline)
        return Agent(tail, pipeline, output, state, ledger, clock, pace(settings), upkeep=upkeep_of(settings, output))
    except BaseException:
        state.close()
        raise


def change(settings: Settings, before: Settings, *, from_end: bool, files_changed: bool) -> Change:
    """What a running agent has to take over so that `settings` hold, in place of those `before`.

    `files_changed`: whether a file that the settings name, a secret or a certificate, holds something else.
    Raises ShipperError where it cannot be had; nothing is changed by asking.
    """
    redactor = redactor_of(settings)
    pipeline_of(settings, counting_of(settings, ()), redactor)
    same_output = (settings.elasticsearch, settings.kafka) == (before.elasticsearch, before.kafka) and not files_changed
    rebuilt = None if same_output or settings.output.startswith("local:") else output_of(settings)
    named = (settings.inputs, settings.docker, settings.redact)
    known = {(found.type, found.glob) for found in before.inputs}
    inputs = inputs_of(settings, Folders(), known, from_end=from_end)
    return Change(
        pipeline=lambda series: pipeline_of(settings, counting_of(settings, series), redactor),
        compiled=lambda pipeline: compiled_of(settings, pipeline),
        declared=lambda pipeline: [*pipeline.counting.declared(), *from_zero(pipeline.counting)],
        upkeep=lambda output: upkeep_of(settings, output),
        inputs=None if named == (before.inputs, before.docker, before.redact) else inputs,
        output=rebuilt,
        reroutes=settings.schema_ != before.schema_,
    )


def from_zero(counting: Counting) -> Iterator[SeriesKey]:
    """Series of what may go wrong: they start at zero, so that `increase()` sees the first time."""
    yield from ((VIOLATIONS.name, (kind.value,)) for kind in Kind)
    yield from ((OVERFLOWS.name, (metric.name,)) for metric in counting.metrics() if metric.labels)


def is_indexer(settings: Settings) -> bool:
    """Whether the input is a topic: then an indexer runs in the agent's place."""
    return settings.inputs[0].type == "kafka" if settings.inputs else False


def indexer(settings: Settings, clock: Clock) -> "Indexer":
    """The indexer that `settings` describe; it connects when it runs. Raises ShipperError."""
    from shipper.indexer import DECLARED as ITS_OWN  # noqa: PLC0415 -- see below
    from shipper.indexer import METRICS as ITS_METRICS  # noqa: PLC0415
    from shipper.indexer import Indexer, Translate  # noqa: PLC0415
    from shipper.outputs.kafka.client import connect, group_member, topics_of  # noqa: PLC0415

    url = topic_url(settings)
    ledger = Ledger({metric.name: metric for metric in ITS_METRICS})
    ledger.declare(ITS_OWN, clock.wall_ms() / 1000)
    translate = Translate.of(prefixes_of(settings), redactor_of(settings), settings.host, skew_of(settings))
    join = group_member(connect(url, settings.kafka), topics_of(url, settings.kafka))
    output = output_of(settings)
    return Indexer(join, translate, output, ledger, clock, pace(settings), upkeep=upkeep_of(settings, output))


def indexer_vitals(settings: Settings, found: "Indexer") -> "IndexerVitals":
    """What the indexer shows of itself."""
    from shipper.indexer_vitals import IndexerVitals  # noqa: PLC0415 -- see below

    health, kind = settings.health, settings.output.partition(":")[0]
    return IndexerVitals(found, topic_url(settings), settings.kafka.group, kind, health.stuck_after, health.max_lag)


def topic_url(settings: Settings) -> str:
    """The URL of an indexer's input."""
    return f"kafka:{settings.inputs[0].glob}"


def prefixes_of(settings: Settings) -> "Prefixes":
    """What the names of our indices begin with."""
    from shipper.outputs.kafka.message import Prefixes  # noqa: PLC0415 -- see below

    return Prefixes(settings.index.prefix, settings.index.quarantine_prefix)


def output_of(settings: Settings) -> Output:
    """The output that the URL names."""
    if is_elasticsearch(settings):
        return elasticsearch_output(settings)
    if settings.output.startswith("kafka:"):
        return kafka_output(settings)
    return LocalStore(local_directory(settings), settings.index.quarantine_prefix)


def is_elasticsearch(settings: Settings) -> bool:
    """Whether the output URL names a cluster."""
    return settings.output.startswith(("http:", "https:"))


def elasticsearch_output(settings: Settings) -> Output:
    """The output of a `http(s)://` URL."""
    from shipper.outputs.elasticsearch.connection import connect  # noqa: PLC0415 -- slow to load, and often not needed
    from shipper.outputs.elasticsearch.output import ElasticsearchOutput  # noqa: PLC0415

    found = settings.elasticsearch
    client = connect(settings.output, found)
    return ElasticsearchOutput(
        settings.output,
        client,
        guard_of(settings, client),
        DeadLetters(settings.state_dir),
        quarantine_prefix=settings.index.quarantine_prefix,
        target=target_of(settings),
        window=found.in_flight,
        request_bytes=found.request_bytes,
        retry_for=found.retry_for,
    )


def kafka_output(settings: Settings) -> Output:
    """The output of a `kafka://` URL."""
    from shipper.outputs.kafka.client import connect, topics_of  # noqa: PLC0415 -- see above
    from shipper.outputs.kafka.output import KafkaOutput  # noqa: PLC0415

    found, url = settings.kafka, settings.output
    return KafkaOutput(
        url,
        connect(url, found),
        topics_of(url, found),
        prefixes_of(settings),
        DeadLetters(settings.state_dir),
        window=found.in_flight,
        events_per_record=found.events_per_record,
    )


def guard_of(settings: Settings, client: "Elasticsearch") -> "Guard":
    """What is looked at before anything is written."""
    from shipper.outputs.elasticsearch.guard import Guard  # noqa: PLC0415 -- see above
    from shipper.outputs.elasticsearch.templates import template_names  # noqa: PLC0415

    required = settings.elasticsearch.require_template
    return Guard(settings.output, client, template_names(settings.index), required=required)


def target_of(settings: Settings) -> Callable[[str], str]:
    """Where documents of a daily index are written: there, or to the data stream of that name without the day."""
    prefix = settings.index.prefix
    if not settings.elasticsearch.data_stream:
        return str
    return lambda index: prefix if is_daily(index, prefix) else index


def installation(settings: Settings) -> Iterator["Step"]:
    """Puts in place what the cluster needs before anything is written, step by step."""
    from shipper.outputs.elasticsearch.connection import connect  # noqa: PLC0415 -- see above
    from shipper.outputs.elasticsearch.install import install  # noqa: PLC0415

    client = connect(settings.output, settings.elasticsearch)
    try:
        yield from install(client, settings.output, settings.index, settings.elasticsearch)
    finally:
        client.close()


def check_output(settings: Settings) -> None:
    """Raise ShipperError where the output could not be written to now, whatever was sent."""
    if is_elasticsearch(settings):
        from shipper.outputs.elasticsearch.connection import connect  # noqa: PLC0415 -- see above

        client = connect(settings.output, settings.elasticsearch)
        try:
            guard_of(settings, client).check(())
        finally:
            client.close()
    elif settings.output.startswith("kafka:"):
        check_topics(settings, settings.output)


def check_input(settings: Settings) -> None:
    """Raise ShipperError where the topic of an indexer could not be read now."""
    check_topics(settings, topic_url(settings))


def check_topics(settings: Settings, url: str) -> None:
    """Raise ShipperError where a topic or its quarantine is not there."""
    from shipper.outputs.kafka.client import connect, require_topics, topics_of  # noqa: PLC0415 -- see above

    require_topics(connect(url, settings.kafka), topics_of(url, settings.kafka))


def retention(settings: Settings) -> tuple[float, str] | None:
    """After how many seconds a day's index is deleted, and by whom; None where nothing deletes it."""
    if is_elasticsearch(settings):
        from shipper.outputs.elasticsearch.connection import connect  # noqa: PLC0415 -- see above
        from shipper.outputs.elasticsearch.install import deleted_after  # noqa: PLC0415

        client = connect(settings.output, settings.elasticsearch)
        try:
            seconds = deleted_after(client, settings.output, settings.index.prefix)
        finally:
            client.close()
        return None if seconds is None else (seconds, f"the lifecycle policy of {settings.output}")
    days = settings.local.retention_days if settings.output.startswith("local:") else None
    return None if days is None else (days * 86_400.0, "local.retention_days")


def history_of(settings: Settings) -> "History":
    """An empty history of the counters that the rules keep."""
    from shipper.history import History  # noqa: PLC0415 -- asked for rarely

    counting = counting_of(settings, ())
    return History(counting.metrics(), declared=counting.declared(), labels={"job": "shipper"})


def kibana_import(settings: Settings, url: str) -> Iterator[str]:
    """Imports the Kibana objects of these indices."""
    from shipper.outputs.elasticsearch.connection import tls  # noqa: PLC0415 -- see above
    from shipper.outputs.elasticsearch.kibana import ndjson  # noqa: PLC0415
    from shipper.outputs.elasticsearch.kibana_import import import_objects  # noqa: PLC0415

    found = settings.elasticsearch
    context = tls(found) if url.startswith("https:") else None
    yield from import_objects(url, found, context, ndjson(settings.index.prefix, settings.index.quarantine_prefix))


def upkeep_of(settings: Settings, output: Output) -> Callable[[int], None] | None:
    """Deletes the days that retention does not keep; the cluster's own lifecycle does that there."""
    if not isinstance(output, LocalStore):
        return None

    def upkeep(now_ms: int) -> None:
        gone = output.expire(now_ms, settings.local.retention_days, settings.local.retention_bytes)
        if gone:
            structlog.get_logger("shipper.retention").info("expired", indices=gone)

    return upkeep


def reader(
    settings: Settings, pause: Callable[[], None] = lambda: None, client: "Elasticsearch | None" = None
) -> Reader:
    """The reading side of the store that the output URL names; `client` where there is one already."""
    if is_elasticsearch(settings):
        from shipper.outputs.elasticsearch.connection import connect  # noqa: PLC0415 -- see above
        from shipper.outputs.elasticsearch.reader import ElasticsearchReader  # noqa: PLC0415

        client = client or connect(settings.output, settings.elasticsearch)
        index, guard = settings.index, guard_of(settings, client)
        return ElasticsearchReader(
            settings.output, client, index.prefix, index.quarantine_prefix,
            target=target_of(settings), guard=guard, pause=pause,
        )  # fmt: skip
    if settings.output.startswith("kafka:"):
        raise ConfigurationError(
            f"{settings.output} is a topic, and topics are not searched",
            "give --output the store that its indexer writes to: http(s)://HOST:PORT or local:DIR",
        )
    index = settings.index
    return LocalReader(local_directory(settings), index.prefix, index.quarantine_prefix, pause=pause)


class Stores:
    """Makes a reader for one search after another, over the store of the settings in effect; they share a client."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self._guard = threading.Lock()
        self._connected: tuple[ElasticsearchSettings, Elasticsearch] | None = None

    def __call__(self, pause: Callable[[], None]) -> Reader:
        """A reader that calls `pause` while it reads; it is not to be closed. Raises ConfigurationError."""
        settings = self._settings()
        return reader(settings, pause, self._client(settings) if is_elasticsearch(settings) else None)

    def _client(self, settings: Settings) -> "Elasticsearch":
        from shipper.outputs.elasticsearch.connection import connect  # noqa: PLC0415 -- see above

        with self._guard:
            if self._connected is None or self._connected[0] != settings.elasticsearch:
                if self._connected is not None:
                    self._connected[1].close()
                patient = settings.elasticsearch.model_copy(update={"request_timeout": SEARCH_S})
                self._connected = (settings.elasticsearch, connect(settings.output, patient))
            return self._connected[1]


def pages(agent: "AgentView", settings: Callable[[], Settings], clock: Clock) -> "WebPages":
    """The pages of an agent; `settings` gives those in effect."""
    from shipper.page.pages import WebPages  # noqa: PLC0415 -- commands that serve nothing do not pay for it

    return WebPages(agent, Stores(settings), settings, clock)


def releaser(settings: Settings) -> Releaser:
    """Runs quarantined entries through the chain of `settings` again."""
    return Releaser(pipeline_of(settings, counting_of(settings, ()), redactor_of(settings)))


def local_directory(settings: Settings) -> Path:
    """The folder of a `local:DIR` URL."""
    scheme, _, folder = settings.output.partition(":")
    if scheme != "local" or not folder:
        raise ConfigurationError(
            f"output {settings.output!r} is not one that this version writes", "give `local:DIR`, a folder"
        )
    return Path(folder)


def pipeline_of(settings: Settings, counting: Counting, redactor: Redactor) -> Pipeline:
    """The chain of steps."""
    schema = settings.schema_
    return Pipeline(
        Enforce(schema.correlation_sources),
        counting,
        redactor,
        {**DEFAULT_POLICIES, **schema.policies},
        skew_of(settings),
        settings.index.prefix,
        settings.index.quarantine_prefix,
        frozenset(metric.name for metric in counting.metrics() if metric.type == "histogram"),
    )


def compiled_of(settings: Settings, pipeline: Pipeline) -> CompiledChain | None:
    """The chain of `pipeline`, compiled; None where the extension is not installed or not wanted."""
    if not settings.compiled:
        return None
    return CompiledChain.of(pipeline.enforce, pipeline.counting, pipeline.redactor, pipeline.skew)


def skew_of(settings: Settings) -> Skew:
    """Which times are believed."""
    schema = settings.schema_
    return Skew(int(schema.max_future * 1000), int(schema.max_past * 1000), int(schema.max_age * 1000))


def counting_of(settings: Settings, known: Iterable[SeriesKey]) -> Counting:
    """The counter rules, built-in and configured, compiled; `known` series keep their place under the label bounds."""
    counters = settings.counters
    return Counting(
        rules_of(settings), max_label_values=counters.max_label_values, known=known, services=counters.services
    )


def rules_of(settings: Settings) -> list[Rule]:
    """The counter rules, built-in and configured."""
    counters = settings.counters
    return [*(builtin_rules(counters.business_events) if counters.builtin else []), *counters.rules]


def redactor_of(settings: Settings, key: bytes | None = None) -> Redactor:
    """The redaction that leaves nothing unmasked on its way out; by hash under `key`, or the newest that there is."""
    redact = settings.redact
    if redact.mode == "hash" and key is None:
        key = redaction_keys(settings)[0]
    return Redactor(redact.fields, redact.patterns, key=key, mode=redact.mode, extra_patterns=redact.extra_patterns)


def redactor_to_look_with(settings: Settings) -> Redactor:
    """The same for a command that leaves nothing behind: a key that was not made yet stays unmade, and is made up."""
    own = settings.state_dir / keys.REDACTION
    if settings.redact.mode == "hash" and settings.redact.key is None and not own.exists():
        return redactor_of(settings, keys.REDACTION.encode())
    return redactor_of(settings)


def redaction_keys(settings: Settings, *, make: bool = True) -> tuple[bytes, ...]:
    """The keys of hashes, newest first. Raises ShipperError, also where there is none yet and none is to be made."""
    redact, own = settings.redact, settings.state_dir / keys.REDACTION
    if redact.key is not None:
        return keys.keys_in(redact.key.get_secret_value().encode())
    if not make and not own.exists():
        raise ConfigurationError(f"there is no key {own}", "give the agent's --state-dir, or redact.key_file")
    content = keys.own_key(own, "redact.key_file")
    try:
        return keys.keys_in(content)
    except ValueError as error:
        what, _, cure = str(error).partition("; ")
        raise ConfigurationError(f"{own}: {what}", cure) from error


def state_of(settings: Settings, directory: Path | None = None) -> State:
    """The state in a directory, opened and locked. Raises StateError."""
    given = settings.state_key
    return State(directory or settings.state_dir, None if given is None else given.get_secret_value().encode())


def tail_of(settings: Settings, state: State, *, from_end: bool) -> Tail:
    """The inputs, with what the state knows of their logs."""
    folders = Folders()
    inputs = inputs_of(settings, folders, (), from_end=from_end)
    most = settings.tail.max_open_files or descriptors()
    return Tail(inputs, bounds_of(settings), limits_of(settings), state.logs(), folders, most)


def bounds_of(settings: Settings) -> Bounds:
    """What is joined into one entry."""
    join = settings.join
    return Bounds(join.max_lines, join.max_bytes, settings.tail.max_line_bytes, join.wait)


def metrics_of(settings: Settings) -> list[Metric]:
    """Every metric that an agent of these settings keeps in its state."""
    return [*METRICS, VIOLATIONS, OVERFLOWS, *counting_of(settings, ()).metrics()]


def follower(settings: Settings, clock: Clock) -> "Follower":
    """What reads the inputs from their ends on, and keeps nothing. Raises ConfigurationError."""
    from shipper.follow import Follower  # noqa: PLC0415 -- see above

    if is_indexer(settings):
        raise ConfigurationError(
            f"{topic_url(settings)} is a topic, and reading it would take messages from its indexers",
            "follow a node's files with --input TYPE:GLOB, or ask the store with `shipper search --since 1m`",
        )
    folders = Folders()
    inputs = inputs_of(settings, folders, (), from_end=True)
    tail = Tail(inputs, bounds_of(settings), limits_of(settings), {}, folders, descriptors())
    pipeline = pipeline_of(settings, counting_of(settings, ()), redactor_to_look_with(settings))
    return Follower(tail, pipeline, clock, settings.tail.scan_interval)


def limits_of(settings: Settings) -> Limits:
    """Bounds of reading."""
    tail = settings.tail
    return Limits(line_bytes=tail.max_line_bytes, rotate_wait=tail.rotate_wait, join_wait=settings.join.wait)


def inputs_of(
    settings: Settings, folders: Folders, known: Collection[tuple[str, str]], *, from_end: bool
) -> list[Input]:
    """What the settings follow; logs of an input that is `known`, by type and glob, begin at their beginning."""
    provenance = Provenance(settings.host, settings.docker, redactor_to_look_with(settings))
    return [
        Input(
            found.type,
            Scanner(found.glob, folders),
            provenance.of(found),
            (from_end or found.start == "end") and (found.type, found.glob) not in known,
        )
        for found in settings.inputs
    ]


def descriptors() -> int:
    """How many logs may be open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (1 << 20 if soft == resource.RLIM_INFINITY else max(64, soft - SPARE_DESCRIPTORS)) // 2


def pace(settings: Settings) -> Pace:
    """How often the agent looks and how much it takes."""
    tail = settings.tail
    under_way = settings.elasticsearch.in_flight if is_elasticsearch(settings) else 1
    return Pace(tail.poll_interval, tail.scan_interval, tail.batch_bytes // under_way, batch_age=tail.batch_age)
