"""216, 221, 222: a command is named by its sender's own Id; the platform knows it by ours."""

from __future__ import annotations

import pytest

from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench
from tests.fakes.said import call_out, create, incoming


def test_a_call_out_is_cancelled_by_its_sender_s_own_id(bench: Bench) -> None:
    bench.say("pbx2", incoming())
    bench.say("desk", create())
    bench.say("desk", call_out(), id_="mine")
    (sent,) = [item for item in bench.heard("pbx2") if item.type == 210]

    response = bench.say("desk", m.CancelCallOut(request_id="mine"))

    assert response.result == 1
    (cancel,) = bench.heard("pbx2")
    assert cancel.message.request_id == sent.request.id
    assert bench.types("pbx") == []


def test_a_call_out_and_its_cancellation_may_come_in_one_batch(bench: Bench) -> None:
    cancel = bench.submit("desk", m.CancelCallOut(request_id="mine"))
    done = bench.do(bench.submit("desk", call_out(), "mine"), cancel)

    assert [item.result().response.result for item in done] == [1, 1]


def test_a_cancellation_read_from_disk_names_the_same_call_out(bench: Bench) -> None:
    from linkage.core.delivery.queues import LoadQueue

    bench.say("desk", call_out(), id_="mine")
    (sent,) = bench.heard("pbx")
    bench.say("desk", m.CancelCallOut(request_id="mine"))
    (cancel,) = bench.heard("pbx")

    bench.restart()
    loaded = bench.do(LoadQueue("pbx", 0, 10))[0].result().deliveries

    assert [item.request.message for item in loaded] == [sent.message, cancel.message]


def test_what_is_no_call_out_of_the_sender_cannot_be_cancelled(bench: Bench) -> None:
    bench.say("pbx", incoming())
    bench.say("desk", create(), id_="created")
    bench.say("other", call_out("E9"), id_="theirs")

    for reference in ("created", "theirs", "4711"):
        assert bench.say("desk", m.CancelCallOut(request_id=reference)).result == 306


TEXT = m.SendSms(receivers=(m.Receiver(phone_num="13900000001"),), content="fire")
BATCH = m.SendSmsBatch(receivers=TEXT.receivers, content="fire")


@pytest.mark.parametrize("text", [TEXT, BATCH], ids=lambda each: str(each.number))
@pytest.mark.parametrize("about", [m.CancelSms(request_id="mine"), m.QuerySms(request_id="mine")])
def test_a_text_is_cancelled_and_asked_about_by_its_sender_s_own_id(
    bench: Bench, text: Message, about: Message
) -> None:
    bench.say("desk", create(call_id=None))
    bench.say("desk", text, id_="mine")
    (sent,) = bench.heard("pbx")

    assert bench.say("desk", about).result == 1

    (told,) = bench.heard("pbx")
    assert told.message.request_id == sent.request.id


def test_the_id_of_a_text_of_another_application_reaches_no_platform(bench: Bench) -> None:
    bench.say("other", TEXT, id_="theirs")
    (sent,) = bench.heard("pbx")

    for reference in (sent.request.id, "theirs", "4711"):
        assert bench.say("desk", m.CancelSms(request_id=reference)).result == 306
        assert bench.say("desk", m.QuerySms(request_id=reference)).result == 306
    assert bench.types("pbx") == []


def test_who_names_the_text_itself_needs_no_request_id(bench: Bench) -> None:
    assert bench.say("desk", m.QuerySms(sms_id="S1", request_id="4711")).result == 1

    (told,) = bench.heard("pbx")
    assert (told.message.request_id, told.message) == (None, m.QuerySms(sms_id="S1"))
