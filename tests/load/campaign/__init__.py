"""Kills everything again and again while notices flow, and then counts what became of each.

```
 20 platforms ──▶ linkage serve (or its parts) ──▶ receivers, one process each ──▶ ledgers
   (this process)        ▲ kill -9                      ▲ kill -9                    (fsync)
```
The platforms live on, as telephone systems do; they use `linkage.client`, which offers again what
was not answered. Whatever else runs is killed at moments that the seed draws, and started again.
"""

from tests.load.campaign.plan import Plan
from tests.load.campaign.run import run_campaign
from tests.load.campaign.verdict import Report

__all__ = ["Plan", "Report", "run_campaign"]
