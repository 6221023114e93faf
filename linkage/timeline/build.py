"""From an event's history to its ladder.

Every journal entry becomes a rung: a notice from its platform through linkage to the application
that owns the event, a command the other way. Where a notice tells of something that somebody did
with a telephone, that becomes a rung of its own before it: the patent's figures 3 and 4 show both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from linkage.ports import EntryKind
from linkage.store.read.views import EntryView, EventHistory
from linkage.timeline.detail import detail_of
from linkage.timeline.ladder import Kind, Ladder, Participant, Rung, Style
from protocol import messages as m
from protocol.kinds import KINDS, NOTICES, NUMBERS, Direction, Party, direction_of
from protocol.message import Message
from protocol.reasons import REASON_TEXT
from protocol.results import is_accepted, result_text

MESSAGES: Final = frozenset({EntryKind.MESSAGE, EntryKind.REFUSED, EntryKind.OWN})
"""Kinds of entries that hold a message."""
LINKAGE: Final = "linkage"
IN_BETWEEN: Final = frozenset(
    {
        m.EventBoundNotice.number,
        m.ConferenceMemberNotice.number,
        m.CallStateNotice.number,
        m.CallOutProgressNotice.number,
    }
)
"""Notices that the patent does not have, and that come in numbers."""
_ORDER: Final = list(Kind)


def build_ladder(history: EventHistory, *, brief: bool = False) -> Ladder:
    """The ladder of an event; `brief` leaves out the steps in between, such as ringing."""
    builder = _Builder(history)
    rungs = tuple(
        rung
        for entry in history.entries
        if not (brief and entry.message is not None and is_in_between(entry.message))
        for rung in builder.rungs(entry)
    )
    return Ladder(
        event_id=history.event.event_id,
        title=history.event.title or "",
        participants=builder.participants(),
        rungs=rungs,
    )


def is_in_between(message: Message) -> bool:
    """Whether a message tells of a step between those that the patent shows, such as ringing."""
    match message:
        case m.HangupNotice(scope=m.HangupScope.LEG) | m.TransferNotice(phase=m.CallPhase.START):
            return True
        case _:
            return message.number in IN_BETWEEN


class _Builder:
    """Gathers the columns while it draws the rungs."""

    def __init__(self, history: EventHistory) -> None:
        self._owner = history.event.owner
        self._columns: dict[str, Participant] = {}
        self._logins: dict[str, str] = {}
        self._callers: set[str] = set()
        self._persons: dict[str, tuple[str, str]] = {}
        self._called: set[str] = set()
        self._there: set[str] = set()
        """Who is in a conference."""
        self._caller_of: dict[str, str] = {}
        """CallId → the column of who called."""
        for entry in history.entries:
            self._learn(entry.message)
        self._column(LINKAGE, "linkage", Kind.LINKAGE)

    def _learn(self, message: Message | None) -> None:
        """Which numbers are whose, so that one person gets one column."""
        match message:
            case m.IncomingCallNotice(direction=m.CallDirection.IN, phone_num=str(number)):
                self._callers.add(number)
            case m.TransferNotice():
                self._same(message.to_num, message.to_login_id)
                self._same(message.from_ext, message.from_login_id)
            case m.CallStateNotice(parent_call_id=str()):
                self._same(message.to_num, message.login_id)
            case m.CallOutResultNotice(phone_num=str(number), staff_name=str(name)):
                self._persons.setdefault(number, (f"staff:{message.staff_id or name}", name))
            case m.CallOut():
                self._learn_staff(message)
            case _:
                pass

    def _learn_staff(self, message: m.CallOut) -> None:
        for staff in (staff for group in message.groups for staff in group.staff):
            for phone in staff.phone_nums:
                name = staff.staff_name or phone.number
                self._persons[phone.number] = (f"staff:{staff.staff_id or name}", name)

    def _same(self, number: str | None, login: str | None) -> None:
        if number is not None and login is not None and number not in self._callers:
            self._logins[number] = login

    def participants(self) -> tuple[Participant, ...]:
        """The columns, from left to right; within a kind, in order of appearance."""
        found = sorted(self._columns.values(), key=lambda item: _ORDER.index(item.kind))
        return tuple(replace(item, called=item.key in self._called) for item in found)

    def _column(self, key: str, name: str, kind: Kind) -> str:
        self._columns.setdefault(key, Participant(key, name, kind))
        return key

    def _party(self, number: str | None, login: str | None = None) -> str | None:
        """The column of a person, known by a number or by a LoginId."""
        if number is not None and number in self._callers:
            return self._column(f"party:{number}", number, Kind.CALLER)
        if login is None and number in self._persons:
            return self._column(*self._persons[number], Kind.PARTY)
        who = login or self._logins.get(number or "") or number
        return None if who is None else self._column(f"party:{who}", who, Kind.PARTY)

    def _was_called(self, party: str | None) -> str | None:
        if party is not None and self._columns[party].kind is Kind.PARTY:
            self._called.add(party)
        return party

    def _peer(self, peer_id: str, kind: Kind) -> str:
        return self._column(f"peer:{peer_id}", peer_id, kind)

    # --- rungs -----------------------------------------------------------------------------------
    def rungs(self, entry: EntryView) -> Iterator[Rung]:
        """What an entry shows: what happened on the telephone, then the message about it."""
        if entry.kind not in MESSAGES or entry.type is None:
            yield self._note(entry)
            return
        speaker = LINKAGE
        if entry.kind != EntryKind.OWN:
            speaker = self._peer(entry.source, _speaker(entry.type))
        accepted = entry.result is None or is_accepted(entry.result)
        drawn: list[Rung] = []
        if accepted and entry.message is not None:
            drawn += self._telephone(entry, entry.message, speaker)
        people = [person for rung in drawn for person in rung.about]
        caller = self._caller_of_call(entry)
        about = tuple(dict.fromkeys([*people, *([] if caller is None else [caller])]))
        for rung in (*drawn, self._message(entry, speaker, accepted=accepted)):
            if not self._was_told(rung):
                yield replace(rung, about=about, theme=drawn[0].label if drawn else "")

    def _was_told(self, rung: Rung) -> bool:
        """Whether a rung says once more that somebody joins a conference: 110 and 104 tell it."""
        if rung.label in {"leaves", "puts out"}:
            self._there.difference_update(rung.about)
        elif rung.label == "joins":
            told = self._there.issuperset(rung.about)
            self._there.update(rung.about)
            return told
        return False

    def _caller_of_call(self, entry: EntryView) -> str | None:
        """Who made the call that an entry is about; a leg's is that of its call."""
        call_id = entry.call_id or ""
        parent = None if entry.message is None else entry.message.parent_call_id
        if parent is not None and parent in self._caller_of:
            self._caller_of.setdefault(call_id, self._caller_of[parent])
        return self._caller_of.get(call_id)

    def _note(self, entry: EntryView) -> Rung:
        source = f"{entry.source}: "
        return Rung(
            at=entry.at,
            source=LINKAGE,
            target=LINKAGE,
            label=entry.name,
            detail=f"{source}{entry.detail or ''}".strip(),
            style=Style.NOTE,
        )

    def _message(self, entry: EntryView, speaker: str, *, accepted: bool) -> Rung:
        target = self._hearer(entry) if accepted else LINKAGE
        detail = "" if entry.message is None else detail_of(entry.message)
        if not accepted and entry.result is not None:
            reason = f"{entry.result} {result_text(entry.result)}"
            detail = f"{reason}: {entry.detail}" if entry.detail else reason
        return Rung(
            at=entry.at,
            source=speaker,
            target=target,
            label=f"{entry.type} {entry.name} {entry.chinese}".strip(),
            detail=detail,
            style=Style.MESSAGE if accepted else Style.REFUSED,
            via=LINKAGE if LINKAGE not in {speaker, target} else None,
            reconstructed=entry.reconstructed,
            binds=entry.message.op_id if isinstance(entry.message, m.EventBoundNotice) else None,
        )

    def _hearer(self, entry: EntryView) -> str:
        assert entry.type is not None
        if entry.type in NOTICES or entry.type in Direction.SCREEN_TO_BUSINESS.numbers:
            return self._peer(entry.owner or self._owner, Kind.APPLICATION)
        if entry.target is not None:
            return self._peer(entry.target, Kind.PLATFORM)
        return LINKAGE

    # --- telephone -------------------------------------------------------------------------------
    def _telephone(self, entry: EntryView, message: Message, platform: str) -> Iterator[Rung]:
        show = TELEPHONE.get(message.number)
        if show is None:
            return
        for party, towards_platform, label in show(self, message):
            if party is not None:
                yield Rung(
                    at=entry.at,
                    source=party if towards_platform else platform,
                    target=platform if towards_platform else party,
                    label=label,
                    style=Style.TELEPHONE,
                    reconstructed=entry.reconstructed,
                    about=(party,),
                )

    def incoming(self, message: Any) -> Iterator[Action]:
        """100: patent steps 301 and 302, or the other way round."""
        if message.direction is m.CallDirection.OUT:
            yield self._party(message.to_num), False, "calls"
            return
        caller = self._party(message.phone_num)
        if caller is not None:
            self._caller_of.setdefault(message.call_id, caller)
        yield caller, True, f"calls {message.to_num or ''}".strip()
        if message.login_id is not None:
            yield self._party(None, message.login_id), False, "rings"

    def state(self, message: Any) -> Iterator[Action]:
        """115: a leg rings, is answered, or fails."""
        party = self._party(message.to_num if message.login_id is None else None, message.login_id)
        match message.state:
            case m.CallState.DIALLING | m.CallState.ALERTING:
                yield party, False, "rings" if message.state is m.CallState.ALERTING else "dials"
            case m.CallState.ANSWERED:
                yield party, True, "answers"
            case m.CallState.FAILED:
                yield party, True, f"✗ {_reason(message)}"
            case _:
                pass

    def transfer(self, message: Any) -> Iterator[Action]:
        """105: patent steps 308 and 309."""
        party = self._party(message.to_num, message.to_login_id)
        match message.phase:
            case m.CallPhase.START | m.CallPhase.RINGING:
                yield party, False, "rings"
            case m.CallPhase.CONSULTING:
                yield party, True, "answers (consultation)"
            case m.CallPhase.FAILED | m.CallPhase.CANCELLED:
                yield party, True, f"✗ {_reason(message)}"
            case _:
                yield party, False, "the call goes over"

    def call_out(self, message: Any) -> Iterator[Action]:
        """110: patent steps 404–417."""
        party = self._was_called(self._party(message.phone_num))
        if message.reason is None and message.result is None:
            yield party, True, "joins" if message.conference_id else "answers"
        else:
            yield party, True, f"✗ {_reason(message)}"

    def member(self, message: Any) -> Iterator[Action]:
        """104: somebody joined, left, was put out."""
        party = self._was_called(self._party(message.phone_num))
        match message.action:
            case m.MemberNoticeAction.RINGING:
                yield party, False, "rings"
            case m.MemberNoticeAction.JOINED:
                yield party, True, "joins"
            case m.MemberNoticeAction.LEFT:
                yield party, True, "leaves"
            case m.MemberNoticeAction.KICKED:
                yield party, False, "puts out"
            case _:
                pass

    def hangup(self, message: Any) -> Iterator[Action]:
        """102: whoever hung up, where the platform says who."""
        if message.side is m.HangupSide.CALLER:
            yield self._party(message.phone_num), True, "hangs up"
        elif message.side is m.HangupSide.CALLEE:
            yield self._party(None, message.login_id), True, "hangs up"


Action = tuple[str | None, bool, str]
"""A person's column, whether the arrow goes towards the platform, and what it says."""

COLUMN: Final = {
    Party.PLATFORM: Kind.PLATFORM,
    Party.BUSINESS: Kind.APPLICATION,
    Party.PLATFORM_SCREEN: Kind.SCREEN,
    Party.BUSINESS_SCREEN: Kind.SCREEN,
}
"""Where the sender of a message stands."""


def _speaker(number: int) -> Kind:
    known = number in NUMBERS
    return COLUMN[KINDS[direction_of(number)].speaker] if known else Kind.APPLICATION


TELEPHONE: Final[dict[int, Callable[[_Builder, Any], Iterator[Action]]]] = {
    100: _Builder.incoming,
    102: _Builder.hangup,
    104: _Builder.member,
    105: _Builder.transfer,
    110: _Builder.call_out,
    115: _Builder.state,
}
"""Notices that tell of something a person did, or that was done to a telephone."""


def _reason(message: Any) -> str:
    code = message.reason if message.reason is not None else message.result
    if code is None:
        return "failed"
    english, _ = REASON_TEXT.get(int(code), ("failed", ""))
    return f"{english} ({int(code)})"
