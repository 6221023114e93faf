"""A mail server to test against: what becomes of a mail is decided by the address it goes to.

```python
async with MailServer(deliver_to=("127.0.0.1", 2424)) as server:
    host, port = server.address
    ...
    taken = await server.wait_for_mail("ward3@hospital.example")
    server.receive("citizen@example.com", "desk@city.example", "Fire", "In the yard")
```
"""

from __future__ import annotations

from simulators.mail_server.behaviour import BEHAVIOURS, Behaviour
from simulators.mail_server.reports import Taken
from simulators.mail_server.server import MailServer, Stored

__all__ = ["BEHAVIOURS", "Behaviour", "MailServer", "Stored", "Taken"]
