"""The job of the liveness audit."""

from __future__ import annotations

from dataclasses import dataclass

from linkage.core.context import Context
from linkage.core.jobs import Job


@dataclass(frozen=True, slots=True)
class AuditLiveness(Job[None]):
    """Ask platforms about operations that were not heard of for long."""

    def run(self, context: Context) -> None:
        """See `LivenessAudit.audit`."""
        context.liveness.audit()
