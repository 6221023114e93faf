"""What servers and readers report of a mail (RFC 3464 and 8098, in UTF-8 RFC 6533)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocol.messages import MailReportStatus as Fate


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a mail at one recipient; `addresses`: the one that was written to first.

    `fate` None: it went on to where nothing more is reported (`relayed`, `expanded`).
    """

    addresses: Sequence[str]
    fate: Fate | None
    status: str = ""

    @property
    def address(self) -> str | None:
        """Whom it is about."""
        return self.addresses[0] if self.addresses else None


@dataclass(frozen=True, slots=True)
class Report:
    """A report: which mail it is about, by what it says of that, and what became of it."""

    envelope_id: str | None
    message_ids: Sequence[str]
    told: Sequence[Told] = field(default=())
