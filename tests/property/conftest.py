"""Hypothesis profiles: `dev` while working, `ci` at the gate, `nightly` for long hunts.

Chosen by HYPOTHESIS_PROFILE; `make test` chooses `ci`, where the examples are the same in every
run. Deadlines are off: the machines are shared and a slow example proves nothing.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=30, deadline=None)
settings.register_profile("ci", max_examples=30, deadline=None, derandomize=True)
settings.register_profile(
    "nightly", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
