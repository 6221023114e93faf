"""The asyncio client library: for applications, platforms and screens that speak to linkage.

```python
async with Application("127.0.0.1", 7700, "desk", secret=secret) as app:
    async for notice in app.notices():
        match notice.message:
            case IncomingCallNotice(call_id=call_id):
                await app.send(CreateEvent(call_id=call_id, event_id="1213243"))
```
It registers, beats, reconnects, resumes where it stopped, sends again what was not answered and
drops what comes twice. It imports nothing of linkage but the protocol, so that it can stand in any
process.
"""

from __future__ import annotations

from linkage.client.applications import (
    Application,
    BusinessScreen,
    CommunicationScreen,
    Monitor,
    Notices,
)
from linkage.client.connecting import Backoff, State
from linkage.client.errors import (
    ClientError,
    ClosedError,
    CommandExpiredError,
    CommandFailedError,
    CommandRefusedError,
    RegistrationRefusedError,
    ReplacedError,
    UnreachableError,
    WindowFullError,
)
from linkage.client.platforms import Platform
from linkage.client.received import Command, Received
from linkage.client.replies import Reply

__all__ = [
    "Application",
    "Backoff",
    "BusinessScreen",
    "ClientError",
    "ClosedError",
    "Command",
    "CommandExpiredError",
    "CommandFailedError",
    "CommandRefusedError",
    "CommunicationScreen",
    "Monitor",
    "Notices",
    "Platform",
    "Received",
    "RegistrationRefusedError",
    "ReplacedError",
    "Reply",
    "State",
    "UnreachableError",
    "WindowFullError",
]
