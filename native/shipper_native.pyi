# Types of the native extension, which executes a chain plan over lines; see README.md.

from typing import Final, Literal, final

# Version of these classes; `fast_path` uses no extension of another one.
INTERFACE: Final[int]

# Properties of all lines of one log. `kind` is docker or cri, `seed` begins each digest, the tails are `Renderer.tail`,
# `zone` is `ZonePlan.to_json` of the zone of times that name none. If it has its own, `require` is its policy of
# correlation ids, and `own` its table of field sources (`NormalisationPlan.to_json`).
@final
class LogContext:
    def __new__(
        cls,
        kind: str,
        seed: bytes,
        stdout_tail: bytes,
        stderr_tail: bytes,
        salt: int,
        zone: bytes,
        begins: bool,
        require: str | None = None,
        own: bytes | None = None,
    ) -> LogContext: ...

# Documents of one day, in the order of their lines.
@final
class Documents:
    # `YYYY.MM.dd`
    @property
    def day(self) -> str: ...
    # Bytes of all bodies together.
    @property
    def nbytes(self) -> int: ...
    # Bytes of the lines of a bulk request.
    @property
    def bulk_size(self) -> int: ...
    # The same lines with `index` named in each action, for a request whose path names another index; and their size.
    def named(self, index: str) -> bytes: ...
    def named_size(self, index: str) -> int: ...
    # True if they are for the quarantine.
    @property
    def quarantined(self) -> bool: ...
    # Join blocks and encoded lines into the body of a bulk request whose path names the index.
    @staticmethod
    def joined(parts: list[Documents | bytes]) -> bytes: ...
    # Id, time in milliseconds, body and texts of the ten columns of each document; `extra` as JSON.
    def rows(self) -> list[tuple[bytes, int, bytes, tuple[str | None, ...]]]: ...
    def __len__(self) -> int: ...

# Consecutive processed lines, and the reason why the scan stopped after them.
@final
class FastBatch:
    # Bytes of these lines.
    @property
    def taken(self) -> int: ...
    # All lines are processed; the next needs the Python path; its group is new; the block is full.
    @property
    def stop(self) -> Literal["end", "python", "unknown", "full"]: ...
    # The new group; -1 for other reasons.
    @property
    def group(self) -> int: ...
    # One block for each day and kind of index.
    @property
    def documents(self) -> list[Documents]: ...
    @property
    def lines(self) -> int: ...
    # Lines without a document.
    @property
    def dropped(self) -> int: ...
    # Why the next line takes the Python path; empty for other stops.
    @property
    def declined(self) -> str: ...
    # Kinds of violation that are counted, each with its number.
    @property
    def violations(self) -> list[tuple[str, int]]: ...
    # Structured events without an id; those with one, or without one that they must have: accepted, quarantined,
    # dropped.
    @property
    def ids(self) -> tuple[int, int, int, int]: ...
    # Groups with increments, each with the number of its events, in the order of their first event.
    @property
    def counted(self) -> list[tuple[int, int]]: ...
    # The digest of the first line, without regard to the line before it; empty without lines.
    @property
    def first(self) -> bytes: ...
    # The last digest, and the number of equal neighbours before its line.
    @property
    def last(self) -> bytes: ...
    @property
    def ordinal(self) -> int: ...
    # The runtime's time of the last line; empty without lines.
    @property
    def seen(self) -> str: ...
    # Texts among these lines that a later line may continue: where they begin, from the first line, and digests.
    @property
    def held(self) -> list[tuple[int, bytes]]: ...

# Groups of events, each with its effect on the counters. Their numbers hold for one table; all threads may share it.
@final
class Groups:
    def __new__(cls) -> Groups: ...
    # Set the effect of a group's events on the counters. Raises ValueError for an unknown group.
    def set_effect(self, group: int, effect: Literal["none", "constant", "each"]) -> None: ...
    def __len__(self) -> int: ...

