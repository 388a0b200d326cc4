"""Catalogue of the shipper's own metrics, each declared once.

A metric is one constant here: its name, type, help and labels, the values of its label if they are known in advance,
and the processes that have it. The agent, the indexer, the pages, `shipper top` and the reference in docs/ read it.
"""

from dataclasses import dataclass
from typing import Literal

from shipper.model.batch import OUTCOMES
from shipper_schemas.metrics import Metric, SeriesKey
from shipper_schemas.violation import Kind

Process = Literal["agent", "indexer", "replay"]
AGENT: tuple[Process, ...] = ("agent",)
INDEXER: tuple[Process, ...] = ("indexer",)
REPLAY: tuple[Process, ...] = ("replay",)
BOTH: tuple[Process, ...] = ("agent", "indexer")
ALL: tuple[Process, ...] = ("agent", "indexer", "replay")
PREFIX = "shipper_"
"""Prefix of the names of all metrics here, and of no other metric."""
SUCCESS, FAILURE = "success", "failure"


@dataclass(frozen=True, slots=True)
class OwnMetric(Metric):
    """A metric of the shipper itself."""

    processes: tuple[Process, ...] = AGENT
    values: tuple[str, ...] | None = None
    """Every value of its one label; None if they are not known in advance."""
    measured: bool = False
    """True if it is measured for each snapshot and not saved, as gauges are."""


# --- counted, and saved with each commit ----------------------------------------------------------

LINES_READ = OwnMetric(
    "shipper_lines_read_total", "counter", "Physical lines read from followed files.", processes=AGENT + REPLAY
)
BYTES_READ = OwnMetric(
    "shipper_bytes_read_total", "counter", "Bytes read from followed files, decompressed.", processes=AGENT + REPLAY
)
EVENTS = OwnMetric(
    "shipper_events_total", "counter", "Events by outcome.", ("outcome",), values=OUTCOMES, processes=ALL
)
LINES = OwnMetric(
    "shipper_lines_total", "counter", "Physical lines by the outcome of their event.", ("outcome",),
    values=OUTCOMES,
)  # fmt: skip
ROTATIONS = OwnMetric("shipper_rotations_total", "counter", "Rotations detected.")
TRUNCATIONS = OwnMetric("shipper_truncations_total", "counter", "Files truncated in place.")
LOST = OwnMetric(
    "shipper_files_lost_total", "counter",
    "Files whose end was not read or not shipped: deleted before, or while the agent was stopped, or let go of.",
)  # fmt: skip
LOST_BYTES = OwnMetric(
    "shipper_files_lost_bytes_total", "counter",
    "Bytes of lost files that were not shipped; without those that nobody has seen.",
)  # fmt: skip
DAMAGED = OwnMetric("shipper_files_damaged_total", "counter", "Compressed files that are cut off.")
WRITES = OwnMetric(
    "shipper_output_requests_total", "counter", "Batches sent to the output by result.", ("result",),
    values=("ok", "unavailable"), processes=ALL,
)  # fmt: skip
WRITE_SECONDS = OwnMetric(
    "shipper_output_request_duration_seconds", "histogram", "Batch latency of the output.", (),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0), processes=ALL,
)  # fmt: skip
RETRIES = OwnMetric(
    "shipper_output_retries_total", "counter", "Documents retried because the output asked for it.", processes=ALL
)
THROTTLED = OwnMetric(
    "shipper_output_throttled_total", "counter", "Responses that asked to slow down (429).", processes=ALL
)
REFUSED = OwnMetric("shipper_output_refused_total", "counter", "Documents rejected by their index.", processes=ALL)
RELOADS = OwnMetric(
    "shipper_config_reloads_total", "counter", "Configuration reloads by result.", ("result",),
    values=(SUCCESS, FAILURE),
)  # fmt: skip
VIOLATIONS = OwnMetric(
    "shipper_violations_total", "counter", "Schema violations by reason.", ("reason",),
    values=tuple(kind.value for kind in Kind), processes=AGENT + REPLAY,
)  # fmt: skip
NATIVE_DECLINED = OwnMetric(
    "shipper_native_declined_total",
    "counter",
    "Lines that the native path left to the Python path, by reason; with several in a row, by that of the first.",
    ("reason",), processes=AGENT + REPLAY,
)  # fmt: skip
WITHOUT_ID = OwnMetric(
    "shipper_events_without_correlation_id_total",
    "counter",
    "Structured events without a usable correlation id, by service.",
    ("service",),
    processes=AGENT + REPLAY,
)
WITH_OR_NEEDING_ID = OwnMetric(
    "shipper_correlation_id_events_total",
    "counter",
    "Structured events that carry a correlation id or must carry one, by service and outcome"
    " (accepted, quarantined, dropped).",
    ("service", "outcome"),
    processes=AGENT + REPLAY,
)
OVERFLOWS = OwnMetric(
    "shipper_label_overflows_total",
    "counter",
    "Label values counted as `other` because their label is full.",
    ("metric",),
)
MESSAGES = OwnMetric("shipper_messages_read_total", "counter", "Kafka messages read.", processes=INDEXER)
REBALANCES = OwnMetric(
    "shipper_rebalances_total", "counter", "Assignments of partitions to this indexer.", processes=INDEXER
)
COMMITTED = OwnMetric(
    "shipper_offset_commits_total", "counter", "Offset commits by result.", ("result",),
    values=("ok", "refused", "unavailable"), processes=INDEXER,
)  # fmt: skip
MESSAGES_LOST = OwnMetric(
    "shipper_messages_lost_total", "counter",
    "Kafka messages that were gone before they were read, as far as known, by reason.", ("reason",),
    values=("recreated", "shrunk", "expired"), processes=INDEXER,
)  # fmt: skip
RESETS = OwnMetric(
    "shipper_partition_resets_total", "counter",
    "Partitions whose topic was created again, that became shorter, or that lost messages before they were read.",
    ("reason",), values=("recreated", "shrunk", "expired"), processes=INDEXER,
)  # fmt: skip
REPLAYED = OwnMetric(
    "shipper_replay_documents_total", "counter", "Documents by daily index.", ("index",), processes=REPLAY
)

