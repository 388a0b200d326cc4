"""Errors that a person reads: what happened, to what, and what to do about it."""

import errno

NOTHING_LOST = "nothing is lost meanwhile, and writing goes on by itself"
"""What to know of an output that is away, after what to do."""
AGAIN = "nothing is lost: run it again"


def of_one_try(hint: str) -> str:
    """What to do about an output that is away, for a command that ends: nothing goes on by itself afterwards."""
    return (_own(hint) or "try it again") if hint.endswith(NOTHING_LOST) else hint


def asking_again(hint: str) -> str:
    """The hint for somebody who has to start it again, since it waits no longer for an output that is away."""
    own = _own(hint)
    return f"{own}\n  {AGAIN}" if own else AGAIN


def _own(hint: str) -> str:
    """What is to be done of a hint, without what goes on by itself."""
    return hint.removesuffix(NOTHING_LOST).removesuffix("; ")


def to_read(error: OSError) -> str:
    """What to do about a log that is there and cannot be opened."""
    if isinstance(error, PermissionError):
        return "run as a user or group that may read it, or with CAP_DAC_READ_SEARCH"
    if error.errno == errno.EINVAL:
        return "logs are regular files: correct the path or the pattern"
    return "look after its disk or mount, or where its link leads"


class ShipperError(Exception):
    """A failure with its hint. The command line prints both and exits 1."""

    def __init__(self, what: str, hint: str = "") -> None:
        """`what` names the thing and the failure; `hint` is the next step, as an instruction."""
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        """Both sentences, the hint on its own line."""
        return f"{self.what}\n  {self.hint}" if self.hint else self.what


class ConfigurationError(ShipperError):
    """The configuration cannot be used; lists every problem, not the first alone."""


class StateError(ShipperError):
    """The state directory is locked, damaged, or of another version."""


class OutputUnavailable(ShipperError):
    """The output cannot take events now; the same batch may be tried again."""

    def __init__(self, what: str, hint: str = "", retry_after: float = 0.0) -> None:
        """`retry_after` is how many seconds the output asked to be left alone."""
        super().__init__(what, hint)
        self.retry_after = retry_after


class ReleaseRefused(ShipperError):
    """The index still would not have a quarantined entry."""


class StoreUnreadable(ShipperError):
    """A store that should be searched cannot be opened or read."""
