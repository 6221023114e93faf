"""A fax server to test against: hfaxd's protocol, what becomes of a fax is decided by its number.

```python
async with FaxServer() as server:
    host, port = server.address
    ...
    job = await server.wait_for_fax("02012345678")
    server.receive("13900000001", pages=2)
```
"""

from __future__ import annotations

from simulators.fax_server.behaviour import BEHAVIOURS, Behaviour
from simulators.fax_server.server import FaxServer
from simulators.fax_server.spool import Job, Received

__all__ = ["BEHAVIOURS", "Behaviour", "FaxServer", "Job", "Received"]
