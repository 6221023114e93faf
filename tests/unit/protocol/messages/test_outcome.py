"""What the sender of a command is told when nothing came of it."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.codec import decode, encode
from protocol.envelope import Request
from protocol.errors import LocalProtocolError
from protocol.message import Message, amended
from protocol.messages import (
    AnswerAction,
    AnswerCall,
    CallDirection,
    CallOut,
    CallOutResultNotice,
    CallPhase,
    GetFile,
    Group,
    Hangup,
    HangupNotice,
    IncomingCallNotice,
    Phone,
    RecordingAction,
    RecordingControl,
    RecordingNotice,
    RecordingNoticeAction,
    Staff,
    Transfer,
    TransferMode,
    TransferNotice,
    message_class,
    outcome_class,
    refusal,
)
from protocol.results import Result
from tests.fakes.message_strategies import CLASSES, smallest

CALL_OUT = CallOut(
    conference_id="2", groups=(Group(staff=(Staff(phone_nums=(Phone(number="110"),)),)),)
)


def refused(command: Message) -> Message:
    return refusal(command, request_id="7", result=Result.UNREACHABLE, detail="link down")


@pytest.mark.parametrize(
    "cls",
    [cls for cls in CLASSES if cls.number // 100 in {2, 4, 6}],
    ids=lambda cls: f"{cls.number}-{cls.english}",
)
def test_a_refusal_can_be_told_of_every_command(cls: type[Message]) -> None:
    notice = refused(cls(**smallest(cls)))
    assert notice.number // 100 == {2: 1, 4: 3, 6: 5}[cls.number // 100]
    assert (notice.request_id, notice.result, notice.detail) == ("7", 502, "link down")
    assert decode(encode(Request(id="1", message=notice))) == Request(id="1", message=notice)


def test_a_refusal_names_what_the_command_named() -> None:
    command = RecordingControl(action=RecordingAction.STOP, record_id="r1", call_id="c1")
    assert refused(command) == RecordingNotice(
        call_id="c1",
        record_id="r1",
        action=RecordingNoticeAction.FAILED,
        request_id="7",
        result=502,
        detail="link down",
    )


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("  no\r\nsuch\x00 channel ", "no  such  channel"),
        ("a" * 2000, "a" * 1000),
        ("NULL", None),
        ("\n", None),
        (None, None),
    ],
)
def test_a_vendors_words_become_one_line(detail: str | None, told: str | None) -> None:
    command = Hangup(call_id="c1")
    assert refusal(command, request_id="7", result=506, detail=detail).detail == told


def test_a_third_party_may_see_a_refusal_without_the_senders_request_id() -> None:
    for command in (Hangup(conference_id="2"), Transfer(mode=TransferMode.CANCEL)):
        notice = amended(refused(command), request_id=None)
        assert decode(encode(Request(id="1", message=notice))) == Request(id="1", message=notice)


def test_a_failed_transfer_says_so_in_its_own_words() -> None:
    command = Transfer(call_id="c1", mode=TransferMode.BLIND, to_num="110", from_login_id="23")
    notice = refused(command)
    assert isinstance(notice, TransferNotice)
    assert (notice.phase, notice.call_id, notice.from_login_id) == (CallPhase.FAILED, "c1", "23")


def test_a_refused_hang_up_cannot_be_taken_for_a_hang_up() -> None:
    notice = refused(Hangup(call_id="c1", event_id="e1", conference_id="2"))
    assert notice == HangupNotice(event_id="e1", request_id="7", result=502, detail="link down")


def test_a_refused_call_out_does_not_read_as_joined() -> None:
    notice = refused(CALL_OUT)
    assert isinstance(notice, CallOutResultNotice)
    assert notice.reason == 123
    assert notice.conference_id == "2"


def test_a_refused_answer_is_told_of_the_incoming_call() -> None:
    notice = refused(AnswerCall(call_id="c1", action=AnswerAction.ANSWER))
    assert isinstance(notice, IncomingCallNotice)
    assert (notice.call_id, notice.direction) == ("c1", CallDirection.IN)


def test_a_screen_is_told_by_the_message_that_it_takes() -> None:
    biz_call_out = message_class(610)
    assert biz_call_out is not None
    values: dict[str, Any] = {"groups": CALL_OUT.groups, "screen_id": "desk-1"}
    notice = refused(biz_call_out(**values))
    assert notice.number == 510
    assert getattr(notice, "screen_id", None) == "desk-1"


def test_a_file_that_cannot_be_had_is_told_by_the_notice_of_files() -> None:
    notice = refused(GetFile(file_id="f1"))
    assert (notice.number, getattr(notice, "file_id", None)) == (181, "f1")


@pytest.mark.parametrize(
    ("command", "notice"), [(210, 110), (215, 193), (281, 101), (292, 192), (294, 194)]
)
def test_the_pairing_rule_and_its_exceptions(command: int, notice: int) -> None:
    assert outcome_class(command).number == notice


@pytest.mark.parametrize("number", [100, 199, 225, 300, 999])
def test_nothing_comes_of_what_is_no_command(number: int) -> None:
    with pytest.raises(LocalProtocolError, match="no command"):
        outcome_class(number)
