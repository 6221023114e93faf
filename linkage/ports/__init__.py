"""The seams between the parts.

What the core offers to sockets and adapters, and what it wants of them.

```
 gateway session ─┐                ┌─ Link: push, close
                  ├── CorePort ────┤
 adapter host  ───┘                └─ register, adopt, submit, record, answered, note, closed
```
A *link* is one live conversation with a peer, whatever carries it: a TCP session of the gateway or
an adapter in this process. Everything that crosses the seam is a message of `protocol` or plain
data, so that the parts can live in separate processes.
"""

from __future__ import annotations

from linkage.ports.adapter import (
    Adapter,
    AdapterContext,
    AdapterError,
    AdapterPort,
    AdapterRefusedError,
    AdapterReplacedError,
    AdapterUnavailableError,
    Capability,
    Command,
    CommandError,
    Notice,
    Outcome,
    Snapshots,
)
from linkage.ports.clock import Clock
from linkage.ports.core import (
    EXPIRED,
    REPLACED,
    SHUT_OUT,
    Absent,
    AdapterCorePort,
    CorePort,
    CoreServicePort,
    EntryKind,
    LinkPort,
    NoticeRequest,
    Recorded,
)
from linkage.ports.files import FilesPort, StoredFile
from linkage.ports.peers import Network, PeerProfile, Rate
from protocol.roles import Role

__all__ = [
    "EXPIRED",
    "REPLACED",
    "SHUT_OUT",
    "Absent",
    "Adapter",
    "AdapterContext",
    "AdapterCorePort",
    "AdapterError",
    "AdapterPort",
    "AdapterRefusedError",
    "AdapterReplacedError",
    "AdapterUnavailableError",
    "Capability",
    "Clock",
    "Command",
    "CommandError",
    "CorePort",
    "CoreServicePort",
    "EntryKind",
    "FilesPort",
    "LinkPort",
    "Network",
    "Notice",
    "NoticeRequest",
    "Outcome",
    "PeerProfile",
    "Rate",
    "Recorded",
    "Role",
    "Snapshots",
    "StoredFile",
]
