"""Cipher: bytes that only the holder of a key can read, and that nobody else can change unnoticed.

For what the state has to remember of lines that are not finished, and that redaction has therefore not seen yet. Such
bytes outlive their use in free pages, write-ahead logs and copies. A keystream of SHAKE-256 hides them, and a keyed
BLAKE2b over nonce and ciphertext is checked before anything is opened (decision 19 says why no library does this).
"""

import os
from hashlib import blake2b, shake_256
from hmac import compare_digest

MARK = b"\xc1"
"""First byte of what is hidden: MessagePack never begins so."""
NONCE, TAG = 16, 16


class Broken(ValueError):
    """Hidden under another key, or damaged."""


class Cipher:
    """Closes and opens under one key of any length."""

    def __init__(self, key: bytes) -> None:
        """Derive one key to hide and one to check from `key`."""
        self._hide = blake2b(key, person=b"shipper: hide").digest()
        self._check = blake2b(key, person=b"shipper: check").digest()

    def close(self, data: bytes) -> bytes:
        """`data`, hidden: mark, nonce, tag, ciphertext; another one each time."""
        nonce = os.urandom(NONCE)
        hidden = self._turned(data, nonce)
        return MARK + nonce + self._tag(nonce, hidden) + hidden

    def open(self, data: bytes) -> bytes:
        """What was hidden; data that never was comes back as it is. Raises Broken."""
        if data[:1] != MARK:
            return data
        nonce, tag, hidden = data[1 : 1 + NONCE], data[1 + NONCE : 1 + NONCE + TAG], data[1 + NONCE + TAG :]
        if not compare_digest(tag, self._tag(nonce, hidden)):
            raise Broken("it was hidden under another key, or is damaged")
        return self._turned(hidden, nonce)

    def _tag(self, nonce: bytes, hidden: bytes) -> bytes:
        return blake2b(nonce + hidden, key=self._check, digest_size=TAG).digest()

    def _turned(self, data: bytes, nonce: bytes) -> bytes:
        stream = shake_256(self._hide + nonce).digest(len(data))
        return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")
