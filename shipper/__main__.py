"""The entry of `shipper` and `python -m shipper`: handles stop requests first of all, then runs the command line.

The first process of a container has no default handling of signals: until it has set its own, the kernel discards a
SIGTERM. So it is set before anything else is imported, which takes a second on a slow machine.
"""

import os
import signal
import sys

EARLY = (signal.SIGTERM, signal.SIGINT)
SIGNALLED = 128
"""Exit code of a process that a signal ended, without the number of the signal."""


def is_run() -> bool:
    """Return True for the command `run`."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "") == "run"


def stop(number: int, _frame: object) -> None:
    """End the process at once: nothing has been read yet. Commands that wait for more set their own handlers later.

    `run` has come to an orderly stop, with exit code 0; others end by the signal.
    """
    if is_run():
        os._exit(0)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(SIGNALLED + number)  # the first process of a container is not ended by it


def main() -> None:
    """Run the command line."""
    for number in EARLY:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under `nohup` or in the background
            signal.signal(number, stop)
    from shipper.cli import main as command_line  # noqa: PLC0415 -- after the handlers are set

    if not is_run():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # click reports it
    command_line()


if __name__ == "__main__":
    main()
