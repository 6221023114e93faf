"""Calls from outside and what is done with them.

Notices 100, 102, 106, 114, 115; commands 200, 201, 202, 206, 214.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from protocol.messages import (
    AnswerAction,
    AnswerCall,
    AudioDirection,
    CallDirection,
    CallState,
    CallStateNotice,
    CreateEvent,
    Hangup,
    HangupNotice,
    HangupScope,
    HangupSide,
    Hold,
    HoldAction,
    HoldNotice,
    HoldNoticeAction,
    IncomingCallNotice,
    MuteAction,
    MuteCall,
    MuteNotice,
)
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.exchange import (
    Answer,
    Call,
    CallKind,
    Exchange,
    RefusedError,
)
from simulators.platform.parties import RING_S, Hotline, RingOrder
from simulators.platform.switch import Leg, LegState


class Calls:
    """The hotline, its officers, and the commands about one call."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._switch = exchange.switch
        self.on_answered: list[Callable[[Call, Leg], None]] = []

    # --- from outside ---------------------------------------------------------------------------
    def call_in(self, phone_num: str, to_num: str) -> str:
        """Somebody dials; the CallId.

        Raises:
            RefusedError: 306, the telephone is in a call already; 304, nothing has this number.
        """
        site = self._exchange.site
        login_id = site.login_at(to_num)
        hotline = site.hotline(to_num)
        if hotline is None and login_id is not None:
            hotline = Hotline(number=to_num, officers=(login_id,))
        if hotline is None:
            raise RefusedError(Result.NO_DEVICE, f"{to_num} is no hotline and no extension here")
        call = Call(
            id=self._exchange.new_call_id(),
            kind=CallKind.INCOMING,
            started=self._exchange.now,
            phone_num=phone_num,
            to_num=to_num,
        )
        caller = Leg(id=call.id, line=phone_num)
        if not self._switch.occupy(caller):
            raise RefusedError(Result.WRONG_STATE, f"{phone_num} is in a call already")
        call.legs.append(caller)
        self._exchange.calls[call.id] = call
        self._announce(call, hotline)
        patience_s = site.party(phone_num).patience_s
        if patience_s is not None:
            caller.timers.append(
                self._switch.after(
                    patience_s,
                    partial(self.end, call, Reason.CALLER_CANCELLED, HangupSide.CALLER),
                )
            )
        if hotline.ring is RingOrder.ALL:
            for officer in hotline.officers:
                self._ring(call, officer, (), hotline.ring_s)
        else:
            self._ring(call, hotline.officers[0], hotline.officers[1:], hotline.ring_s)
        return call.id

    def _announce(self, call: Call, hotline: Hotline) -> None:
        alone = hotline.ring is RingOrder.IN_ORDER or len(hotline.officers) == 1
        call.login_id = hotline.officers[0] if alone else None
        self._exchange.emit(
            IncomingCallNotice(
                call_id=call.id,
                login_id=call.login_id,
                direction=CallDirection.IN,
                phone_num=call.phone_num,
                to_num=call.to_num,
                caller_name=self._exchange.site.party(call.phone_num or "").name,
            )
        )

    def _ring(self, call: Call, login_id: str, then: tuple[str, ...], ring_s: float) -> None:
        line = self._exchange.extension(login_id)
        leg = Leg(id=self._exchange.new_call_id(), line=line, login_id=login_id)
        call.legs.append(leg)
        self._switch.ring(
            leg,
            timeout_s=ring_s,
            answered=partial(self.officer_answered, call),
            failed=partial(self._officer_failed, call, then, ring_s),
        )
        self._exchange.leg_state(call, leg, CallState.ALERTING)

    def officer_answered(self, call: Call, leg: Leg) -> None:
        """An officer takes the call: nobody else rings any more."""
        exchange = self._exchange
        for other in exchange.live_legs(call):
            if other.state is LegState.RINGING:
                exchange.drop_leg(call, other, Reason.ANSWERED_ELSEWHERE)
        call.login_id = leg.login_id
        exchange.leg_state(call, leg, CallState.ANSWERED)
        if call.answered is None:
            call.answered = exchange.now
            self._begin_talk(call)
            exchange.emit(
                CallStateNotice(
                    call_id=call.id,
                    event_id=call.event_id,
                    login_id=call.login_id,
                    state=CallState.ANSWERED,
                    phone_num=call.phone_num,
                    to_num=call.to_num,
                )
            )
        self.take_over(call, leg)

    def take_over(self, call: Call, leg: Leg) -> None:
        """An officer has the call now, by answer or transfer: the script begins."""
        talks_s = self._exchange.site.party(leg.line).talks_s
        if talks_s is not None:
            leg.timers.append(
                self._switch.after(
                    talks_s, partial(self.end, call, Reason.NORMAL, HangupSide.CALLEE)
                )
            )
        for hook in self.on_answered:
            hook(call, leg)

    def _begin_talk(self, call: Call) -> None:
        caller = call.caller
        if caller is None:
            return
        self._switch.cancel_timers(caller)
        talks_s = self._exchange.site.party(caller.line).talks_s
        if talks_s is not None:
            caller.timers.append(
                self._switch.after(
                    talks_s, partial(self.end, call, Reason.NORMAL, HangupSide.CALLER)
                )
            )

    def _officer_failed(
        self, call: Call, then: tuple[str, ...], ring_s: float, leg: Leg, reason: Reason
    ) -> None:
        self._exchange.leg_state(call, leg, CallState.FAILED, reason)
        if then:
            call.login_id = then[0]
            self._ring(call, then[0], then[1:], ring_s)
        elif not any(other is not call.caller for other in self._exchange.live_legs(call)):
            self.end(call, reason, HangupSide.PLATFORM)

    # --- the end --------------------------------------------------------------------------------
    def end(
        self,
        call: Call,
        reason: Reason,
        side: HangupSide,
        *,
        content: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Everybody puts the receiver down; 102 once. No effect on a call that has ended."""
        exchange = self._exchange
        if call.ended is not None:
            return
        call.ended, call.end_request_id = exchange.now, request_id
        for hook in exchange.before_end:
            hook(call, reason)
        for leg in exchange.live_legs(call):
            exchange.drop_leg(call, leg, reason)
        del exchange.calls[call.id]
        if call.conference is not None:
            del exchange.conferences[call.conference.id]
        exchange.emit(
            HangupNotice(
                call_id=call.id,
                conference_id=call.conference_id,
                login_id=call.login_id,
                phone_num=call.phone_num,
                event_id=call.event_id,
                content=content,
                reason=reason,
                side=side,
                scope=HangupScope.CALL,
                request_id=request_id,
                start_time=exchange.time(call.started),
                answer_time=exchange.time(call.answered),
                end_time=exchange.time(call.ended),
                duration=exchange.lasted(call.answered, call.ended),
                record_id=call.last_record_id,
            )
        )

    def hang_up(self, command: Hangup, request_id: str) -> Answer:
        """202: a leg, a call, a conference, or everything of an event."""
        exchange = self._exchange
        reason = Reason.NORMAL if command.reason is None else _reason(command.reason)
        if command.scope is HangupScope.EVENT:
            return self._hang_up_event(command, reason, request_id)
        leg: Leg | None = None
        if command.call_id is not None:
            call, leg = exchange.call_of(command.call_id)
        elif command.phone_num is not None:
            call, leg = exchange.call_at(command.phone_num)
        elif command.conference_id is not None:
            call = exchange.conference_of(command.conference_id)
        else:
            return self._hang_up_event(command, reason, request_id)
        whole = leg is None or leg is call.caller or command.scope is HangupScope.CALL
        if leg is not None and not whole:
            exchange.drop_leg(call, leg, reason, request_id)
            self.end_if_alone(call, reason)
        else:
            self.end(
                call,
                reason,
                HangupSide.OPERATOR,
                content=command.content,
                request_id=request_id,
            )
        return Answer(call_id=call.id, conference_id=call.conference_id)

    def _hang_up_event(self, command: Hangup, reason: Reason, request_id: str) -> Answer:
        if command.event_id is None:
            raise RefusedError(Result.MISSING_FIELD, "EventId: Scope 3 ends what an event has")
        found = [
            call for call in self._exchange.calls.values() if call.event_id == command.event_id
        ]
        for call in found:
            self.end(
                call,
                reason,
                HangupSide.OPERATOR,
                content=command.content,
                request_id=request_id,
            )
        if not found:
            raise RefusedError(Result.NO_CALL, f"no call of event {command.event_id} lives here")
        return Answer(detail=f"{len(found)} calls ended")

    def end_if_alone(self, call: Call, reason: Reason) -> None:
        """A call with one telephone left is over, a conference with none."""
        needed = 1 if call.kind is CallKind.CONFERENCE else 2
        if sum(1 for _ in self._exchange.live_legs(call)) < needed:
            self.end(call, reason, HangupSide.CALLEE)

    # --- commands -------------------------------------------------------------------------------
    def create_event(self, command: CreateEvent, _request_id: str) -> Answer:
        """201: stamp the EventId on the call, so that our own records carry it."""
        if command.call_id is None and command.conference_id is None:
            return Answer(detail="noted; it names no call")
        call = self._exchange.named_call(command)
        call.event_id = command.event_id
        return Answer(call_id=call.id, conference_id=call.conference_id)

    def answer(self, command: AnswerCall, request_id: str) -> Answer:
        """200: the officer's screen answers, rejects or sends the ringing call on."""
        call, leg = self._exchange.call_of(command.call_id)
        ringing = [
            one
            for one in self._exchange.live_legs(call)
            if one.state is LegState.RINGING
            and (leg is None or one is leg)
            and (command.login_id is None or one.login_id == command.login_id)
        ]
        if not ringing:
            result = Result.CLAIMED if call.answered is not None else Result.WRONG_STATE
            raise RefusedError(result, "nothing of this call rings there any more")
        reason = _reason(command.reason or Reason.REJECTED)
        with self._exchange.caused_by(request_id):
            if command.action is AnswerAction.REJECT:
                self._switch.give_up(ringing[0], reason)
            elif command.action is AnswerAction.DEFLECT:
                self._deflect(call, ringing[0], command.to_num)
            else:
                self._switch.pick_up(ringing[0])
        return Answer(call_id=call.id)

    def _deflect(self, call: Call, leg: Leg, to_num: str | None) -> None:
        if to_num is None:
            raise RefusedError(Result.MISSING_FIELD, "ToNum: where to send the call on to")
        other = Leg(
            id=self._exchange.new_call_id(),
            line=to_num,
            login_id=self._exchange.site.login_at(to_num),
        )
        call.legs.append(other)
        self._exchange.drop_leg(call, leg, Reason.TRANSFERRED)
        self._switch.ring(
            other,
            timeout_s=RING_S,
            answered=partial(self.officer_answered, call),
            failed=partial(self._officer_failed, call, (), RING_S),
        )
        self._exchange.leg_state(call, other, CallState.ALERTING)

    def hold(self, command: Hold, request_id: str) -> Answer:
        """206: hold and retrieve (alternate and reconnect belong to a consultation)."""
        call = self._exchange.named_call(command)
        wanted = command.action is HoldAction.HOLD
        if command.action not in {HoldAction.HOLD, HoldAction.RETRIEVE}:
            raise RefusedError(Result.WRONG_STATE, "there is no consultation to alternate with")
        if call.answered is None or call.held is wanted:
            raise RefusedError(Result.WRONG_STATE, "the call is not answered, or is so already")
        self.set_held(call, held=wanted, request_id=request_id)
        return Answer(call_id=call.id)

    def set_held(self, call: Call, *, held: bool, request_id: str | None = None) -> None:
        """Hold or retrieve the caller, and say so."""
        call.held = held
        self._exchange.emit(
            HoldNotice(
                call_id=call.id,
                event_id=call.event_id,
                login_id=call.login_id,
                phone_num=call.phone_num,
                action=HoldNoticeAction.HOLD if held else HoldNoticeAction.RETRIEVE,
                request_id=request_id,
            )
        )

    def mute(self, command: MuteCall, request_id: str) -> Answer:
        """214: mute one telephone of a call: the officer's, or that of the CallId of a leg."""
        call = self._exchange.named_call(command)
        leg = self._exchange.call_of(command.call_id)[1] if command.call_id else None
        leg = leg or call.officer_leg()
        if leg is None or not leg.talking:
            raise RefusedError(Result.WRONG_STATE, "nobody talks there")
        leg.muted = command.action is MuteAction.MUTE
        self._exchange.emit(
            MuteNotice(
                call_id=command.call_id or call.id,
                event_id=call.event_id,
                login_id=leg.login_id,
                action=command.action,
                direction=command.direction or AudioDirection.OUT,
                request_id=request_id,
            )
        )
        return Answer(call_id=call.id)


def _reason(code: int) -> Reason:
    try:
        return Reason(code)
    except ValueError:
        raise RefusedError(Result.BAD_VALUE, f"Reason {code} is not in the table") from None
