"""Errors for people: each names the failure, the thing that failed, and the fix."""

import errno
from typing import Protocol

NOTHING_LOST = "no data is lost and writing resumes automatically"
"""Added to the hint of a failure that resumes, by processes that keep running."""
AGAIN = "no data is lost; run the command again"


class Hinted(Protocol):
    """A failure with its hint, as the functions below need it."""

    @property
    def hint(self) -> str:
        """The next step, as an instruction."""

    @property
    def resumes(self) -> bool:
        """True if work resumes automatically once the cause is gone."""


def hint_while_running(failure: Hinted) -> str:
    """Return the hint for a process that keeps running, and for its status."""
    return "; ".join(filter(None, (failure.hint, NOTHING_LOST if failure.resumes else "")))


def hint_for_command(failure: Hinted) -> str:
    """Return the hint for a command that ends: nothing resumes automatically afterwards."""
    return failure.hint or ("try again" if failure.resumes else "")


def hint_to_rerun(failure: Hinted) -> str:
    """Return the hint for a command that has to be run again, since it does not wait for an unavailable output."""
    return f"{failure.hint}\n  {AGAIN}" if failure.hint else AGAIN


def hint_unreadable(error: OSError) -> str:
    """Return the hint for a log that exists and cannot be opened."""
    if isinstance(error, PermissionError):
        return "run as a user or group that may read it, or with CAP_DAC_READ_SEARCH"
    if error.errno == errno.EINVAL:
        return "logs have to be regular files: correct the path or the pattern"
    return "check its disk, its mount and the target of its link"


class ShipperError(Exception):
    """A failure with its hint. The command line prints both and exits 1."""

    def __init__(self, what: str, hint: str = "", *, resumes: bool = False) -> None:
        """`what` names the thing and the failure; `hint` is the next step, as an instruction.

        If a failure `resumes`, a process that keeps running resumes automatically once the cause is gone, without loss.
        """
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.resumes = resumes

    def __str__(self) -> str:
        """Return the failure and, on its own line, the hint for a command that ends."""
        hint = hint_for_command(self)
        return f"{self.what}\n  {hint}" if hint else self.what


class ConfigurationError(ShipperError):
    """The configuration is invalid; the message lists every problem, not only the first."""


class StateError(ShipperError):
    """The state directory is locked, damaged, or of another version."""


class OutputUnavailable(ShipperError):
    """The output is unavailable; the same batch may be retried."""

    def __init__(self, what: str, hint: str = "", retry_after: float = 0.0, *, resumes: bool = False) -> None:
        """`retry_after` is the number of seconds that the output asks to wait."""
        super().__init__(what, hint, resumes=resumes)
        self.retry_after = retry_after


class ReleaseRefused(ShipperError):
    """The index rejects a quarantined entry again."""


class StoreUnreadable(ShipperError):
    """A store cannot be opened or read for a search."""


class StoreIncomplete(StoreUnreadable):
    """A search did not cover the whole store; raised after the entries that it gave."""

    def __init__(self, what: str, hint: str = "", *, failed: bool) -> None:
        """`failed` is False for a part of the store that somebody closed on purpose."""
        super().__init__(what, hint)
        self.failed = failed
