"""All checks, in the order in which they are run.

What may cost the connection comes late, so that an implementation which is not up again at once
still shows most of what it can do.
"""

from __future__ import annotations

from typing import Final

from protocol.roles import Role
from simulators.conformance.checks import (
    answering,
    beginning,
    damage,
    embodiments,
    ending,
    repeating,
)
from simulators.conformance.model import Check

CHECKS: Final[tuple[Check, ...]] = (
    *beginning.CHECKS,
    *answering.CHECKS,
    *embodiments.CHECKS,
    *repeating.CHECKS,
    *beginning.LATE_CHECKS,
    *repeating.RECONNECTING,
    *damage.CHECKS,
    *ending.CHECKS,
)


def checks_for(role: Role) -> tuple[Check, ...]:
    """The checks that apply to a role; names are unique among them."""
    return tuple(check for check in CHECKS if role in check.roles)
