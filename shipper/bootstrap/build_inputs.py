"""Inputs and their limits built from the settings."""

import resource
from collections.abc import Collection, Mapping

from shipper.agent.live_tail import LiveTail
from shipper.bootstrap.build_pipeline import bounds_of, counting_of, pipeline_of, read_only_redactor
from shipper.config.settings import InputSettings, Settings
from shipper.delivery.pace import Pace
from shipper.inputs.files.attention import Attention
from shipper.inputs.files.container_metadata import Provenance, signature
from shipper.inputs.files.glob_scan import Folders, Scanner
from shipper.inputs.files.held_files import LEAST_OPEN, HeldFiles
from shipper.inputs.files.held_files import Bounds as HeldBounds
from shipper.inputs.files.limits import Limits
from shipper.inputs.files.pod_metadata import PodMetadata, pod_api
from shipper.inputs.files.tailer import Input, OriginOf, Tail
from shipper.inputs.files.watches import open_watches
from shipper.inputs.registry import process_of
from shipper.outputs import registry
from shipper.state.checkpoint import SavedLog
from shipper.state.spool import Spool
from shipper.state.store import State
from shipper.system.clock import Clock
from shipper.system.errors import ConfigurationError

SPARE_DESCRIPTORS = 128
"""Descriptors reserved for databases, sockets and rotated files while logs are open."""
OTHER_RUNTIME = {"docker": "cri", "cri": "docker"}


def tail_of(settings: Settings, state: State, *, from_end: bool) -> Tail:
    """Build the tail of the inputs, with the checkpoints of their logs from the state."""
    attention, pods = attention_of(settings), pods_of(settings)
    folders = Folders(watches=attention.watches)
    inputs = inputs_of(settings, folders, (), from_end=from_end, pods=pods)
    most = settings.tail.max_open_files or descriptors()
    bounds, limits = bounds_of(settings), limits_of(settings)
    saved = state.logs()
    spool = spool_of(state, saved)
    return Tail(inputs, bounds, limits, saved, folders, most, pods=pods, attention=attention, spool=spool)


def spool_of(state: State, saved: Mapping[str, SavedLog]) -> Spool:
    """Return the spool of a state, with the files to which its checkpoints refer."""
    spool = Spool(state.directory, state.cipher)
    spool.load(saved.values())
    return spool


def held_files_of(settings: Settings, tail: Tail) -> HeldFiles | None:
    """Return what moves held files to the spool of a tail."""
    section = settings.spool
    most = section.held_files or max(LEAST_OPEN, tail.max_open // 4)
    bounds = HeldBounds(section.after, section.held_bytes, most, section.max_bytes, section.max_age, section.drop)
    return None if tail.spool is None else HeldFiles(tail, tail.spool, bounds)


def pods_of(settings: Settings) -> PodMetadata | None:
    """Return the labels of this node's pods, listed, if the settings allow it. Raises ConfigurationError."""
    section = settings.kubernetes
    return PodMetadata(pod_api(section, settings.host), section.wait).start() if section.metadata else None


def attention_of(settings: Settings) -> Attention:
    """Return how changes are noticed: reported by inotify if the settings and the system allow it, or polled."""
    watches, reason = open_watches() if settings.tail.notify else (None, "tail.notify: false")
    return Attention(watches, reason, poll_s=settings.tail.poll_interval)


def follower(settings: Settings, clock: Clock) -> LiveTail:
    """Return a reader that follows the inputs from their ends and stores nothing. Raises ConfigurationError."""
    if process_of(settings) == "indexer":
        raise ConfigurationError(
            f"cannot tail the topic {settings.inputs[0].url}: this would take messages from its indexers",
            "follow a node's files with --input TYPE:GLOB, or search the store with `shipper search --since 1m`",
        )
    folders = Folders()
    inputs = inputs_of(settings, folders, (), from_end=True)
    tail = Tail(inputs, bounds_of(settings), limits_of(settings), {}, folders, descriptors())
    pipeline = pipeline_of(settings, counting_of(settings, ()), read_only_redactor(settings))
    return LiveTail(tail, pipeline, clock, settings.tail.scan_interval)


def limits_of(settings: Settings) -> Limits:
    """Return the bounds of reading."""
    tail = settings.tail
    return Limits(
        line_bytes=tail.max_line_bytes,
        rotate_wait=tail.rotate_wait,
        late_wait=tail.late_wait,
        join_wait=settings.join.wait,
    )


def inputs_of(
    settings: Settings,
    folders: Folders,
    known: Collection[tuple[str, str]],
    *,
    from_end: bool,
    pods: PodMetadata | None = None,
) -> list[Input]:
    """Return the inputs of the settings; logs of an input in `known`, by type and glob, start at their beginning."""
    redactor = read_only_redactor(settings)
    provenance = Provenance(settings.host, settings.docker, redactor, pods, settings.kubernetes.labels)
    return [
        Input(
            section.type,
            Scanner(section.glob, folders),
            provenance.of(section),
            (from_end or section.start == "end") and (section.type, section.glob) not in known,
            _other_origin(provenance, section),
            provenance.is_described,
            signature if section.type == "docker" else lambda _real: None,
        )
        for section in settings.inputs
    ]


def _other_origin(provenance: Provenance, section: InputSettings) -> OriginOf | None:
    """Return the origin of logs of an input that the other container runtime writes; None for other inputs."""
    other = OTHER_RUNTIME.get(section.type)
    return None if other is None else provenance.of(section.model_copy(update={"type": other}))


def descriptors() -> int:
    """Return the number of logs that may be open at the same time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (1 << 20 if soft == resource.RLIM_INFINITY else max(64, soft - SPARE_DESCRIPTORS)) // 2


def pace(settings: Settings) -> Pace:
    """Return the poll and scan intervals of the agent, and the size and age of a batch."""
    tail = settings.tail
    batch_bytes = tail.batch_bytes // registry.factory(settings).concurrent_batches(settings)
    return Pace(tail.poll_interval, tail.scan_interval, batch_bytes, batch_age=tail.batch_age)
