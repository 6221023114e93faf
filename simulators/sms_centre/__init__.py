"""An SMS centre to test against: SMPP 3.4, what becomes of a text is decided by its number.

```python
async with SmsCentre() as centre:
    host, port = centre.address
    ...
    text = await centre.wait_for_text("13900000001")
    centre.receive("13900000001", "12345", "OK")
```
"""

from __future__ import annotations

from simulators.sms_centre.behaviour import BEHAVIOURS, Behaviour, IdForm
from simulators.sms_centre.centre import SmsCentre, Taken

__all__ = ["BEHAVIOURS", "Behaviour", "IdForm", "SmsCentre", "Taken"]
