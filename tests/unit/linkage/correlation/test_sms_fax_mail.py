"""SMS, MMS, fax and mail: an operation for each receiver, answers, and whose they are.

After each test the bench proves that a rebuild from the journal gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linkage.ports import EntryKind
from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench, peer
from tests.fakes.said import call_out, create, incoming

DAY_S = 24 * 3600.0
ACCEPTED = m.SmsSendStatus.ACCEPTED
FAILED = m.SmsSendStatus.FAILED
DELIVERED = m.SmsReportStatus.DELIVERED


def send_sms(event_id: str | None, *numbers: str, **fields: Any) -> Message:
    receivers = tuple(m.Receiver(phone_num=number) for number in numbers)
    return m.SendSms(event_id=event_id, receivers=receivers, content="help is coming", **fields)


def command_id(bench: Bench, platform: str = "pbx") -> str:
    """The Id under which a platform was sent the latest command."""
    return bench.heard(platform)[-1].request.id


def outcomes(bench: Bench, kind: str = "sms") -> dict[str | None, str | None]:
    return {each.to_num: each.outcome for each in bench.operations(kind)}


def sms_sent(bench: Bench, event_id: str | None, number: str, sms_id: str = "S1") -> None:
    assert bench.say("desk", send_sms(event_id, number)).result == 1
    result = m.SmsSendResultNotice(
        sms_id=sms_id, phone_num=number, status=ACCEPTED, request_id=command_id(bench)
    )
    assert bench.say("pbx", result).result == 0


def answer(number: str = "13900000001", **fields: Any) -> Message:
    values: dict[str, Any] = {"sms_id": "R1", "phone_num": number, "content": "yes", **fields}
    return m.SmsReceivedNotice(**values)


# --- one message, several receivers --------------------------------------------------------------
def test_what_became_of_an_sms_is_kept_for_each_receiver(bench: Bench) -> None:
    bench.say("desk", send_sms("E1", "13900000001", "13900000002", "13900000003"))
    asked = command_id(bench)

    for number, status, reason in (
        ("13900000001", ACCEPTED, None),
        ("13900000002", FAILED, 204),
        ("13900000003", ACCEPTED, None),
    ):
        bench.say(
            "pbx",
            m.SmsSendResultNotice(
                sms_id="S1", phone_num=number, status=status, reason=reason, request_id=asked
            ),
        )
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num="13900000003", status=DELIVERED))

    assert outcomes(bench) == {
        "13900000001": "accepted",
        "13900000002": "failed",
        "13900000003": "delivered",
    }
    first, second, third = bench.operations("sms")
    assert (second.reason, second.direction) == (204, "out")
    assert {each.root for each in (first, second, third)} == {first.op_id}
    assert {each.event_pk for each in (first, second, third)} == {first.event_pk}
    (page,) = bench.answers("desk", m.QueryEventRecord(event_id="E1"))
    assert isinstance(page, m.EventRecordNotice)
    assert [(each.to_num, each.result) for each in page.records] == [
        ("13900000001", "accepted"), ("13900000002", "failed"), ("13900000003", "delivered"),
    ]  # fmt: skip


def test_a_mail_to_several_keeps_each_recipient_s_result(bench: Bench) -> None:
    bench.say("desk", m.SendMail(event_id="E1", to=("A@x.cn", "b@x.cn"), text="x"))
    asked = command_id(bench)
    for recipient, status in (("a@x.cn", m.MailStatus.ACCEPTED), ("b@x.cn", m.MailStatus.FAILED)):
        bench.say(
            "pbx",
            m.MailResultNotice(mail_id="M1", recipient=recipient, status=status, request_id=asked),
        )
    bounced = m.MailReportStatus.BOUNCED
    bench.say("pbx", m.MailReportNotice(mail_id="M1", recipient="A@X.CN", status=bounced))

    assert outcomes(bench, "mail") == {"a@x.cn": "bounced", "b@x.cn": "failed"}


def test_a_fax_to_two_numbers_is_two_operations(bench: Bench) -> None:
    for number, status in (("87001", m.FaxStatus.DONE), ("87002", m.FaxStatus.FAILED)):
        bench.say("pbx", m.FaxResultNotice(fax_id="F1", phone_num=number, status=status))
    bench.say("pbx", m.FaxProgressNotice(fax_id="F1", page=1))

    assert outcomes(bench, "fax") == {"87001": "done", "87002": "failed"}


def test_one_number_is_one_receiver_with_and_without_its_prefix(bench: Bench) -> None:
    bench.say("pbx", m.SmsSendResultNotice(sms_id="S1", phone_num="13900000001", status=ACCEPTED))
    bench.say("pbx", m.SmsSendResultNotice(sms_id="S1", phone_num="13900000002", status=ACCEPTED))
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num="+8613900000001", status=DELIVERED))
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num="+8613900000002", status=DELIVERED))

    assert [each.outcome for each in bench.operations("sms")] == ["delivered", "delivered"]


def test_a_further_number_is_one_receiver_with_and_without_its_area_code(bench: Bench) -> None:
    for number in ("82039239", "82039240"):
        sent = m.SmsSendResultNotice(sms_id="S1", phone_num=number, status=ACCEPTED)
        bench.say("pbx", sent)
    for number in ("01082039239", "01082039240"):
        bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num=number, status=DELIVERED))

    assert outcomes(bench) == {"82039239": "delivered", "82039240": "delivered"}


def test_a_video_id_that_a_restarted_platform_gives_again_is_another_session(
    bench: Bench,
) -> None:
    opened = m.VideoSessionNotice(video_id="1", action=m.VideoSessionAction.OPENED)
    bench.say("pbx", opened, "1", time=bench.clock.utc())
    bench.say("pbx", m.VideoSessionNotice(video_id="1", action=m.VideoSessionAction.CLOSED), "2")
    bench.clock.advance(60)
    bench.say("pbx", opened, "1", time=bench.clock.utc())

    assert [each.outcome for each in bench.operations("video")] == ["closed", "opened"]


def test_a_report_that_names_no_receiver_of_several_changes_none(bench: Bench) -> None:
    bench.say("pbx", m.SmsSendResultNotice(sms_id="S1", phone_num="13900000001", status=ACCEPTED))
    bench.say("pbx", m.SmsSendResultNotice(sms_id="S1", phone_num="13900000002", status=FAILED))
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", status=DELIVERED))

    assert outcomes(bench) == {"13900000001": "accepted", "13900000002": "failed"}


def test_a_receipt_that_overtook_the_centre_s_answer_is_not_taken_back(bench: Bench) -> None:
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num="13900000001", status=DELIVERED))
    bench.say("pbx", m.SmsSendResultNotice(sms_id="S1", phone_num="13900000001", status=ACCEPTED))

    assert outcomes(bench) == {"13900000001": "delivered"}


def test_an_id_given_to_the_message_of_another_command_is_another_message(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")
    sms_sent(bench, "E2", "13900000002")

    first, second = bench.operations("sms")
    assert first.root != second.root
    names = {event.event_pk: event.event_id for event in bench.events().values()}
    assert [names[each.event_pk or 0] for each in (first, second)] == ["E1", "E2"]


@pytest.mark.parametrize(("age_s", "messages"), [(DAY_S - 60, 1), (DAY_S + 60, 2)])
def test_an_id_that_comes_without_a_command_is_another_message_s_after_a_day(
    bench: Bench, age_s: float, messages: int
) -> None:
    for status in (FAILED, ACCEPTED):
        sent = m.SmsSendResultNotice(sms_id="S1", phone_num="13900000001", status=status)
        bench.say("pbx", sent)
        bench.clock.advance(age_s)

    assert len(bench.operations("sms")) == messages


def test_without_an_id_the_command_holds_its_receivers_together(bench: Bench) -> None:
    bench.say("desk", send_sms("E1", "13900000001", "13900000002"))
    asked = command_id(bench)
    for number in ("13900000001", "13900000002"):
        bench.say(
            "pbx", m.SmsSendResultNotice(phone_num=number, status=ACCEPTED, request_id=asked)
        )

    first, second = bench.operations("sms")
    assert (second.root, second.parent) == (first.op_id, first.op_id)


def test_what_was_sent_and_what_came_in_may_share_their_ids(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")
    bench.say("pbx", m.SmsReceivedNotice(sms_id="S1", phone_num="13700000009", to_num="2222"))
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num="13900000001", status=DELIVERED))

    sent, received = bench.operations("sms")
    assert (sent.direction, sent.outcome) == ("out", "delivered")
    assert (received.direction, received.outcome, received.event_pk) == ("in", None, None)


def test_a_refused_command_is_no_message_that_came_in(bench: Bench) -> None:
    bench.say("desk", send_sms("E1", "13900000001", sms_id="S1"))
    refused = m.SmsReceivedNotice(sms_id="S1", request_id=command_id(bench), result=501)

    bench.say("pbx", refused)

    assert bench.operations("sms") == []


def test_a_person_binds_a_message_by_its_id_with_all_its_receivers(bench: Bench) -> None:
    bench.say("desk", create("E1", call_id=None))
    for number in ("13900000001", "13900000002"):
        sent = m.SmsSendResultNotice(sms_id="S1", phone_num=number, status=ACCEPTED)
        bench.say("pbx", sent)
    bind = m.BindEvent(event_id="E1", action=m.BindAction.BIND, sms_id="S1")

    assert bench.say("desk", bind).result == 0

    assert [each.cause for each in bench.operations("sms")] == ["manual", "derived"]
    missing = m.BindEvent(event_id="E1", action=m.BindAction.BIND, fax_id="9")
    assert bench.say("desk", missing).result == 301


# --- answers -------------------------------------------------------------------------------------
def test_an_sms_from_a_number_that_was_written_to_is_an_answer(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")
    bench.heard("desk")

    bench.say("pbx", answer("+8613900000001"))

    assert bench.bound()["sms:R1"] == ("E1", "reply")
    (heard,) = bench.heard("desk")
    assert heard.message.event_id == "E1"


def test_an_answer_by_name_is_one_to_that_message_only(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001", "S1")
    sms_sent(bench, "E2", "13900000001", "S2")

    bench.say("pbx", answer(in_reply_to="S1"))

    assert bench.bound()["sms:R1"] == ("E1", "reply")


def test_an_answer_by_name_to_a_closed_event_is_none_by_number_to_another(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001", "S1")
    sms_sent(bench, "E2", "13900000001", "S2")
    bench.say("desk", m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE))

    bench.say("pbx", answer(in_reply_to="S1"))

    assert bench.bound()["sms:R1"] == (None, None)


def test_a_fax_is_no_answer_to_an_sms(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")

    bench.say("pbx", m.FaxReceivedNotice(fax_id="1", phone_num="13900000001"))

    assert bench.bound()["fax:1"] == (None, None)


def test_an_answer_by_name_is_one_to_what_its_sender_was_sent(bench: Bench) -> None:
    bench.say("desk", create("E2", call_id=None))
    bench.say("desk", send_sms("E1", "13900000001", "13900000002"))
    asked = command_id(bench)
    for number in ("13900000001", "13900000002"):
        sent = m.SmsSendResultNotice(
            sms_id="S1", phone_num=number, status=ACCEPTED, request_id=asked
        )
        bench.say("pbx", sent)
    second = str(bench.operations("sms")[1].op_id)
    move = m.BindEvent(event_id="E2", action=m.BindAction.MOVE, op_id=second)
    assert bench.say("desk", move).result == 0

    bench.say("pbx", answer("13900000002", in_reply_to="S1"))

    assert bench.bound()["sms:R1"] == ("E2", "reply")


def test_of_several_open_events_none_is_guessed_and_all_are_named(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001", "S1")
    sms_sent(bench, "E2", "13900000001", "S2")
    bench.heard("desk")

    bench.say("pbx", answer())

    assert bench.bound()["sms:R1"] == (None, None)
    received, told = [each.message for each in bench.heard("desk")]
    assert received.number == 120
    assert isinstance(told, m.EventBoundNotice)
    assert (told.event_id, told.cause) == (None, None)
    assert {each.event_id for each in told.candidates} == {"E1", "E2"}


@pytest.mark.parametrize(
    ("age_s", "bound"), [(DAY_S - 60, ("E1", "reply")), (DAY_S + 60, (None, None))]
)
def test_an_answer_comes_within_a_day(
    bench: Bench, age_s: float, bound: tuple[str | None, str | None]
) -> None:
    sms_sent(bench, "E1", "13900000001")
    bench.clock.advance(age_s)

    bench.say("pbx", answer())

    assert bench.bound()["sms:R1"] == bound


def test_what_came_in_long_before_a_message_is_no_answer_to_it(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")
    held_back = bench.clock.utc() - timedelta(days=2)
    bench.say("pbx", answer(), time=held_back)
    just_before = bench.clock.utc() - timedelta(minutes=1)
    bench.say("pbx", answer(sms_id="R2"), time=just_before)

    assert bench.bound()["sms:R1"] == (None, None)
    assert bench.bound()["sms:R2"] == ("E1", "reply")


def test_a_closed_event_gets_no_answers_and_a_merged_one_hands_them_on(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001", "S1")
    sms_sent(bench, "E2", "13900000002", "S2")
    bench.say("desk", create("E3", call_id=None))
    bench.say("desk", m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE))
    merge = m.LinkEvent(event_id="E2", other_event_id="E3", action=m.LinkAction.MERGE)
    assert bench.say("desk", merge).result == 0

    bench.say("pbx", answer("13900000001"))
    bench.heard("desk")
    bench.say("pbx", answer("13900000002", sms_id="R2"))

    assert bench.bound()["sms:R1"] == (None, None)
    assert bench.bound()["sms:R2"] == ("E2", "reply"), "it goes with what it answers"
    assert [each.message.event_id for each in bench.heard("desk")] == ["E3"]


def test_an_sms_to_another_application_s_number_is_no_answer_to_this_one(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")
    bench.heard("desk")

    bench.say("pbx", answer(to_num="3333"))

    assert bench.bound()["sms:R1"] == (None, None)
    assert (bench.types("desk"), bench.types("other")) == ([], [120])


def test_an_answer_to_what_has_no_event_is_of_who_sent_that(bench: Bench) -> None:
    sms_sent(bench, None, "13900000001")
    bench.heard("desk")

    bench.say("pbx", answer())

    assert (bench.types("desk"), bench.types("other")) == ([120], [])
    assert {each.owner for each in bench.operations("sms")} == {"desk"}


@pytest.mark.parametrize(
    ("called_from", "written_from"),
    [
        ("13900000001", "+8613900000001"),
        ("013900000001", "+8613900000001"),
        ("+86 139 0000 0001", "13900000001"),
        ("008613900000001", "+8613900000001"),
        ("010-82039239", "+861082039239"),
        ("82039239", "01082039239"),
    ],
)
def test_a_caller_s_text_after_the_call_finds_the_event_of_the_call(
    bench: Bench, called_from: str, written_from: str
) -> None:
    bench.say("pbx", incoming(phone_num=called_from))
    bench.say("desk", create("E1"))
    bench.heard("desk")

    bench.say("pbx2", answer(written_from))

    assert bench.bound()["sms:R1"] == ("E1", "reply")
    (heard,) = bench.heard("desk")
    assert heard.message.event_id == "E1"
    assert bench.heard("other") == []


def test_who_was_called_for_an_event_answers_it_by_a_text(bench: Bench) -> None:
    bench.say("desk", call_out("E1", "13900000001"))
    asked = command_id(bench)
    joined = m.CallOutResultNotice(
        conference_id="7", call_id="C7", phone_num="13900000001", request_id=asked
    )
    bench.say("pbx", joined)

    bench.say("pbx2", answer("13900000001"))

    assert bench.bound()["sms:R1"] == ("E1", "reply")


def test_a_call_and_a_text_for_two_open_events_are_not_guessed_between(bench: Bench) -> None:
    bench.say("pbx", incoming(phone_num="13900000001"))
    bench.say("desk", create("E1"))
    sms_sent(bench, "E2", "13900000001")
    bench.heard("desk")

    bench.say("pbx", answer("13900000001"))

    assert bench.bound()["sms:R1"] == (None, None)
    told = bench.heard("desk")[-1].message
    assert isinstance(told, m.EventBoundNotice)
    assert {each.event_id for each in told.candidates} == {"E1", "E2"}


@pytest.mark.parametrize(
    ("written_from", "age_s", "closes"),
    [
        ("13900000002", 60, False),
        ("13900000001", DAY_S + 60, False),
        ("13900000001", 60, True),
    ],
)
def test_a_text_of_another_or_too_late_or_to_a_closed_event_is_no_answer_to_a_call(
    bench: Bench, written_from: str, age_s: float, closes: bool
) -> None:
    bench.say("pbx", incoming(phone_num="13900000001"))
    bench.say("desk", create("E1"))
    if closes:
        bench.say("desk", m.CloseEvent(event_id="E1", action=m.CloseAction.CLOSE))
    bench.clock.advance(age_s)

    bench.say("pbx", answer(written_from))

    assert bench.bound()["sms:R1"] == (None, None)


def test_a_call_that_was_moved_is_followed_to_its_event_of_now(bench: Bench) -> None:
    bench.say("pbx", incoming(phone_num="13900000001"))
    bench.say("desk", create("E1"))
    bench.say("desk", create("E2", call_id=None))
    move = m.BindEvent(event_id="E2", call_id="C1", action=m.BindAction.MOVE)
    bench.say("desk", move)

    bench.say("pbx", answer("13900000001"))

    assert bench.bound()["sms:R1"] == ("E2", "reply")


def test_a_dispatcher_s_extension_is_nobody_whose_texts_follow_a_call(bench: Bench) -> None:
    bench.say("pbx", incoming(phone_num="3013", direction=m.CallDirection.IN))
    bench.say("desk", create("E1"))

    bench.say("pbx", answer("3013"))

    assert bench.bound()["sms:R1"] == (None, None)


def test_an_answered_mail_that_was_moved_outranks_the_event_in_its_message_id(
    bench: Bench,
) -> None:
    bench.say("desk", create("E2", call_id=None))
    bench.say("desk", m.SendMail(event_id="E1", to=("a@x.cn",), text="x"))
    sent = m.MailResultNotice(
        mail_id="M1",
        message_id="<17+E1@desk.example>",
        recipient="a@x.cn",
        status=m.MailStatus.ACCEPTED,
        request_id=command_id(bench),
    )
    bench.say("pbx", sent)
    move = m.BindEvent(event_id="E2", mail_id="M1", action=m.BindAction.MOVE)
    assert bench.say("desk", move).result == 0

    bench.say("pbx", m.MailReceivedNotice(mail_id="R1", in_reply_to="<17+E1@desk.example>"))

    assert bench.bound()["mail:R1"] == ("E2", "reply")


def test_an_event_id_of_two_applications_in_a_mail_is_that_of_whose_address_it_came_to(
    make: Callable[..., Bench],
) -> None:
    bench = make(
        peer("desk", "application", numbers=["desk@x"]),
        peer("other", "application", numbers=["other@x"]),
        peer("pbx", "platform"),
    )
    for owner in ("desk", "other"):
        bench.say(owner, create("E1", call_id=None))
    thread = "<subject+E1@x>"
    for mail_id, to in (("1", "desk@x"), ("2", "nobody@x")):
        bench.say("pbx", m.MailReceivedNotice(mail_id=mail_id, to=(to,), in_reply_to=thread))

    found = {each.native: (each.owner, each.cause) for each in bench.operations("mail")}
    assert found == {"mail:1": ("desk", "reply"), "mail:2": (None, None)}
    assert [type(each.message) for each in bench.heard("other")] == [
        m.MailReceivedNotice, m.EventBoundNotice,
    ]  # fmt: skip


def test_a_mail_follows_its_thread(bench: Bench) -> None:
    bench.say("desk", create("E1", call_id=None))
    bench.say("pbx", m.MailReceivedNotice(mail_id="1", message_id="<a@x>", event_id="E1"))
    thread = "<else@y> <a@x>"
    bench.say("pbx", m.MailReceivedNotice(mail_id="2", message_id="<b@x>", in_reply_to=thread))
    bench.say("pbx", m.MailReceivedNotice(mail_id="3", in_reply_to="<b@x>"))
    bench.say("pbx", m.MailReceivedNotice(mail_id="4", in_reply_to="<other@x>"))

    assert bench.bound() == {
        "mail:1": ("E1", "explicit"),
        "mail:2": ("E1", "reply"),
        "mail:3": ("E1", "reply"),
        "mail:4": (None, None),
    }


def test_a_message_id_of_ours_carries_the_event(bench: Bench) -> None:
    bench.say("desk", create("E1", call_id=None))
    bench.say("pbx", m.MailReceivedNotice(mail_id="1", in_reply_to="<17+E1@desk.example>"))
    bench.say("pbx", m.MailReceivedNotice(mail_id="2", in_reply_to="<17+E9@desk.example>"))

    assert bench.bound()["mail:1"] == ("E1", "reply")
    assert bench.bound()["mail:2"] == (None, None)


def test_what_a_person_unbound_is_bound_by_no_rule(bench: Bench) -> None:
    sms_sent(bench, "E1", "13900000001")
    bench.say("pbx", answer())
    op_id = str(bench.operations("sms")[-1].op_id)
    unbind = m.BindEvent(event_id="E1", action=m.BindAction.UNBIND, op_id=op_id)
    assert bench.say("desk", unbind).result == 0

    bench.say("pbx", answer(parts=1))

    assert bench.bound()["sms:R1"] == (None, "manual")


# --- what nobody takes ---------------------------------------------------------------------------
def entries(bench: Bench, kind: EntryKind) -> list[str | None]:
    return [row.detail for row in bench.journal() if row.kind == kind.value]


@pytest.mark.parametrize(
    "message",
    [
        m.MailReceivedNotice(mail_id="1", sender="a@b", to=("desk@x",), text="help"),
        m.SmsReceivedNotice(sms_id="1", phone_num="139", content="help"),
        m.SmsReceivedNotice(sms_id="1", phone_num="139", to_num="9999", content="help"),
        m.FaxReceivedNotice(fax_id="1", phone_num="139"),
        m.ImMmsReceivedNotice(msg_id="1", sender="139", text="help"),
        m.VideoAlarmNotice(alarm_id="1", camera_id="7"),
    ],
)
def test_what_nobody_takes_is_told_to_every_application(bench: Bench, message: Message) -> None:
    bench.say("pbx", message)

    assert (bench.types("desk"), bench.types("other")) == ([message.number], [message.number])


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def with_peers(*peers: dict[str, Any]) -> Bench:
        made.append(Bench(tmp_path, peers))
        return made[0]

    yield with_peers
    for bench in made:
        bench.check()
        bench.close()


def test_who_takes_all_or_an_address_gets_the_mail(make: Callable[..., Bench]) -> None:
    bench = make(
        peer("all", "application"),
        peer("mail", "application", numbers=["alarm@city.cn"]),
        peer("pbx", "platform"),
    )
    bench.say("pbx", m.MailReceivedNotice(mail_id="1", to=("x@y", "alarm@city.cn")))
    bench.say("pbx", m.MailReceivedNotice(mail_id="2", to=("x@y",)))

    assert (bench.types("mail"), bench.types("all")) == ([140], [140])


def test_a_call_that_no_application_takes_is_told_of_plainly(bench: Bench) -> None:
    bench.say("pbx", incoming(to_num="9999", login_id=None))
    bench.say("pbx", incoming("C2", to_num="9998", login_id=None))

    # Two entries for two calls, one alarm for the platform.
    first, second = entries(bench, EntryKind.UNROUTED)
    assert "100 IncomingCallNotice for 9999" in str(first)
    assert "for 9998" in str(second)
    assert len(entries(bench, EntryKind.ALARM)) == 1
    (heard,) = bench.heard("desk")
    assert isinstance(heard.message, m.AlarmNotice)
    assert "9999" in str(heard.message.text)


def test_a_monitor_alone_does_not_answer_a_call(make: Callable[..., Bench]) -> None:
    bench = make(
        peer("desk", "application", numbers=["2222"]),
        peer("watch", "monitor"),
        peer("pbx", "platform"),
    )
    bench.say("pbx", incoming(to_num="9999"))

    assert bench.types("watch") == [100, 197]
    assert len(entries(bench, EntryKind.UNROUTED)) == 1


def test_what_reaches_an_application_raises_no_alarm(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("pbx", m.MailReceivedNotice(mail_id="1"))

    assert entries(bench, EntryKind.UNROUTED) == []
