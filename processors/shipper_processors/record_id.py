"""The identity of a record: its canonical form, and the digest from which its id is built.

A digest covers the log's identity and one physical record. A container's record is written as a CRI line whose time is
in UTC without trailing zeros, `2026-11-23T10:00:00.12 stdout F text`, whichever driver stored it: tag `P` for a part
of a message, `F` for its end, then the text as logged without its final newline. So json-file, CRI, Docker's `local`
driver and the engine's API give the same digest.

Framing: the identity is hashed to a fixed size, which also costs less for each record. After it, a digit or `?` begins
a record, `!` a line whose envelope cannot be parsed, `<` a truncated line, `>` a line of a plain file and `=` a
digest with its ordinals. Time, stream and tag of a record contain no space, and the text is last; a time that cannot be
parsed is preceded by its length. So no two different inputs are hashed as the same bytes.
"""

from datetime import datetime, timedelta
from hashlib import blake2b

from shipper_processors.times import LOOSE
from shipper_schemas import lazy_re as re

DIGEST_SIZE = 14
SEED_SIZE = 16
UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+)Z", re.ASCII)
"""A time with a fraction in UTC, as container runtimes write it."""
REPLACED = re.compile("\N{REPLACEMENT CHARACTER}+")
ORDINAL_SIZE = 8


def log_seed(source: str) -> bytes:
    """Return the bytes that begin all digests of a log: `SEED_SIZE` bytes of a hash of its identity, `source`."""
    return blake2b(source.encode("utf-8", "surrogatepass"), digest_size=SEED_SIZE).digest()


def canonical_record(time: str, stream: str, text: str, *, whole: bool) -> bytes:
    """Return a record in canonical form; `whole` is False for a part whose message continues in the next record.

    Runtimes differ in the number of replacement characters for invalid UTF-8, so that a run of them counts as one.
    """
    if text[-1:] == "\n":
        text = text[:-1]
    if "\N{REPLACEMENT CHARACTER}" in text:
        text = REPLACED.sub("\N{REPLACEMENT CHARACTER}", text)
    return f"{instant(time)} {stream} {'F' if whole else 'P'} {text}".encode("utf-8", "surrogatepass")


def broken_record(raw: bytes) -> bytes:
    """Return the canonical form of a line whose envelope cannot be parsed."""
    return b"!" + raw


def cut_record(beginning: bytes, length: int) -> bytes:
    """Return the canonical form of a line of `length` bytes of which only the beginning was read."""
    return b"<%d %b" % (length, beginning)


def plain_record(before: bytes, line: bytes) -> bytes:
    """Return the canonical form of a line of a plain file: the digest of all lines before it, then the line.

    `line` is the line after a space, or `cut_record`.
    """
    return b">%b%b" % (before.rjust(DIGEST_SIZE, b"\0"), line)


def record_digest(seed: "blake2b", canonical: bytes) -> bytes:
    """Return the digest of a record in canonical form; `seed`, the hash state after the log's seed, is not changed."""
    seeded = seed.copy()
    seeded.update(canonical)
    return seeded.digest()


def ordinal_digest(seed: "blake2b", digest: bytes, ordinal: int, document: int = 0) -> bytes:
    """Return the digest of one of several documents that share a record's `digest`.

    `ordinal` counts the record's equal neighbours before it, `document` the documents of the same line before it; if
    both are 0, the record's own digest is returned. No line holds several documents yet, and `document` costs nothing.
    """
    if not (ordinal or document):
        return digest
    places = ordinal.to_bytes(ORDINAL_SIZE, "big") + document.to_bytes(ORDINAL_SIZE, "big")
    return record_digest(seed, b"=" + digest + places)


def seeded_digest(seed: bytes) -> "blake2b":
    """Return the hash state after a log's seed, before any record."""
    return blake2b(seed, digest_size=DIGEST_SIZE)


def instant(time: str) -> str:
    """Return an RFC 3339 time at full precision, as one text for all spellings: `2026-11-23T10:00:00.12`.

    In UTC, with a point and without trailing zeros. A `time` that cannot be parsed is returned after its length.
    """
    in_utc = UTC.fullmatch(time)
    return _converted(time) if in_utc is None else in_utc[1].rstrip("0")


def _converted(time: str) -> str:
    match = LOOSE.fullmatch(time)
    if match is None:
        return f"?{len(time)}:{time}"
    date, clock, fraction, zone = match.groups()
    second = f"{date}T{clock}"
    if zone is not None and zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[-2:])
        try:
            local = datetime.fromisoformat(second)
            utc = local - timedelta(minutes=minutes if zone[0] == "+" else -minutes)
        except (ValueError, OverflowError):
            return f"?{len(time)}:{time}"
        second = utc.isoformat()
    return f"{second}.{(fraction or '').rstrip('0')}"
