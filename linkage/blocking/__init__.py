"""The client library without asyncio: for scripts, notebooks and programs with threads.

```python
from linkage.blocking import Application

with Application("127.0.0.1", 7700, "desk", secret=secret) as app:
    for notice in app.notices(timeout_s=60):  # ends when nothing has come for a minute
        print(notice.message)
        if isinstance(notice.message, IncomingCallNotice):
            reply = app.send(CreateEvent(call_id=notice.message.call_id, event_id="1213243"))
```
Each client runs its own event loop in a thread of its own, in which it is registered, beats,
reconnects and resumes while the script does something else. It takes the options of
`linkage.client` and follows the same rules; what raises there raises here. Ctrl-C interrupts every
call that waits, and the `with` is left in order. A client may be used from several threads: what
one has in hand is its own.
"""

from __future__ import annotations

from linkage.blocking.replies import Command, Notice, Reply
from linkage.blocking.roles import (
    Application,
    BusinessScreen,
    CommunicationScreen,
    Monitor,
    Platform,
)

__all__ = [
    "Application",
    "BusinessScreen",
    "Command",
    "CommunicationScreen",
    "Monitor",
    "Notice",
    "Platform",
    "Reply",
]
