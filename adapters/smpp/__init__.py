"""SMS centres that speak SMPP 3.4, as a transceiver.

```
220, 224 ─▶ Outbox ─▶ Link ─▶ centre          submit_sm, within window and pace
                ▼        │
 memory ◀──  Ledger  ◀── Inbox ◀── centre     submit_sm_resp, receipts, texts of citizens
                ▼
     Recorder ─▶ 120, 121, 122, 124 and the memory, in one transaction
```
`pdu` and `connection` are the protocol without I/O, `channel` is what SMPP is to the
outbox that all channels share, `receipts` what centres write into receipts.
"""

from __future__ import annotations

from adapters.smpp.adapter import SmppAdapter

__all__ = ["SmppAdapter"]
