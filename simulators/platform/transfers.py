"""Transfers: 205, and what an officer does at the telephone; 105 with its phases."""

from __future__ import annotations

from functools import partial

from protocol.messages import (
    CallPhase,
    CallState,
    Hold,
    HoldAction,
    HoldNotice,
    HoldNoticeAction,
    Transfer,
    TransferMode,
    TransferNotice,
    TransferNoticeMode,
)
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.calls import Calls
from simulators.platform.exchange import (
    Answer,
    Call,
    Exchange,
    RefusedError,
    RunningTransfer,
)
from simulators.platform.parties import RING_S
from simulators.platform.switch import Leg


class Transfers:
    """Sends calls on, at once (blind) or after a consultation.

    The officer who transfers keeps the call until the other has answered: a blind transfer that
    fails comes back to him.
    """

    def __init__(self, exchange: Exchange, calls: Calls) -> None:
        self._exchange = exchange
        self._switch = exchange.switch
        self._calls = calls
        calls.on_answered.append(self._follow_script)
        exchange.before_end.append(self._call_ends)
        exchange.on_drop.append(self._dropped)

    def transfer(self, command: Transfer, request_id: str) -> Answer:
        """205 in the modes blind, consult, complete, cancel and swap; 501 for queues and menus."""
        if command.mode in {TransferMode.TO_QUEUE, TransferMode.TO_IVR}:
            raise RefusedError(Result.NOT_SUPPORTED, "this platform has no queues and no menus")
        call = self._named(command)
        if command.mode in {TransferMode.BLIND, TransferMode.CONSULT}:
            consult = command.mode is TransferMode.CONSULT
            to_num, login_id = self._target(command)
            leg = self.start(call, to_num, login_id, consult=consult, request_id=request_id)
            return Answer(result=Result.ACCEPTED, call_id=leg.id)
        running = call.transfer
        if running is None or not running.consult:
            raise RefusedError(Result.WRONG_STATE, "the call has no consultation")
        if command.mode is TransferMode.COMPLETE:
            self._complete(call, running)
        elif command.mode is TransferMode.CANCEL:
            self._cancel(call, running)
        else:
            self._alternate(call, running, request_id)
        return Answer(call_id=call.id)

    def hold(self, command: Hold, request_id: str) -> Answer:
        """206: alternate and reconnect during a consultation, else hold and retrieve."""
        call = self._exchange.named_call(command)
        running = call.transfer
        if running is None or not running.consult:
            return self._calls.hold(command, request_id)
        if command.action is HoldAction.RECONNECT:
            self._cancel(call, running)
        elif command.action is HoldAction.ALTERNATE:
            self._alternate(call, running, request_id)
        else:
            raise RefusedError(Result.WRONG_STATE, "during a consultation alternate or reconnect")
        return Answer(call_id=call.id)

    def start(
        self,
        call: Call,
        to_num: str,
        to_login_id: str | None,
        *,
        consult: bool,
        request_id: str | None = None,
    ) -> Leg:
        """Ring the other officer.

        Raises:
            RefusedError: 306, nobody has the call, or a transfer is under way.
        """
        from_leg = call.officer_leg()
        if from_leg is None or call.transfer is not None:
            raise RefusedError(Result.WRONG_STATE, "no officer has the call, or it is on its way")
        leg = Leg(id=self._exchange.new_call_id(), line=to_num, login_id=to_login_id)
        call.legs.append(leg)
        running = RunningTransfer(
            from_leg=from_leg,
            to_leg=leg,
            consult=consult,
            external=to_login_id is None,
            request_id=request_id,
        )
        call.transfer = running
        self._notice(call, running, CallPhase.START)
        if consult and not call.held:
            self._calls.set_held(call, held=True)
        self._switch.ring(
            leg,
            timeout_s=RING_S,
            answered=partial(self._answered, call, running),
            failed=partial(self._failed, call, running),
        )
        self._exchange.leg_state(call, leg, CallState.ALERTING)
        self._notice(call, running, CallPhase.RINGING)
        return leg

    def _named(self, command: Transfer) -> Call:
        if command.call_id is None and command.conference_id is None:
            login_id = command.from_login_id or command.login_id
            if login_id is not None:
                return self._exchange.call_at(self._exchange.extension(login_id))[0]
        return self._exchange.named_call(command)

    def _target(self, command: Transfer) -> tuple[str, str | None]:
        if command.to_login_id is not None:
            return self._exchange.extension(command.to_login_id), command.to_login_id
        if command.to_num is not None:
            return command.to_num, self._exchange.site.login_at(command.to_num)
        raise RefusedError(Result.MISSING_FIELD, "ToLoginId or ToNum: where to transfer to")

    # --- what the other telephone does ----------------------------------------------------------
    def _answered(self, call: Call, running: RunningTransfer, leg: Leg) -> None:
        running.answered = True
        self._exchange.leg_state(call, leg, CallState.ANSWERED)
        if running.consult:
            self._notice(call, running, CallPhase.CONSULTING)
        else:
            self._hand_over(call, running)

    def _failed(self, call: Call, running: RunningTransfer, leg: Leg, reason: Reason) -> None:
        call.transfer = None
        self._exchange.leg_state(call, leg, CallState.FAILED, reason)
        self._notice(call, running, CallPhase.FAILED, reason)
        self._retrieve(call)

    def _complete(self, call: Call, running: RunningTransfer) -> None:
        if not running.to_leg.talking:
            raise RefusedError(Result.WRONG_STATE, "the other has not answered yet")
        self._retrieve(call)
        self._hand_over(call, running)

    def _cancel(self, call: Call, running: RunningTransfer) -> None:
        call.transfer = None
        self._exchange.drop_leg(call, running.to_leg, Reason.OPERATOR_CANCELLED)
        self._notice(call, running, CallPhase.CANCELLED)
        self._retrieve(call)

    def _alternate(self, call: Call, running: RunningTransfer, request_id: str) -> None:
        if not running.to_leg.talking:
            raise RefusedError(Result.WRONG_STATE, "the other has not answered yet")
        call.held = not call.held
        running.to_leg.held = not call.held
        self._exchange.emit(
            HoldNotice(
                call_id=call.id,
                event_id=call.event_id,
                login_id=call.login_id,
                phone_num=running.to_leg.line if running.to_leg.held else call.phone_num,
                action=HoldNoticeAction.ALTERNATE,
                request_id=request_id,
            )
        )

    def _hand_over(self, call: Call, running: RunningTransfer) -> None:
        call.transfer = None
        running.to_leg.held = False
        self._exchange.drop_leg(call, running.from_leg, Reason.TRANSFERRED)
        self._notice(call, running, CallPhase.DONE)
        call.login_id = running.to_leg.login_id
        self._calls.take_over(call, running.to_leg)

    def _retrieve(self, call: Call) -> None:
        if call.held:
            self._calls.set_held(call, held=False)

    def _call_ends(self, call: Call, _reason: Reason) -> None:
        if call.transfer is not None:
            running, call.transfer = call.transfer, None
            self._notice(call, running, CallPhase.CANCELLED, Reason.CALLER_CANCELLED)

    def _dropped(self, call: Call, leg: Leg, reason: Reason) -> None:
        """One of the two officers was hung up on from elsewhere (202)."""
        running = call.transfer
        if running is None:
            return
        if leg is running.to_leg:
            call.transfer = None
            self._notice(call, running, CallPhase.FAILED, reason)
            self._retrieve(call)
        elif leg is running.from_leg and running.answered:
            self._retrieve(call)
            self._hand_over(call, running)

    def _follow_script(self, call: Call, leg: Leg) -> None:
        """An officer whose script says so transfers the call at the telephone."""
        officer = None if leg.login_id is None else self._exchange.site.officer(leg.login_id)
        if officer is None or officer.transfers is None:
            return
        to_login_id = officer.transfers.to

        def dial() -> None:
            if call.transfer is None and leg.talking:
                line = self._exchange.extension(to_login_id)
                self.start(call, line, to_login_id, consult=False)

        leg.timers.append(self._switch.after(officer.transfers.after_s, dial))

    def _notice(
        self, call: Call, running: RunningTransfer, phase: CallPhase, reason: Reason | None = None
    ) -> None:
        mode = TransferNoticeMode.ATTENDED if running.consult else TransferNoticeMode.BLIND
        if running.external and not running.consult:
            mode = TransferNoticeMode.EXTERNAL
        self._exchange.emit(
            TransferNotice(
                call_id=call.id,
                conference_id=call.conference_id,
                event_id=call.event_id,
                from_login_id=running.from_leg.login_id,
                from_ext=running.from_leg.line,
                phone_num=call.phone_num,
                to_login_id=running.to_leg.login_id,
                to_num=running.to_leg.line,
                mode=mode,
                phase=phase,
                new_call_id=running.to_leg.id,
                reason=reason,
                request_id=running.request_id,
            )
        )
