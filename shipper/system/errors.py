"""Errors that a person reads: what happened, to what, and what to do about it."""

import errno
from typing import Protocol

NOTHING_LOST = "nothing is lost meanwhile, and writing goes on by itself"
"""Shown after the hint of a failure that resumes, by whoever waits for that."""
AGAIN = "nothing is lost: run it again"


class Hinted(Protocol):
    """A failure with its hint, as one of the forms below needs it."""

    @property
    def hint(self) -> str:
        """The next step, as an instruction."""

    @property
    def resumes(self) -> bool:
        """Whether work goes on by itself once the cause is gone."""


def while_waiting(failure: Hinted) -> str:
    """The hint for a process that keeps running, and for those who watch it."""
    return "; ".join(filter(None, (failure.hint, NOTHING_LOST if failure.resumes else "")))


def of_one_try(failure: Hinted) -> str:
    """The hint for a command that ends: nothing goes on by itself afterwards."""
    return failure.hint or ("try it again" if failure.resumes else "")


def asking_again(failure: Hinted) -> str:
    """The hint for somebody who has to start it again, since it no longer waits for an unavailable output."""
    return f"{failure.hint}\n  {AGAIN}" if failure.hint else AGAIN


def to_read(error: OSError) -> str:
    """What to do about a log that is there and cannot be opened."""
    if isinstance(error, PermissionError):
        return "run as a user or group that may read it, or with CAP_DAC_READ_SEARCH"
    if error.errno == errno.EINVAL:
        return "logs are regular files: correct the path or the pattern"
    return "look after its disk or mount, or where its link leads"


class ShipperError(Exception):
    """A failure with its hint. The command line prints both and exits 1."""

    def __init__(self, what: str, hint: str = "", *, resumes: bool = False) -> None:
        """`what` names the thing and the failure; `hint` is the next step, as an instruction.

        Where a failure `resumes`, a process that keeps running goes on by itself once the cause is gone, and nothing
        is lost meanwhile.
        """
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.resumes = resumes

    def __str__(self) -> str:
        """What happened, and the hint for a command that ends, on its own line."""
        hint = of_one_try(self)
        return f"{self.what}\n  {hint}" if hint else self.what


class ConfigurationError(ShipperError):
    """The configuration cannot be used; lists every problem, not the first alone."""


class StateError(ShipperError):
    """The state directory is locked, damaged, or of another version."""


class OutputUnavailable(ShipperError):
    """The output cannot take events now; the same batch may be tried again."""

    def __init__(self, what: str, hint: str = "", retry_after: float = 0.0, *, resumes: bool = False) -> None:
        """`retry_after` is how many seconds the output asked to be left alone."""
        super().__init__(what, hint, resumes=resumes)
        self.retry_after = retry_after


class ReleaseRefused(ShipperError):
    """The index still would not have a quarantined entry."""


class StoreUnreadable(ShipperError):
    """A store that should be searched cannot be opened or read."""
