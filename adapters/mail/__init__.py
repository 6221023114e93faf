"""E-mail: out by SMTP, in by IMAP, LMTP or SMTP.

```
240 ─▶ Outbox ─▶ Submission ─▶ mail server          SMTP: MAIL, RCPT, DATA
          ▼
memory ◀─ Ledger ◀─ Inbox ◀─ Listener ◀─ mail server    LMTP or SMTP
          │           ▲
          │           └───── Mailbox  ◀─ mail server    IMAP, IDLE
          ▼
     Recorder ─▶ 140, 141, 142 and the memory, in one transaction
```
`compose` writes a mail, `incoming` reads one (`mime`, `headers`, `charsets`, `report_reader`), all
without I/O.
"""

from __future__ import annotations

from adapters.mail.adapter import MailAdapter

__all__ = ["MailAdapter"]
