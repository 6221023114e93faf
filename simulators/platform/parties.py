"""Who can be called, and what they do when the telephone rings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from protocol.reasons import Reason


class Behaviour(StrEnum):
    """What a party does with one call that reaches it."""

    ANSWERS = "answers"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTS = "rejects"
    UNREACHABLE = "unreachable"
    UNALLOCATED = "unallocated"
    FAILS = "fails"
    VOICEMAIL = "voicemail"


FAILURE: Final[Mapping[Behaviour, Reason]] = {
    Behaviour.BUSY: Reason.BUSY,
    Behaviour.NO_ANSWER: Reason.NO_ANSWER,
    Behaviour.REJECTS: Reason.REJECTED,
    Behaviour.UNREACHABLE: Reason.UNREACHABLE,
    Behaviour.UNALLOCATED: Reason.UNALLOCATED,
    Behaviour.FAILS: Reason.CALL_FAILED,
    Behaviour.VOICEMAIL: Reason.ANSWERING_MACHINE,
}
"""What a caller is told when the behaviour is not to answer (protocol.md#reasons)."""

ANSWER_AFTER_S: Final = 2.0
RING_S: Final = 30.0
"""How long a number rings when neither the command nor the hotline says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A telephone and the script of whoever holds it. Times are seconds.

    `behaviours` holds one entry for each call that reaches the party, the last for all further
    ones. `after_s` passes before the behaviour shows. `talks_s` after the conversation began the
    party hangs up; `patience_s` is how long it waits for an answer to a call of its own.
    `digits` are the keys that the party presses when asked for some.
    """

    number: str
    name: str | None = None
    behaviours: tuple[Behaviour, ...] = (Behaviour.ANSWERS,)
    after_s: float = ANSWER_AFTER_S
    talks_s: float | None = None
    patience_s: float | None = None
    digits: str = ""

    def behaviour(self, attempt: int) -> Behaviour:
        """What happens at the `attempt`-th call that reaches the party, counted from 0."""
        return self.behaviours[min(attempt, len(self.behaviours) - 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneTransfer:
    """A transfer that an officer makes at the telephone, without the business platform."""

    to: str
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """A dispatcher: the LoginId, the extension, and the script of the extension."""

    login_id: str
    ext: str
    name: str | None = None
    behaviours: tuple[Behaviour, ...] = (Behaviour.ANSWERS,)
    after_s: float = ANSWER_AFTER_S
    talks_s: float | None = None
    transfers: PhoneTransfer | None = None

    def party(self) -> Party:
        """The officer as a telephone among others."""
        return Party(
            number=self.ext,
            name=self.name,
            behaviours=self.behaviours,
            after_s=self.after_s,
            talks_s=self.talks_s,
        )


class RingOrder(StrEnum):
    """How a hotline calls its officers."""

    IN_ORDER = "in-order"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hotline:
    """A number that the public dials, and the LoginIds of those who answer it."""

    number: str
    officers: tuple[str, ...]
    ring: RingOrder = RingOrder.IN_ORDER
    ring_s: float = RING_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that a simulated platform has.

    A number that nobody holds behaves as `strangers`. `patent_only` makes a platform that speaks
    nothing but the patent's seven message types. Ids are counted up from the given ones;
    platforms that outlive a run must be given fresh ones.
    """

    officers: tuple[Officer, ...] = ()
    hotlines: tuple[Hotline, ...] = ()
    parties: tuple[Party, ...] = ()
    strangers: Behaviour = Behaviour.ANSWERS
    patent_only: bool = False
    first_call_id: int = 1
    first_conference_id: int = 1
    _officers: dict[str, Officer] = field(init=False, repr=False, default_factory=dict)
    _hotlines: dict[str, Hotline] = field(init=False, repr=False, default_factory=dict)
    _parties: dict[str, Party] = field(init=False, repr=False, default_factory=dict)
    _logins: dict[str, str] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._officers.update({officer.login_id: officer for officer in self.officers})
        self._logins.update({officer.ext: officer.login_id for officer in self.officers})
        self._hotlines.update({hotline.number: hotline for hotline in self.hotlines})
        self._parties.update({officer.ext: officer.party() for officer in self.officers})
        self._parties.update({party.number: party for party in self.parties})

    def officer(self, login_id: str) -> Officer | None:
        """The officer of a LoginId."""
        return self._officers.get(login_id)

    def login_at(self, number: str) -> str | None:
        """Who works at an extension."""
        return self._logins.get(number)

    def hotline(self, number: str) -> Hotline | None:
        """The hotline of a number."""
        return self._hotlines.get(number)

    def party(self, number: str) -> Party:
        """The party of a number; a stranger where nobody holds it."""
        return self._parties.get(number) or Party(number=number, behaviours=(self.strangers,))
