"""Asterisk 18–22 behind the protocol, by ARI (HTTP and WebSocket).

```
 WebSocket ─▶ events ─▶ CallRegistry ─▶ CallActor (one per call, in order) ─▶ Step ─▶ effects
                                            ▲ commands                         │
 Memory ◀── the call's new state and its open effects, before any is done ─────┘
```
What a call does stands in `adapters.voice`; here is what Asterisk alone has. The dialplan has to
send calls to `Stasis(linkage,caller,${EXTEN},${CALLERID(num)})`, and those of officers' telephones
to `Stasis(linkage,officer,${EXTEN},${CALLERID(num)})`.
"""

from __future__ import annotations

from adapters.asterisk.adapter import AsteriskAdapter

__all__ = ["AsteriskAdapter"]
