"""The linkage under attack: its configuration, its process, what it uses, what it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.process import REPOSITORY, Child, free_port
from protocol.roles import Role
from tests.load.fuzz.attack import SECRET

PEERS: Final = {
    Role.PLATFORM: 24,
    Role.APPLICATION: 16,
    Role.MONITOR: 1,
    Role.COMMUNICATION_SCREEN: 4,
    Role.BUSINESS_SCREEN: 4,
}
"""How many of each the attackers may register as."""
CANARY_SECRET: Final = "the-secret-of-the-canary"
COMPLAINT: Final = re.compile(
    r"Traceback|internal error|never retrieved|was destroyed", re.IGNORECASE
)
COMPLAINTS_KEPT: Final = 20


def peer_names() -> list[str]:
    """The attackers' PeerIds, mixed, so that each worker has some of every role."""
    names = [
        (number, f"{role.value}.{number}")
        for role, count in PEERS.items()
        for number in range(count)
    ]
    return [name for _, name in sorted(names)]


def write_config(folder: Path, port: int) -> Path:
    """A linkage that refuses nobody for coming often: all are to get as far as they can."""
    peers = []
    for name in peer_names():
        role = name.rpartition(".")[0]
        # The canary's calls are nobody else's.
        more = 'numbers = ["9990"]' if role == "application" else ""
        peers.append(_peer(name, role, SECRET, more))
    peers.append(_peer("canary-desk", "application", CANARY_SECRET, 'numbers = ["2222"]'))
    peers.append(_peer("canary-pbx", "platform", CANARY_SECRET, ""))
    path = folder / "linkage.toml"
    path.write_text(
        f'listen = ["127.0.0.1:{port}"]\n'
        "[limits]\nconnections = 20000\nunregistered = 20000\nunregistered_per_address = 20000\n"
        "connects_per_s = 1e9\nconnects_burst = 1000000000\nrefusals_per_minute = 1e9\n"
        + "".join(peers),
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


def _peer(name: str, role: str, secret: str, more: str) -> str:
    return f'[[peer]]\nid = "{name}"\nrole = "{role}"\nsecret = "{secret}"\n{more}\n'


class Target:
    """A serving linkage in a process of its own; `configure` writes for a port what it is."""

    def __init__(
        self, folder: Path, configure: Callable[[Path, int], Path] = write_config
    ) -> None:
        self.port = free_port()
        self.config = configure(folder, self.port)
        self.log = folder / "serve.log"
        command = [sys.executable, "-m", "linkage", "serve", "--log-level", "error"]
        self.child = Child(
            [*command, "-c", str(self.config)], self.log, env={"PYTHONPATH": str(REPOSITORY)}
        )

    def rss(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return 0 if found is None else int(found[1]) * 1024

    def store_bytes(self) -> int:
        """Of the store's file."""
        path = self.config.parent / "data" / "linkage.db"
        return path.stat().st_size if path.exists() else 0

    def descriptors(self) -> int:
        """Open files and sockets."""
        return sum(1 for _ in Path(f"/proc/{self.child.pid}/fd").iterdir())

    def complaints(self) -> list[str]:
        """Lines of the log that tell of a bug; it logs nothing below errors."""
        return list(self._complaints())

    def _complaints(self) -> Iterator[str]:
        kept = 0
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if (COMPLAINT.search(line) or " ERROR " in line) and kept < COMPLAINTS_KEPT:
                    kept += 1
                    yield line.strip()[:500]
