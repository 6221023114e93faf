"""Asterisk 18–22 behind the protocol, by ARI (HTTP and WebSocket).

```
 WebSocket ─▶ events ─▶ Switchboard ─▶ Desk (one per call, in order) ─▶ Turn ─▶ effects
                                          ▲ commands                     │
 Memory ◀── the call's new state and its open effects, before any is done┘
```
`model` and `people` are what is known of a call; `calls`, `ringing`, `transfer`, `media`,
`convening`, `conferences`, and `commands` with what it lists, decide and do no I/O; `desk` carries
out; `resync` finds its way back after a loss. The dialplan has to send
calls to `Stasis(linkage,caller,${EXTEN},${CALLERID(num)})`, and those of officers' telephones to
`Stasis(linkage,officer,${EXTEN},${CALLERID(num)})`.
"""

from __future__ import annotations

from adapters.asterisk.adapter import AsteriskAdapter
from adapters.asterisk.settings import SettingsError

__all__ = ["AsteriskAdapter", "SettingsError"]
