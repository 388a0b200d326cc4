"""Keyed hashes that stand for masked values."""

import hmac

HASH_DIGITS, KEY_DIGITS = 12, 4
"""Of a value's hash, and of the name of the key that made it."""


def key_id(key: bytes) -> str:
    """The name of a key, by which a hash tells what made it: four hexadecimal digits that follow from the key."""
    return hmac.digest(key, b"the name of this key", "sha256").hex()[:KEY_DIGITS]


def hash_of(key: bytes, value: str) -> str:
    """What stands for `value` under `key`: the key's name and twelve digits of HMAC-SHA256."""
    digest = hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
    return f"{key_id(key)}-{digest[:HASH_DIGITS]}"
