"""Decode separate lines into entries, as from a followed log."""

from collections.abc import Iterable, Iterator

from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.envelope import EnvelopeError, parse_record
from shipper_processors.request_pairs import RequestPairs
from shipper_schemas.entry import Entry

KINDS = ("auto", *ASSEMBLERS)


def entries(lines: Iterable[bytes], kind: str, bounds: Bounds, pairs: RequestPairs | None = None) -> Iterator[Entry]:
    """Yield the entries of lines; if `kind` is `auto`, detect the envelope from the first line.

    With `pairs`, entries that answer a request say which.
    """
    remaining = iter(lines)
    first = next(remaining, None)
    if first is None:
        return
    name = detect_kind(first) if kind == "auto" else kind
    assembler = ASSEMBLERS[name]("explained", bounds)  # type: ignore[index]
    match = iter if pairs is None else pairs.match
    offset = 0
    for line in (first, *remaining):
        raw = line if line.endswith(b"\n") else line + b"\n"
        yield from match(assembler.python_path(raw, offset))
        offset += len(raw)
    yield from match(assembler.flush())


def detect_kind(line: bytes) -> str:
    """Return `docker` or `cri` if the line has that envelope, else `plain`."""
    try:
        parse_record(line)
    except EnvelopeError:
        words = line.split(b" ", 3)
        return "cri" if len(words) > 2 and words[1] in (b"stdout", b"stderr") else "plain"  # noqa: PLR2004
    return "docker"
