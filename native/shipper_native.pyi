# The types of the extension: a chain plan executed over ordinary lines. README.md says what it is, src/ how.

from typing import Literal, final

# What all lines of one log share. `kind` is docker or cri, `seed` begins each digest, the tails are `Renderer.tail`.
@final
class LogLens:
    def __new__(cls, kind: str, seed: bytes, stdout_tail: bytes, stderr_tail: bytes, salt: int) -> LogLens: ...

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
    # Lines of a bulk request whose path names the index.
    @staticmethod
    def joined(pieces: list[Documents | bytes]) -> bytes: ...
    # Of each document its id, its time in milliseconds, its body and the texts of the eight columns.
    def rows(self) -> list[tuple[bytes, int, bytes, tuple[str | None, ...]]]: ...
    def __len__(self) -> int: ...

# Consecutive ordinary lines, and why the scan stopped behind them.
@final
class FastBatch:
    # Bytes of these lines.
    @property
    def taken(self) -> int: ...
    # All lines are read; the next needs the Python path; its group is new; the block is full.
    @property
    def stop(self) -> Literal["end", "python", "unknown", "full"]: ...
    # The new group; -1 where that is not why the scan stopped.
    @property
    def group(self) -> int: ...
    @property
    def documents(self) -> Documents: ...
    @property
    def lines(self) -> int: ...
    # Groups that add to counters, each with the number of its events, in the order of their first.
    @property
    def counted(self) -> list[tuple[int, int]]: ...
    # The last digest, and how many neighbours before its line were equal.
    @property
    def last(self) -> bytes: ...
    @property
    def ordinal(self) -> int: ...
    # The runtime's time of the last line; empty without lines.
    @property
    def seen(self) -> str: ...

# The chain of one plan, and the groups of events that it has seen.
@final
class Chain:
    # `plan` is `ChainPlan.to_json`. Raises ValueError, with the reason, for a plan that it does not execute.
    def __new__(cls, plan: bytes) -> Chain: ...
    # Read ordinary lines from byte `at`; `lines` begins at `offset` of its file. `last` and `ordinal` continue the
    # digests; `stdout` and `stderr` say that the stream holds no partial entry. Raises RuntimeError for a panic.
    def scan(
        self,
        lens: LogLens,
        lines: bytes,
        at: int,
        offset: int,
        last: bytes,
        ordinal: int,
        stdout: bool,
        stderr: bool,
    ) -> FastBatch: ...
    # Note what the events of a group add to the counters. Raises ValueError for a group that there is not.
    def set_effect(self, group: int, effect: Literal["silent", "counted", "alone"]) -> None: ...
    # The number of groups.
    @property
    def groups(self) -> int: ...
    # Fields for which the plan has an operator that this build does not know.
    @property
    def undecided(self) -> list[str]: ...
    # Fields whose declaration this build does not know; lines that hold them need the Python path.
    @property
    def declined_fields(self) -> list[str]: ...
    # Forget all groups.
    def forget(self) -> None: ...