# --- measured for each snapshot -------------------------------------------------------------------

FILES = OwnMetric("shipper_files_followed", "gauge", "Logs followed; rotated files belong to their log.", measured=True)
UNREADABLE = OwnMetric("shipper_files_unreadable", "gauge", "Logs that exist and cannot be opened.", measured=True)
LAG_BYTES = OwnMetric("shipper_lag_bytes", "gauge", "Bytes not read or not shipped yet.", ("output",), measured=True)
LAG_MESSAGES = OwnMetric(
    "shipper_lag_messages", "gauge", "Messages in the assigned partitions that are not indexed yet.", ("group",),
    measured=True, processes=INDEXER,
)  # fmt: skip
LAG_SECONDS = OwnMetric(
    "shipper_lag_seconds", "gauge", "Time that the oldest unshipped bytes have waited.", ("output",),
    measured=True, processes=BOTH,
)  # fmt: skip
PARTITIONS = OwnMetric(
    "shipper_partitions_assigned", "gauge", "Partitions assigned to this indexer.", ("group",),
    measured=True, processes=INDEXER,
)  # fmt: skip
INPUT_UP = OwnMetric(
    "shipper_input_up", "gauge", "1 while Kafka delivers messages and accepts commits.", ("input",),
    measured=True, processes=INDEXER,
)  # fmt: skip
OUTPUT_UP = OwnMetric(
    "shipper_output_up", "gauge", "1 if the output accepted the last batch.", ("output",), measured=True, processes=BOTH
)
SPOOL_BYTES = OwnMetric(
    "shipper_spool_bytes",
    "gauge",
    "Bytes on disk of files that wait in the spool for the output.",
    measured=True,
)
SPOOL_MAX_BYTES = OwnMetric(
    "shipper_spool_max_bytes", "gauge", "Maximum size of the spool on disk (spool.max_bytes).", measured=True
)
HELD_FILES = OwnMetric(
    "shipper_held_files",
    "gauge",
    "Rotated files held open until the output has stored them.",
    measured=True,
)
COMMITS = OwnMetric(
    "shipper_state_commits_total", "counter", "Commits of checkpoints and counters since the start.", measured=True
)
RELOADED = OwnMetric(
    "shipper_config_last_reload_successful", "gauge",
    "1 if the last changed configuration was loaded.", measured=True,
)  # fmt: skip
LOADED_AT = OwnMetric(
    "shipper_config_last_reload_success_timestamp_seconds", "gauge",
    "Time when the configuration in effect was loaded.", measured=True,
)  # fmt: skip
BUILD = OwnMetric(
    "shipper_build_info", "gauge", "Versions of shipper and Python, and the path that lines take: native or python.",
    ("version", "python", "path"), measured=True, processes=BOTH,
)  # fmt: skip

CATALOGUE = tuple(metric for metric in tuple(globals().values()) if isinstance(metric, OwnMetric))
"""All metrics above, in their order."""


def saved(process: Process) -> tuple[OwnMetric, ...]:
    """Return the metrics that a process counts and saves."""
    return tuple(metric for metric in CATALOGUE if process in metric.processes and not metric.measured)


def measured(process: Process) -> tuple[OwnMetric, ...]:
    """Return the metrics that a process measures for each snapshot; the exposition adds `BUILD` itself."""
    return tuple(
        metric for metric in CATALOGUE if process in metric.processes and metric.measured and metric is not BUILD
    )


def from_zero(process: Process) -> tuple[SeriesKey, ...]:
    """Return the saved series known in advance: they start at 0, so that `increase()` sees their first change."""
    return tuple((metric.name, labels) for metric in saved(process) for labels in _known_labels(metric))


def _known_labels(metric: OwnMetric) -> tuple[tuple[str, ...], ...]:
    if not metric.labels:
        return ((),)
    return tuple((value,) for value in metric.values or ())
