"""One target under atheris, which looks for inputs that reach new code: `python -m tests.fuzz.guided TARGET [OPTION]…`.

`all` takes the first byte of an input for the target. What follows the name of the target goes to libFuzzer, which ends the process.
"""

import logging
import sys

import atheris
import structlog

with atheris.instrument_imports(include=["shipper_processors", "shipper_schemas", "shipper"]):
    from tests.fuzz.targets import TARGETS


def any_target(data: bytes) -> None:
    """The target that the first byte names, over the rest."""
    if data:
        TARGETS[sorted(TARGETS)[data[0] % len(TARGETS)]](data[1:])


def main() -> None:
    """Fuzz, saying nothing of what is done with the inputs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], any_target if name == "all" else TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
