"""Free loopback ports for peers that want to be told theirs."""

import random
import socket
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
# Below Linux's ephemeral range (32768 and up), so that no outgoing connection can take a port
# between our look and the peer's bind.
LOWEST: Final = 12_000
HIGHEST: Final = 32_000
ATTEMPTS: Final = 200
# What was given lately is not given again: a peer binds its ports some time after it was told
# them, and till then they look free to whoever chooses next.
_given: Final[deque[range]] = deque(maxlen=64)


def free_ports(count: int = 1) -> range:
    """Return `count` neighbouring ports, the first one even, that are free for UDP and TCP."""
    for _ in range(ATTEMPTS):
        first = random.randrange(LOWEST, HIGHEST - count, 2)
        ports = range(first, first + count)
        if any(ports.start < other.stop and other.start < ports.stop for other in _given):
            continue
        if all(_is_free(port) for port in ports):
            _given.append(ports)
            return ports
    message = f"no {count} neighbouring free ports between {LOWEST} and {HIGHEST}"
    raise OSError(message)


def free_port() -> int:
    """Return one port that is free for UDP and TCP."""
    return free_ports(1)[0]


def is_heard(port: int) -> bool:
    """Whether somebody has bound it for UDP; looked up, since a try would take it from a peer."""
    sockets = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in sockets)


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            probe = stack.enter_context(socket.socket(socket.AF_INET, kind))
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True
