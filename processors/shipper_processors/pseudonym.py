"""Keyed hashes that replace masked values."""

import hmac

HASH_DIGITS, KEY_DIGITS = 12, 4
"""Length of a value's hash, and of the id of its key."""


def key_id(key: bytes) -> str:
    """Return the id of a key, which each of its hashes names: four hexadecimal digits derived from the key."""
    return hmac.digest(key, b"the name of this key", "sha256").hex()[:KEY_DIGITS]


def hash_of(key: bytes, value: str) -> str:
    """Return the pseudonym of `value` under `key`: the key's id and twelve digits of HMAC-SHA256."""
    digest = hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
    return f"{key_id(key)}-{digest[:HASH_DIGITS]}"
