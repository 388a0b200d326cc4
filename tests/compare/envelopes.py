"""Lines as runtimes write them around what an application prints, whole and damaged."""

import json
import random
from collections.abc import Iterable

PART = 16_384
"""Characters after which a runtime begins another part of a message."""
DAMAGES = (
    b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\x1b[31m", b"\r", b"\\", b'"', b"{" * 300, b"[" * 3000,
)  # fmt: skip


def _time(at: int) -> str:
    """The runtime's time of the line `at`: 7 ms apart, and every 50th line 3 s after the one before it."""
    ms = at * 7 + at // 50 * 3000
    seconds, rest = divmod(ms, 1000)
    return (
        f"2026-11-23T{10 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}{at % 10**6:06d}Z"
    )


def _pieces(text: str, size: int) -> list[str]:
    return [text[begin : begin + size] for begin in range(0, len(text), size)] or [""]


def docker(texts: Iterable[str], stderr: float = 0.0, size: int = PART) -> list[bytes]:
    """Json-file records; long texts in parts, and a share of them on stderr."""
    rng, lines = random.Random(3), []
    for at, text in enumerate(texts):
        stream = "stderr" if rng.random() < stderr else "stdout"
        pieces = _pieces(text.encode("utf-8", "replace").decode(), size)
        for place, piece in enumerate(pieces):
            log = piece if place + 1 < len(pieces) else f"{piece}\n"
            record = {"log": log, "stream": stream, "time": _time(at)}
            lines.append(json.dumps(record, ensure_ascii=at % 3 == 0, separators=(",", ":")).encode() + b"\n")
    return lines


def cri(texts: Iterable[str], stderr: float = 0.0, size: int = PART) -> list[bytes]:
    """CRI lines of the same."""
    rng, lines = random.Random(3), []
    for at, text in enumerate(texts):
        stream = "stderr" if rng.random() < stderr else "stdout"
        pieces = _pieces(text.replace("\n", " "), size)
        lines += [
            f"{_time(at)} {stream} {'F' if place + 1 == len(pieces) else 'P'} {piece}\n".encode("utf-8", "replace")
            for place, piece in enumerate(pieces)
        ]
    return lines


def plain(texts: Iterable[str]) -> list[bytes]:
    """The texts as they are."""
    return [f"{text}\n".encode("utf-8", "replace") for text in texts]


def damaged(lines: list[bytes], seed: int) -> bytes:
    """Lines with every seventh broken somewhere: cut, repeated, or with invalid bytes."""
    rng, written = random.Random(seed), []
    for number, line in enumerate(lines):
        if number % 7 == 3 and len(line) > 2:
            place = rng.randrange(1, len(line) - 1)
            insert = DAMAGES[number // 7 % len(DAMAGES)]
            choices = (line[:place] + b"\n", line[:place] + insert + line[place:], line * 2, line[place:], line[:-1])
            written.append(choices[rng.randrange(len(choices))])
        else:
            written.append(line)
    return b"".join(written)


def mingled(first: list[bytes], second: list[bytes], seed: int) -> bytes:
    """Two streams of lines, each in its order."""
    rng, one, two, written = random.Random(seed), iter(first), iter(second), []
    turns = [one] * len(first) + [two] * len(second)
    rng.shuffle(turns)
    written = [next(turn) for turn in turns]
    return b"".join(written)
