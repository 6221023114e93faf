"""All checks, in the order in which they are run.

What may cost the connection comes late, so that an implementation which is not up again at once
still shows most of what it can do.
"""

from __future__ import annotations

from typing import Final

from protocol.roles import Role
from simulators.conformance.checks import (
    embodiments,
    malformed_input,
    registration,
    repetitions,
    requests,
    whole_run,
)
from simulators.conformance.model import Check

CHECKS: Final[tuple[Check, ...]] = (
    *registration.CHECKS,
    *requests.CHECKS,
    *embodiments.CHECKS,
    *repetitions.CHECKS,
    *registration.LATE_CHECKS,
    *repetitions.RECONNECTING,
    *malformed_input.CHECKS,
    *whole_run.CHECKS,
)


def checks_for(role: Role) -> tuple[Check, ...]:
    """The checks that apply to a role; names are unique among them."""
    return tuple(check for check in CHECKS if role in check.roles)