# The chain of one plan. Several threads may use it.
@final
class Chain:
    # `plan` is `ChainPlan.to_json`. Raises ValueError, with the reason, for a plan that it cannot execute.
    def __new__(cls, plan: bytes) -> Chain: ...
    # True if the line from byte `at` is of this stream and ends a text of one line, so that nothing continues it.
    def ends_text(self, log: LogContext, text: str, stream: str, lines: bytes, at: int) -> bool: ...
    # Process lines from byte `begin` to `end`; `lines` begins at `offset` of its file. `last` and `ordinal`
    # continue the digests; `stdout` and `stderr` are True if the stream has no partial entry. Raises RuntimeError for a
    # panic.
    def scan(
        self,
        groups: Groups,
        log: LogContext,
        lines: bytes,
        begin: int,
        end: int,
        offset: int,
        last: bytes,
        ordinal: int,
        stdout: bool,
        stderr: bool,
    ) -> FastBatch: ...
    # Fields for which a rule has an unknown operator.
    @property
    def undecided_fields(self) -> list[str]: ...
    # Fields with an unknown declaration; lines that contain them need the Python path.
    @property
    def declined_fields(self) -> list[str]: ...

# Threads that scan ahead of their consumer; they start with the first job. With 0 threads, `Job.result` scans.
@final
class Pool:
    def __new__(cls, threads: int) -> Pool: ...
    # True if the threads have nothing to do.
    @property
    def idle(self) -> bool: ...
    # Start `Chain.scan` with these arguments.
    def submit(
        self,
        chain: Chain,
        groups: Groups,
        log: LogContext,
        lines: bytes,
        begin: int,
        end: int,
        offset: int,
        last: bytes,
        ordinal: int,
        stdout: bool,
        stderr: bool,
    ) -> Job: ...

# A submitted scan; a dropped one is not begun any more.
@final
class Job:
    # Return the result, once; the caller scans if no thread has begun. Raises RuntimeError for a panic.
    def result(self) -> FastBatch: ...

# Number of CPUs that this process may use, by affinity and control group.
def cpus() -> int: ...

# The steps of the chain one by one, for tests. A submodule; None stands for a declined value.
class parts:  # noqa: N801 -- a module
    # value.rs: a JSON text as it is written back.
    @staticmethod
    def json_written(text: str) -> bytes | None: ...
    # times.rs, with the names of the plan's section and a zone.
    @final
    class Times:
        def __new__(cls, names: str, zone: bytes) -> parts.Times: ...
        # Milliseconds since the epoch, and True if the value says which instant it is. Raises ValueError if declined.
        def read_time(self, value: str, reference_ms: int | None) -> tuple[int, bool] | None: ...
        # The time of an event, and kind, field and detail of the doubt.
        def event_time(
            self, value: str, runtime_ms: int | None, now_ms: int, skew: tuple[int, int, int]
        ) -> tuple[int, tuple[str, str | None, str] | None] | None: ...

    # joins.rs: True for a text that nothing continues; that begins no text of several lines; whose next line is `line`.
    @staticmethod
    def is_never_continued(text: str) -> bool: ...
    @staticmethod
    def is_plain_head(text: str) -> bool: ...
    @staticmethod
    def ends(head: str, line: str) -> bool: ...
    # pattern.rs, payload.rs and what they use, with the tables of one plan. A declined text raises ValueError.
    class Texts:
        def __init__(self, plan: bytes) -> None: ...
        # The shape and the fields of a text, as JSON.
        def decode(self, text: str) -> tuple[str, bytes]: ...
        # False if a text that does not begin with `{` is one entry.
        def may_hold_several(self, text: str) -> bool: ...
        # True if a line begins a record.
        def begins_record(self, line: str) -> bool: ...
        # Type and message of the exception that a text reports; None if it is no trace.
        def summary(self, text: str) -> tuple[str | None, str | None] | None: ...
        # A text without terminal sequences and what stands around it.
        def clean(self, text: str) -> str: ...
        # The spans of a match and of its groups, in bytes; `how` is match, fullmatch or search.
        @staticmethod
        def spans(expression: str, flags: int, how: str, text: str) -> list[tuple[int, int] | None] | None: ...
