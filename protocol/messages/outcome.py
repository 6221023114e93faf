"""How a command that came to nothing is told to its sender.

The response to a command was given when it was taken; what came of it is the notice of the pairing
rule, with `request_id`, `result` and `detail` (docs/decisions/0002-outcome-in-notices.md).
"""

from __future__ import annotations

from typing import Any, Final

from protocol.errors import LocalProtocolError
from protocol.fields import CONTROL, NULL_TOKENS
from protocol.kinds import COMMANDS, KINDS, answers, counterpart, direction_of
from protocol.message import Message, find_registered
from protocol.messages.call import CallDirection
from protocol.messages.conference import BroadcastAction
from protocol.messages.fax import FaxStatus
from protocol.messages.mail import MailStatus
from protocol.messages.media import MediaNoticeAction, RecordingNoticeAction
from protocol.messages.messaging import SmsSendStatus
from protocol.messages.mirror import message_class
from protocol.messages.parts import CallPhase
from protocol.messages.video import VideoSessionAction
from protocol.plans import FieldPlan, plan_of
from protocol.reasons import Reason

DETAIL_MAX: Final = 1000
OUTCOME: Final = {
    215: 193,
    231: 131,
    232: 131,
    241: 141,
    251: 150,
    252: 150,
    253: 153,
    254: 150,
    255: 152,
    256: 150,
    257: 150,
    258: 151,
    259: 150,
    261: 162,
    263: 161,
    264: 162,
    265: 162,
    270: 171,
    271: 170,
    272: 170,
    273: 172,
    274: 172,
    275: 173,
    281: 101,
    282: 101,
    284: 101,
    285: 181,
    286: 182,
    287: 184,
    290: 199,
    291: 192,
    295: 197,
    297: 197,
    299: 199,
}
"""Commands whose outcome is not the notice with their own last two digits.

Either the catalogue says otherwise (`→ 193`), or there is no such notice, or the notice with these
digits tells of something else (282 updates an event, 182 announces an export).
"""


def outcome_class(number: int) -> type[Message]:
    """The 1NN that tells what came of a 2NN.

    Raises:
        LocalProtocolError: the number is no command's.
    """
    found = find_registered(OUTCOME.get(number, number - 100))
    if number not in COMMANDS or found is None:
        raise LocalProtocolError(f"{number} is no command: nothing comes of it")
    return found


FAILED: Final[dict[int, dict[str, Any]]] = {
    100: {"direction": CallDirection.IN},  # only a call that came in can be answered
    105: {"phase": CallPhase.FAILED},
    107: {"phase": CallPhase.FAILED},
    108: {"action": RecordingNoticeAction.FAILED},
    109: {"action": MediaNoticeAction.FAILED},
    110: {"reason": Reason.CALL_FAILED},  # without a reason it would say "joined"
    118: {"action": BroadcastAction.FAILED},
    121: {"status": SmsSendStatus.FAILED},
    131: {"status": FaxStatus.FAILED},
    141: {"status": MailStatus.FAILED},
    150: {"action": VideoSessionAction.FAILED},
}
"""What a notice says of a failure in its own words, for receivers that do not look at `Result`."""

UNNAMED: Final = frozenset({102, 103})
"""Notices whose mere CallId or ConferenceID says that a call ended or a conference exists.

A refusal in their form names only the request and the event, lest somebody takes it for that.
"""


def refusal(command: Message, *, request_id: str, result: int, detail: str | None) -> Message:
    """The notice that tells a command's sender that it came to nothing.

    It carries the ids that the command named. A 4xx or 6xx is answered by the 3xx or 5xx that its
    sender takes.

    Args:
        command: what could not be done.
        request_id: the Id under which its sender knows it.
        result: code of protocol.md#results, 100 or more.
        detail: for a person; made one line of at most 1,000 characters.
    """
    direction = direction_of(command.number)
    mirrored = KINDS[direction].mirrors or direction
    notice = outcome_class(counterpart(command.number, mirrored))
    cls = message_class(counterpart(notice.number, answers(direction)))
    assert cls is not None  # every notice has its mirrors
    named = {plan.name: plan for plan in plan_of(type(command))}
    values: dict[str, Any] = {
        plan.name: getattr(command, plan.name)
        for plan in plan_of(cls)
        if _names_something(plan, notice.number) and _same(plan, named.get(plan.name))
    }
    values |= FAILED.get(notice.number, {})
    return cls(**values, request_id=request_id, result=result, detail=_line(detail))


def _line(detail: str | None) -> str | None:
    """A detail as a field takes it: vendors' words have line breaks, and no end."""
    words = CONTROL.sub(" ", detail or "").strip()[:DETAIL_MAX].strip()
    return None if words in NULL_TOKENS else words


def _names_something(plan: FieldPlan, notice: int) -> bool:
    if notice in UNNAMED:
        return plan.name in {"event_id", "login_id", "screen_id"}
    return plan.name != "request_id" and (plan.name.endswith("_id") or plan.name == "phone_num")


def _same(ours: FieldPlan, theirs: FieldPlan | None) -> bool:
    """Whether a value can be copied: an element of one name, once, of one kind."""
    return (
        theirs is not None
        and ours.element == theirs.element
        and not (ours.repeated or theirs.repeated)
        and ours.value is not None
        and theirs.value is not None
        and ours.value.name == theirs.value.name
    )


__all__ = ["outcome_class", "refusal"]
