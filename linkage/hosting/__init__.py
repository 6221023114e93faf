"""Runs an adapter in this process.

It stands between the core, which sees a `LinkPort`, and an `Adapter`, which sees a platform.

```
 core ── push(command) ──▶ capability? expired? ──▶ adapter.execute ──▶ Outcome ──▶ core.answered
 core ◀── record(notices, memory) ◀── port ◀── adapter.run, under supervision
```
Whatever an adapter does (fails, hangs, raises nonsense), the host answers each command once and
stays alive.
"""

from __future__ import annotations

from linkage.hosting.host import AdapterHost
from linkage.hosting.notices_and_memory import LinkClosedError
from linkage.hosting.status import AdapterState

__all__ = ["AdapterHost", "AdapterState", "LinkClosedError"]
