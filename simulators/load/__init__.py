"""Load for users: how much a linkage carries, and how late it is while it does.

```python
plan = LoadPlan(host=..., port=..., platforms=[LoadPeer(id="exchange", secret=secret)], rate=500)
result = await run_load(plan)
print(result.answers.percentile(99))
```
"""

from __future__ import annotations

from simulators.load.histogram import PERCENTILES, Histogram
from simulators.load.mix import KNOWN, USUAL, Calls, LoadError, parse_mix
from simulators.load.run import LoadPeer, LoadPlan, LoadResult, due_times, run_load

__all__ = [
    "KNOWN",
    "PERCENTILES",
    "USUAL",
    "Calls",
    "Histogram",
    "LoadError",
    "LoadPeer",
    "LoadPlan",
    "LoadResult",
    "due_times",
    "parse_mix",
    "run_load",
]
