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
from linkage.timeline.correspondence import PASSED
from linkage.timeline.detail import detail_of
from linkage.timeline.ladder import Kind, Ladder, Rung, Style
from linkage.timeline.people import People
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
        m.FaxProgressNotice.number,
    }
)
"""Notices that the patent does not have, and that come in numbers."""


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
        participants=builder.people.participants(),
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
    """Draws the rungs; the columns come about meanwhile."""

    def __init__(self, history: EventHistory) -> None:
        self._owner = history.event.owner
        self.people = People(entry.message for entry in history.entries)
        self._there: set[str] = set()
        """Who is in a conference."""
        self._caller_of: dict[str, str] = {}
        """CallId → the column of who called."""
        self._causes = _causes(history)
        self.people.column(LINKAGE, "linkage", Kind.LINKAGE)

    # --- rungs -----------------------------------------------------------------------------------
    def rungs(self, entry: EntryView) -> Iterator[Rung]:
        """What an entry shows: what happened on the telephone, then the message about it."""
        if entry.kind not in MESSAGES or entry.type is None:
            yield self._note(entry)
            return
        speaker = LINKAGE
        if entry.kind != EntryKind.OWN:
            speaker = self.people.peer(entry.source, _speaker(entry.type))
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
        cause = self._causes.get((entry.seq, entry.op_id))
        if cause is not None:
            detail = f"{detail} · {cause}".strip(" ·")
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
            return self.people.peer(entry.owner or self._owner, Kind.APPLICATION)
        if entry.target is not None:
            return self.people.peer(entry.target, Kind.PLATFORM)
        return LINKAGE

    # --- telephone -------------------------------------------------------------------------------
    def _telephone(self, entry: EntryView, message: Message, platform: str) -> Iterator[Rung]:
        for party, towards_platform, label in self._actions(message):
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

    def _actions(self, message: Message) -> Iterator[Action]:
        show = TELEPHONE.get(message.number)
        if show is not None:
            return show(self, message)
        passed = PASSED.get(message.number)
        return iter(()) if passed is None else passed(self.people.party, message)

    def incoming(self, message: Any) -> Iterator[Action]:
        """100: patent steps 301 and 302, or the other way round."""
        if message.direction is m.CallDirection.OUT:
            yield self.people.party(message.to_num), False, "calls"
            return
        caller = self.people.party(message.phone_num)
        if caller is not None:
            self._caller_of.setdefault(message.call_id, caller)
        yield caller, True, f"calls {message.to_num or ''}".strip()
        if message.login_id is not None:
            yield self.people.party(None, message.login_id), False, "rings"

    def state(self, message: Any) -> Iterator[Action]:
        """115: a leg rings, is answered, or fails."""
        party = self.people.party(
            message.to_num if message.login_id is None else None, message.login_id
        )
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
        party = self.people.party(message.to_num, message.to_login_id)
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
        party = self.people.was_called(self.people.party(message.phone_num))
        if message.reason is None and message.result is None:
            yield party, True, "joins" if message.conference_id else "answers"
        else:
            yield party, True, f"✗ {_reason(message)}"

    def member(self, message: Any) -> Iterator[Action]:
        """104: somebody joined, left, was put out."""
        party = self.people.was_called(self.people.party(message.phone_num))
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
            yield self.people.party(message.phone_num), True, "hangs up"
        elif message.side is m.HangupSide.CALLEE:
            yield self.people.party(None, message.login_id), True, "hangs up"


Action = tuple[str | None, bool, str]
"""A person's column, whether the arrow goes towards the platform, and what it says."""

COLUMN: Final = {
    Party.PLATFORM: Kind.PLATFORM,
    Party.BUSINESS: Kind.APPLICATION,
    Party.PLATFORM_SCREEN: Kind.SCREEN,
    Party.BUSINESS_SCREEN: Kind.SCREEN,
}
"""Where the sender of a message stands."""


def _causes(history: EventHistory) -> dict[tuple[int, int | None], str]:
    """Entry and operation → why the operation belongs to the event since; not of what follows."""
    return {
        (binding.valid_from, operation.op_id): f"cause: {binding.cause}"
        for operation in history.operations
        if operation.parent is None
        for binding in operation.bindings
    }


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
