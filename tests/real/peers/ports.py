"""Free loopback ports for peers that want to be told theirs."""

import random
import socket
from contextlib import ExitStack
from typing import Final

LOOPBACK: Final = "127.0.0.1"
# Below Linux's ephemeral range (32768 and up), so that no outgoing connection can take a port
# between our look and the peer's bind.
LOWEST: Final = 12_000
HIGHEST: Final = 32_000
ATTEMPTS: Final = 200


def free_ports(count: int = 1) -> range:
    """Return `count` neighbouring ports, the first one even, that are free for UDP and TCP."""
    for _ in range(ATTEMPTS):
        first = random.randrange(LOWEST, HIGHEST - count, 2)
        ports = range(first, first + count)
        if all(_is_free(port) for port in ports):
            return ports
    message = f"no {count} neighbouring free ports between {LOWEST} and {HIGHEST}"
    raise OSError(message)


def free_port() -> int:
    """Return one port that is free for UDP and TCP."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            probe = stack.enter_context(socket.socket(socket.AF_INET, kind))
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True
