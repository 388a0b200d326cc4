"""Clients that try wrong tokens are slowed down."""

import ipaddress
import random

from shipper.web.throttle import FREE, LONGEST_S, MOST_CLIENTS, Throttle
from tests.hazards.rig import ManualClock


def test_pauses_grow_to_their_bound_and_are_forgotten() -> None:
    """A guesser gets a try in ten seconds in the end; whoever waits starts again."""
    clock = ManualClock()
    throttle = Throttle(clock)
    pauses = []
    for _ in range(20):
        throttle.failed("192.0.2.1")
        pauses.append(throttle.wait("192.0.2.1"))
    assert pauses[:FREE] == [0.0] * FREE
    assert pauses[FREE : FREE + 4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_S
    assert throttle.wait("192.0.2.2") == 0.0
    clock.pass_seconds(3600)
    throttle.failed("192.0.2.1")
    assert throttle.wait("192.0.2.1") == 0.0


def test_tries_are_bounded_over_a_day() -> None:
    """Whatever the rhythm, a client has fewer than ten thousand tries a day."""
    clock = ManualClock()
    throttle, dice, tries, end = Throttle(clock), random.Random(1), 0, clock.now + 86_400
    while clock.now < end:
        if not throttle.wait("192.0.2.1"):
            throttle.failed("192.0.2.1")
            tries += 1
        clock.pass_seconds(dice.choice((0.01, 0.5, 30)) if tries % 7 else 1)
    assert tries < 10_000


def test_memory_is_bounded_and_a_network_of_ipv6_is_one_client() -> None:
    """A host has a whole network of addresses, and may send from each."""
    throttle = Throttle(ManualClock())
    for number in range(5000):
        throttle.failed(str(ipaddress.IPv6Address((0x20010DB8 << 96) + number)))
    assert len(throttle._clients) == 1
    assert throttle.wait("2001:db8::ffff%eth0") == LONGEST_S
    for number in range(5000):
        throttle.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(throttle._clients) == MOST_CLIENTS
    throttle.failed("::ffff:192.0.2.9")
    assert "192.0.2.9" in throttle._clients
    throttle.failed("not an address")
