"""Decode: the entries in lines that stand alone, as a followed log would give them."""

from collections.abc import Iterable, Iterator

from shipper_processors.assemble import ASSEMBLERS, Bounds
from shipper_processors.envelope import EnvelopeError, record
from shipper_schemas.entry import Entry

KINDS = ("auto", *ASSEMBLERS)


def entries(lines: Iterable[bytes], kind: str, bounds: Bounds) -> Iterator[Entry]:
    """Entries of lines, their envelope guessed from the first one where `kind` is `auto`."""
    given = iter(lines)
    first = next(given, None)
    if first is None:
        return
    name = guessed(first) if kind == "auto" else kind
    assembler = ASSEMBLERS[name]("explained", bounds)  # type: ignore[index]
    offset = 0
    for line in (first, *given):
        raw = line if line.endswith(b"\n") else line + b"\n"
        yield from assembler.plain(raw, offset)
        offset += len(raw)
    yield from assembler.flush()


def guessed(line: bytes) -> str:
    """`docker` or `cri` where the line has that envelope, else `plain`."""
    try:
        record(line)
    except EnvelopeError:
        words = line.split(b" ", 3)
        return "cri" if len(words) > 2 and words[1] in (b"stdout", b"stderr") else "plain"  # noqa: PLR2004
    return "docker"
