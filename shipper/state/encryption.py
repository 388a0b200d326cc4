"""Authenticated encryption of partial entries in the state.

The state has to save partial entries, which redaction has not seen yet. Their bytes outlive their use in free pages,
write-ahead logs and copies. A SHAKE-256 keystream encrypts them, and a keyed BLAKE2b over nonce and ciphertext is
verified before decryption (decision 19 says why no library does this).
"""

import os
from hashlib import blake2b, shake_256
from hmac import compare_digest

MARK = b"\xc1"
"""First byte of encrypted data: MessagePack never starts with it."""
NONCE, TAG = 16, 16


class DecryptionError(ValueError):
    """The data was encrypted with another key, or is damaged."""


class Cipher:
    """Encrypts and decrypts with one key of any length."""

    def __init__(self, key: bytes) -> None:
        """Derive one key for encryption and one for authentication from `key`."""
        self._hide = blake2b(key, person=b"shipper: hide").digest()
        self._check = blake2b(key, person=b"shipper: check").digest()

    def encrypt(self, data: bytes) -> bytes:
        """Return mark, nonce, tag and ciphertext of `data`; each call uses a new nonce."""
        nonce = os.urandom(NONCE)
        ciphertext = self._apply_keystream(data, nonce)
        return MARK + nonce + self._tag(nonce, ciphertext) + ciphertext

    def decrypt(self, data: bytes) -> bytes:
        """Return the plain bytes; data that was never encrypted is returned unchanged. Raises DecryptionError."""
        if data[:1] != MARK:
            return data
        nonce, tag, ciphertext = data[1 : 1 + NONCE], data[1 + NONCE : 1 + NONCE + TAG], data[1 + NONCE + TAG :]
        if not compare_digest(tag, self._tag(nonce, ciphertext)):
            raise DecryptionError("it was encrypted with another key, or is damaged")
        return self._apply_keystream(ciphertext, nonce)

    def _tag(self, nonce: bytes, ciphertext: bytes) -> bytes:
        return blake2b(nonce + ciphertext, key=self._check, digest_size=TAG).digest()

    def _apply_keystream(self, data: bytes, nonce: bytes) -> bytes:
        stream = shake_256(self._hide + nonce).digest(len(data))
        return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")
