"""Faxes by HylaFAX: its protocol (hfaxd) is the one of FTP, with jobs.

```
230 ─▶ Outbox ─▶ Client ─▶ hfaxd          one connection for each command
          ▼                   │
        Ledger  ◀── Watch ◀───┘            its queues are looked through, again and again
          ▼           ▼
     Recorder ─▶ 130, 131, 132 and the memory, in one transaction
```
`replies` and `rows` read what the server writes, without I/O; `causes` what it says of failures.
"""

from __future__ import annotations

from adapters.hylafax.adapter import HylafaxAdapter

__all__ = ["HylafaxAdapter"]
