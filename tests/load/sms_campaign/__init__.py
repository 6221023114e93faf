"""Kills linkage again and again while texts flow, and then asks the SMS centre what it has got.

```
 application ──220, 224──▶ linkage serve ──submit_sm──▶ SMS centre
 (this process) ◀──12x───  ▲ kill -9     ◀──receipts──  (this process)
```
The application and the centre live on. Two accounts are held against each other at the end: what
the centre took, number by number, and what the application was told of each.
"""

from tests.load.sms_campaign.plan import Plan
from tests.load.sms_campaign.run import run_campaign
from tests.load.sms_campaign.verdict import Report

__all__ = ["Plan", "Report", "run_campaign"]
