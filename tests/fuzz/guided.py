"""Run one target under atheris, which searches for inputs that reach new code: `python -m tests.fuzz.guided TARGET [OPTION]…`.

`all` uses the first byte of an input to select the target. libFuzzer gets the options, and ends the process.
"""

import logging
import sys

import atheris
import structlog

with atheris.instrument_imports(include=["shipper_processors", "shipper_schemas", "shipper"]):
    from tests.fuzz.targets import TARGETS


def any_target(data: bytes) -> None:
    """Run the target that the first byte selects on the rest."""
    if data:
        TARGETS[sorted(TARGETS)[data[0] % len(TARGETS)]](data[1:])


def main() -> None:
    """Fuzz without the log entries of the targets."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], any_target if name == "all" else TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
