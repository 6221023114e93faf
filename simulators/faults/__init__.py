"""A fault proxy: put it before a program, and see what the program makes of a bad network.

```python
plan = FaultPlan(seed=7, down=Chances(duplicate=0.1, cut=0.01), delay_s=0.02)
async with FaultProxy(to=("127.0.0.1", 7700), plan=plan) as proxy:
    await connect(*proxy.address)
    ...
    proxy.half_open()
    assert proxy.stats.down.faults["duplicate"] > 0
```
"""

from __future__ import annotations

from simulators.faults.injector import Cutter, Injector
from simulators.faults.plan import (
    Chances,
    Direction,
    Fault,
    FaultError,
    FaultPlan,
    Planned,
    load_script,
)
from simulators.faults.proxy import FaultProxy, Flow, Occurrence, Stats

__all__ = [
    "Chances",
    "Cutter",
    "Direction",
    "Fault",
    "FaultError",
    "FaultPlan",
    "FaultProxy",
    "Flow",
    "Injector",
    "Occurrence",
    "Planned",
    "Stats",
    "load_script",
]
