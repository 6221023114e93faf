"""The simulated communication platform without I/O: commands and timers in, notices out.

```
 call_in(...)  ─┐                       ┌─ Answer            the response to a command
 execute(...)  ─┼──► features ► Switch ─┼─ Emitted           a notice
 handle_timer  ─┘    (calls, transfers, └─ SaveRecording     work for the shell
                      conferences, …)
```
Everything is a function of what was fed and of `now`: the same calls give the same notices with
the same ids.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import (
    AnswerCall,
    CallOut,
    CancelCallOut,
    Capability,
    ConferenceControl,
    ConferenceMemberControl,
    CreateEvent,
    Hangup,
    HangupSide,
    Hold,
    HoldAction,
    MediaControl,
    MuteCall,
    QueryCall,
    QueryCapability,
    RecordingAction,
    RecordingControl,
    SnapshotRequest,
    Transfer,
    TransferMode,
)
from protocol.reasons import Reason
from protocol.results import Result
from simulators.platform.callouts import SUPPORTED_MODES, SUPPORTED_TYPES, CallOuts
from simulators.platform.calls import Calls
from simulators.platform.conferences import MEMBER_ACTIONS, SUPPORTED, Conferences
from simulators.platform.exchange import (
    Answer,
    Emitted,
    Exchange,
    RefusedError,
    SaveRecording,
)
from simulators.platform.media import Media, SavedFile
from simulators.platform.parties import Site
from simulators.platform.queries import Queries
from simulators.platform.transfers import Transfers

REMEMBERED_MAX: Final = 1024
"""Commands whose answers are kept, so that a repeated one is answered and not done again."""

# Command → the values of its Action or Mode that are served; none listed: all there are.
SERVED: Final[Mapping[type[Message], Iterable[int]]] = {
    AnswerCall: (),
    CreateEvent: (),
    Hangup: (),
    ConferenceControl: SUPPORTED,
    ConferenceMemberControl: MEMBER_ACTIONS,
    Transfer: set(TransferMode) - {TransferMode.TO_QUEUE, TransferMode.TO_IVR},
    Hold: set(HoldAction),
    RecordingControl: set(RecordingAction) - {RecordingAction.TAG},
    MediaControl: (),
    CallOut: SUPPORTED_TYPES,
    MuteCall: (),
    QueryCall: (),
    CancelCallOut: (),
    QueryCapability: (),
    SnapshotRequest: (),
}
CAPABILITIES: Final = tuple(
    Capability(
        no=served.number,
        actions=" ".join(str(int(action)) for action in sorted(actions)) or None,
        limits="CallMode 1 2 3" if served is CallOut and SUPPORTED_MODES else None,
    )
    for served, actions in SERVED.items()
)


class Engine:
    """A communication platform.

    `epoch` is the wall clock at `now` = 0, and `pace` how many seconds of `now` pass in one of it:
    what it tells of times are the wall's, as its linkage has them.
    """

    def __init__(self, site: Site, *, epoch: datetime, pace: float = 1.0) -> None:
        self._exchange = Exchange(site, epoch=epoch, pace=pace)
        self._calls = Calls(self._exchange)
        transfers = Transfers(self._exchange, self._calls)
        conferences = Conferences(self._exchange, self._calls)
        self._media = Media(self._exchange)
        callouts = CallOuts(self._exchange, self._calls, conferences, self._media)
        queries = Queries(self._exchange, CAPABILITIES)
        self._answered: OrderedDict[tuple[str, Message], Answer] = OrderedDict()
        # The table is keyed by class: each handler takes exactly that class.
        self._handlers: Mapping[type[Message], Callable[[Any, str], Answer]] = {
            AnswerCall: self._calls.answer,
            CreateEvent: self._calls.create_event,
            Hangup: self._calls.hang_up,
            ConferenceControl: conferences.control,
            ConferenceMemberControl: conferences.member_control,
            Transfer: transfers.transfer,
            Hold: transfers.hold,
            RecordingControl: self._media.control_recording,
            MediaControl: self._media.control_media,
            CallOut: callouts.call_out,
            MuteCall: self._calls.mute,
            QueryCall: queries.query_call,
            CancelCallOut: callouts.cancel,
            QueryCapability: queries.capability,
            SnapshotRequest: queries.snapshot,
        }

    # --- what happens to it ---------------------------------------------------------------------
    def call_in(self, phone_num: str, to_num: str, now: float) -> str:
        """Somebody dials a hotline or an extension; the CallId.

        Raises:
            RefusedError: the caller is in a call already, or nothing has the number.
        """
        self.handle_timer(now)
        return self._calls.call_in(phone_num, to_num)

    def put_down(self, number: str, now: float) -> None:
        """The holder of a telephone hangs up; no effect when it is in no call."""
        self.handle_timer(now)
        try:
            call, leg = self._exchange.call_at(number)
        except RefusedError:
            return
        side = HangupSide.CALLER if leg is call.caller else HangupSide.CALLEE
        if leg is call.caller:
            reason = Reason.NORMAL if call.answered is not None else Reason.CALLER_CANCELLED
            self._calls.end(call, reason, side)
        else:
            self._exchange.drop_leg(call, leg, Reason.NORMAL)
            self._calls.end_if_alone(call, Reason.NORMAL)

    def execute(self, request: Request, now: float) -> Answer:
        """Do a 2xx; never raises for what the peer sent. A repeated one is answered as before."""
        self.handle_timer(now)
        key = (request.id, request.message)
        known = self._answered.get(key)
        if known is not None:
            return known
        answer = self._do(request, now)
        self._answered[key] = answer
        if len(self._answered) > REMEMBERED_MAX:
            self._answered.popitem(last=False)
        return answer

    def _do(self, request: Request, now: float) -> Answer:
        if request.time is not None and request.expire_s is not None:
            age = self._exchange.wall(now) - request.time
            if age > timedelta(seconds=request.expire_s):
                return Answer(result=Result.EXPIRED, detail=f"sent {age} ago")
        handler = self._handlers.get(type(request.message))
        if handler is None:
            name = type(request.message).__name__
            return Answer(result=Result.NOT_SUPPORTED, detail=f"{name} is not served; see 192")
        try:
            return handler(request.message, request.id)
        except RefusedError as error:
            return Answer(result=error.result, detail=error.detail)

    def recording_saved(self, record_id: str, file: SavedFile | None, now: float) -> None:
        """The shell has written a recording, or could not (None)."""
        self.handle_timer(now)
        self._media.saved(record_id, file)

    # --- time -----------------------------------------------------------------------------------
    def get_timer(self) -> float | None:
        """When `handle_timer` is due, None when nothing is to happen."""
        return self._exchange.switch.next_timer()

    def handle_timer(self, now: float) -> None:
        """Let everything happen that is due."""
        self._exchange.switch.handle_timers(now)

    # --- what comes of it -----------------------------------------------------------------------
    def drain(self) -> list[Emitted | SaveRecording]:
        """What has come of it since the last time, in order."""
        outbox, self._exchange.outbox = self._exchange.outbox, []
        return outbox

    @property
    def live_calls(self) -> frozenset[str]:
        """CallIds of the calls that have not ended."""
        return frozenset(self._exchange.calls)

    @property
    def busy_lines(self) -> Mapping[str, str]:
        """Telephone → the CallId of the leg that it carries."""
        return {line: leg.id for line, leg in self._exchange.switch.lines.items()}
