# Types of the native extension, which executes a chain plan over ordinary lines; see README.md.

from typing import Literal, final

# Properties of all lines of one log. `kind` is docker or cri, `seed` begins each digest, the tails are `Renderer.tail`,
# and `zone` is `ZonePlan.to_json` of the zone of times that name none.
@final
class LogContext:
    def __new__(
        cls, kind: str, seed: bytes, stdout_tail: bytes, stderr_tail: bytes, salt: int, zone: bytes
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
    # Number of documents with a correlation id.
    @property
    def with_correlation_id(self) -> int: ...
    # Join blocks and encoded lines into the body of a bulk request whose path names the index.
    @staticmethod
    def joined(parts: list[Documents | bytes]) -> bytes: ...
    # Id, time in milliseconds, body and texts of the ten columns of each document; `extra` as JSON.
    def rows(self) -> list[tuple[bytes, int, bytes, tuple[str | None, ...]]]: ...
    def __len__(self) -> int: ...

# Consecutive ordinary lines, and the reason why the scan stopped after them.
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
    @property
    def documents(self) -> Documents: ...
    @property
    def lines(self) -> int: ...
    # Groups with increments, each with the number of its events, in the order of their first event.
    @property
    def counted(self) -> list[tuple[int, int]]: ...
    # The last digest, and the number of equal neighbours before its line.
    @property
    def last(self) -> bytes: ...
    @property
    def ordinal(self) -> int: ...
    # The runtime's time of the last line; empty without lines.
    @property
    def seen(self) -> str: ...

# The chain of one plan, and its groups of events.
@final
class Chain:
    # `plan` is `ChainPlan.to_json`. Raises ValueError, with the reason, for a plan that it cannot execute.
    def __new__(cls, plan: bytes) -> Chain: ...
    # Process ordinary lines from byte `at`; `lines` begins at `offset` of its file. `last` and `ordinal` continue the
    # digests; `stdout` and `stderr` are True if the stream has no partial entry. Raises RuntimeError for a panic.
    def scan(
        self,
        log: LogContext,
        lines: bytes,
        at: int,
        offset: int,
        last: bytes,
        ordinal: int,
        stdout: bool,
        stderr: bool,
    ) -> FastBatch: ...
    # Set the effect of a group's events on the counters. Raises ValueError for an unknown group.
    def set_effect(self, group: int, effect: Literal["none", "constant", "each"]) -> None: ...
    # The number of groups.
    @property
    def groups(self) -> int: ...
    # Fields for which a rule has an unknown operator.
    @property
    def undecided_fields(self) -> list[str]: ...
    # Fields with an unknown declaration; lines that contain them need the Python path.
    @property
    def declined_fields(self) -> list[str]: ...
    # Remove all groups.
    def forget(self) -> None: ...

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
