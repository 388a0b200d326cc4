"""Loopback: addresses of this machine alone."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether an address or name is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
