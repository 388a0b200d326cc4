"""Slows down clients that try wrong tokens. Its memory is bounded; it never blocks a thread."""

import ipaddress
import math
import threading

from shipper.system.clock import Clock

FREE = 10
"""Wrong tokens of one client without a consequence, as after the token was changed."""
FORGIVEN_S = 30.0
"""Seconds after which one wrong token is forgotten."""
FIRST_S, LONGEST_S = 0.5, 10.0
"""The first pause, twice as long after each further wrong token, and the longest: others may share the address."""
MOST_CLIENTS = 1024


class Throttle:
    """Wrong tokens by client address. A network of IPv6 is one client, since a host has all addresses of its own."""

    def __init__(self, clock: Clock) -> None:
        """Use `clock` for pauses."""
        self._clock = clock
        self._guard = threading.Lock()
        self._clients: dict[str, tuple[float, float]] = {}
        """By client, the number of wrong tokens as of its last one, and the time of that (monotonic seconds)."""

    def wait(self, address: str) -> float:
        """Return the seconds until a client may try again; no token of it may be compared before."""
        with self._guard:
            failures, at = self._clients.get(_client(address), (0.0, 0.0))
        if failures <= FREE:
            return 0.0
        pause = min(LONGEST_S, FIRST_S * math.exp2(min(failures - FREE - 1, 10.0)))
        return max(0.0, at + pause - self._clock.monotonic())

    def failed(self, address: str) -> None:
        """Note a wrong token."""
        now, client = self._clock.monotonic(), _client(address)
        with self._guard:
            failures, at = self._clients.pop(client, (0.0, now))
            while len(self._clients) >= MOST_CLIENTS:
                del self._clients[next(iter(self._clients))]
            self._clients[client] = (max(0.0, failures - (now - at) / FORGIVEN_S) + 1, now)


def _client(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if parsed.version == 6 and parsed.ipv4_mapped is None:  # noqa: PLR2004 -- of the Internet Protocol
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
