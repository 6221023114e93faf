"""Conformance kit for vendors: drives an application or a platform through the specification.

The kit plays linkage towards the implementation under test, over TCP and nothing else, so that
it may be written in any language. `linkage conformance` runs it; as a library:

```python
settings = Settings(role=Role.APPLICATION, host="127.0.0.1", port=7701, secret=Secret(secret))
report = await run_conformance(settings)
assert report.passed()
```
"""

from __future__ import annotations

from simulators.conformance.checks import CHECKS, checks_for
from simulators.conformance.junit import to_junit
from simulators.conformance.model import (
    SUBJECTS,
    Check,
    ConformanceError,
    Finding,
    Report,
    Settings,
    Status,
)
from simulators.conformance.runner import run_conformance

__all__ = [
    "CHECKS",
    "SUBJECTS",
    "Check",
    "ConformanceError",
    "Finding",
    "Report",
    "Settings",
    "Status",
    "checks_for",
    "run_conformance",
    "to_junit",
]
