"""Loopback addresses."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return True if an address or name is a loopback address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
