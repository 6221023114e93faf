"""What is known of a mail that was sent, and how it fared at the server."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from adapters.messaging.model import State


@dataclass
class Recipient:
    """One recipient of a mail, and what was told of it last (`fate`: the Status of a 142)."""

    address: str
    state: State = State.WAITING
    fate: int | None = None


@dataclass
class Mail:
    """A 240. `token` is in its Message-ID and is its envelope id; nobody can guess it.

    `at`: seconds of the epoch at which it was begun.
    """

    token: str
    request_id: str
    mail_id: str
    message_id: str
    at: float = 0.0
    recipients: list[Recipient] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """As it stands in the memory."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Any) -> Self:
        """Read back what `record` gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        mail = cls(**{**record, "recipients": []})
        for each in record["recipients"]:
            recipient = Recipient(**each)
            recipient.state = State(recipient.state)
            mail.recipients.append(recipient)
        _check(mail)
        return mail

    def find(self, address: str) -> Recipient | None:
        """The recipient of an address, as servers write it."""
        wanted = address.casefold()
        return next((each for each in self.recipients if each.address.casefold() == wanted), None)


def _check(mail: Mail) -> None:
    texts: tuple[object, ...] = (mail.token, mail.request_id, mail.mail_id, mail.message_id)
    if not all(isinstance(each, str) and each for each in texts) or not mail.recipients:
        raise ValueError("is no mail")
    mail.at = float(mail.at)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said of a mail for one recipient: its code, and the enhanced one if any."""

    code: int
    enhanced: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether it takes the mail for that recipient."""
        return self.code // 100 == 2  # noqa: PLR2004 - SMTP's
