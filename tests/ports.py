"""Ports for servers of tests."""

import socket
from contextlib import suppress
from random import SystemRandom

OURS = range(12_000, 32_000)
"""Below those that systems give to whoever asks for any: nobody gets one by chance before its server starts."""
TRIES = 1_000
_given: set[int] = set()


def free_port() -> int:
    """One that nobody listens on now, and that this process was not given before."""
    chance = SystemRandom()  # others set the seed of the usual one, in each process the same
    for port in chance.choices(OURS, k=TRIES):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in _given:
                _given.add(port)
                return port
    raise AssertionError("no port is free")
