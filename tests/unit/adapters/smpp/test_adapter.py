"""Texts out, receipts and texts in, against a simulated centre."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from adapters.smpp import SmppAdapter
from adapters.smpp.channel import SmppChannel
from linkage.clock import SystemClock
from linkage.config.adapters import SettingsError
from linkage.ports import AdapterUnavailableError, CommandError, Outcome
from linkage.ports.probe import State
from protocol import messages as m
from protocol.messages import SmsReportStatus as Fate
from protocol.messages import SmsSendStatus as Sent
from protocol.reasons import Reason
from protocol.results import Result
from simulators.sms_centre import BEHAVIOURS, IdForm, wire
from tests.fakes.sms_scene import PATIENCE_S, SmsScene, sms_scene

CHINESE = "一号楼三层起火，请立即疏散到南门集合。"

utc = SystemClock().utc


def result_of(answer: object) -> Result:
    assert isinstance(answer, CommandError), repr(answer)
    return answer.result


# --- what becomes of a text ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "fate", "reason"),
    [
        ("13900000001", Fate.DELIVERED, None),
        ("13900000091", Fate.UNDELIVERABLE, Reason.SMS_UNDELIVERABLE),
        ("13900000092", Fate.EXPIRED, Reason.SMS_EXPIRED),
        ("13900000093", Fate.DELIVERED, None),
        ("13900000095", Fate.DELIVERED, None),
        ("13900000096", Fate.DELIVERED, None),
        ("13900000097", Fate.DELIVERED, None),
    ],
)
async def test_a_text_is_told_taken_and_then_its_fate_once(
    number: str, fate: Fate, reason: Reason | None
) -> None:
    async with sms_scene() as scene, scene.running():
        answer = await scene.send(number, sms_id="A1")
        assert isinstance(answer, Outcome)
        assert answer.ids == {"sms_id": "A1"}
        await scene.reported()
        await scene.settled()
        (taken,), (report,) = scene.results, scene.reports
        assert (taken.status, taken.parts, taken.sms_id) == (Sent.ACCEPTED, 1, "A1")
        assert (report.status, report.reason, report.parts) == (fate, reason, 1)
        assert report.phone_num == number
        assert len(scene.centre.texts_to(number)) == 1


async def test_what_is_delivered_leaves_nothing_in_the_memory() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000096")
        await scene.reported()
        await scene.settled()
        assert not [key for key in scene.disk.memory if not key.startswith("seen:")]


async def test_a_refused_text_is_told_as_failed() -> None:
    async with sms_scene() as scene, scene.running():
        assert isinstance(await scene.send("13900000099"), Outcome)
        (told,) = scene.results
        assert (told.status, told.reason) == (Sent.FAILED, Reason.SMS_BAD_NUMBER)


async def test_without_a_receipt_it_is_unknown_in_the_end() -> None:
    async with sms_scene(receipt_within_s=0.2) as scene, scene.running():
        await scene.send("13900000094")
        (report,) = await scene.reported()
        assert (report.status, report.reason) == (Fate.UNKNOWN, Reason.OUTCOME_UNKNOWN)


async def test_who_wants_no_report_gets_none() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000001", report=False)
        await scene.settled()
        assert len(scene.results) == 1
        assert not scene.reports
        assert not scene.disk.memory


async def test_a_lost_answer_is_unknown_is_never_sent_again_and_a_receipt_tells_after_all() -> (
    None
):
    async with sms_scene() as scene:
        async with scene.running():
            assert result_of(await scene.send("13900000098")) == Result.TIMEOUT
            assert scene.task is not None
            await asyncio.wait({scene.task})
            assert isinstance(scene.task.exception(), AdapterUnavailableError)
        async with scene.running():
            reports = await scene.reported(2)
            await scene.settled()
        assert [each.status for each in reports] == [Fate.UNKNOWN, Fate.DELIVERED]
        assert [each.status for each in scene.results] == [Sent.ACCEPTED]
        assert len(scene.centre.taken) == 1


async def test_an_answer_that_is_late_is_told_after_all() -> None:
    async with sms_scene(response_s=0.3, enquire_s=30) as scene, scene.running():
        scene.centre.freeze()
        assert result_of(await scene.send("13900000001")) == Result.TIMEOUT
        (report,) = await scene.reported()
        assert report.status == Fate.UNKNOWN
        scene.centre.thaw()
        await scene.reported(2)
        assert scene.results[0].status == Sent.ACCEPTED
        assert scene.reports[1].status == Fate.DELIVERED
        assert len(scene.centre.taken) == 1


@pytest.mark.parametrize("form", list(IdForm))
async def test_a_receipt_before_its_answer_waits_for_it(form: IdForm) -> None:
    """Also where the centre does not give our reference back."""
    async with sms_scene(centre={"id_form": form}, reference=False) as scene, scene.running():
        await scene.send("13900000095")
        (report,) = await scene.reported()
        assert report.status == Fate.DELIVERED
        await scene.settled()
        assert not [key for key in scene.disk.memory if not key.startswith("seen:")]


async def test_a_receipt_before_its_answer_is_on_disk_while_it_waits() -> None:
    async with (
        sms_scene(reference=False, response_s=0.5, enquire_s=30) as scene,
        scene.running(),
    ):
        scene.centre.freeze()
        doing = asyncio.get_running_loop().create_task(scene.send("13900000094"))
        await scene.settled()
        # Said by the centre while it stands still with the text itself.
        sm = wire.Sm("12345", "13900000094")
        told = wire.receipt(sm, "100000001", "DELIVRD", utc(), with_tlvs=False)
        scene.centre.send_raw(wire.pdu(wire.DELIVER, 500, wire.deliver(told)))
        await scene.until(lambda: [key for key in scene.disk.memory if "early:" in key])
        scene.centre.thaw()
        assert isinstance(await doing, Outcome)
        (report,) = await scene.reported()
        assert report.status == Fate.DELIVERED


async def test_a_centre_that_throttles_to_the_end_is_told_of() -> None:
    async with sms_scene(throttle_s=10.0) as scene, scene.running():
        receivers = (m.Receiver(phone_num="13900000093"),)
        await scene.do(m.SendSms(receivers=receivers, content="fire"), expire_s=0.3)
        (told,) = scene.results
        assert (told.status, told.reason) == (Sent.FAILED, Reason.SMS_FLOW_CONTROL)


@pytest.mark.parametrize("form", list(IdForm))
@pytest.mark.parametrize("with_tlvs", [True, False])
async def test_a_receipt_is_matched_whatever_its_id_looks_like(
    form: IdForm, with_tlvs: bool
) -> None:
    centre = {"id_form": form, "with_tlvs": with_tlvs}
    async with sms_scene(centre=centre, reference=False) as scene, scene.running():
        numbers = [f"139000000{n:02}" for n in range(1, 21)]
        await asyncio.gather(*(scene.send(each) for each in numbers))
        reports = await scene.reported(20)
        assert sorted(each.phone_num or "" for each in reports) == numbers
        assert {each.status for each in reports} == {Fate.DELIVERED}


async def test_a_receipt_for_another_number_is_not_ours() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000094")
        (taken,) = scene.centre.taken
        other = wire.Sm("12345", "13700000001", tlvs={})
        told = wire.receipt(other, taken.receipt_id, "DELIVRD", utc(), with_tlvs=True)
        scene.centre.store(told)
        await scene.settled()
        assert not scene.reports


async def test_rejected_and_then_delivered_is_told_as_both() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000091")
        await scene.reported()
        scene.centre.report(scene.centre.taken[0], "DELIVRD")
        reports = await scene.reported(2)
        assert [each.status for each in reports] == [Fate.UNDELIVERABLE, Fate.DELIVERED]


# --- long texts --------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["udh", "sar", "payload"])
@pytest.mark.parametrize(
    ("text", "parts"), [("x" * 307, 3), ("€" * 80, 1), ("€" * 81, 2), (CHINESE * 9, 3)]
)
async def test_a_long_text_arrives_whole_with_one_sum_of_its_receipts(
    way: str, text: str, parts: int
) -> None:
    async with sms_scene(long_messages=way) as scene, scene.running():
        await scene.send("13900000001", text)
        (report,) = await scene.reported()
        await scene.settled()
        assert scene.centre.texts_to("13900000001") == [text]
        pieces = 1 if way == "payload" else parts
        assert len(scene.centre.taken) == pieces
        assert (report.parts_ok, report.parts) == (pieces, pieces)
        assert len(scene.reports) == 1


async def test_one_part_that_does_not_arrive_spoils_the_text() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000094", "x" * 307)
        for taken, state in zip(
            scene.centre.taken, ("DELIVRD", "EXPIRED", "DELIVRD"), strict=True
        ):
            assert not scene.reports
            scene.centre.report(taken, state)
        (report,) = await scene.reported()
        assert (report.status, report.parts_ok, report.parts) == (Fate.EXPIRED, 2, 3)


# --- to whom -------------------------------------------------------------------------------------
async def test_numbers_on_the_block_list_and_none_at_all_are_told_of() -> None:
    async with sms_scene(blocked=["110", "95*"]) as scene, scene.running():
        numbers = ["110", "95588", "nobody", "13900000001"]
        receivers = tuple(m.Receiver(phone_num=each) for each in numbers)
        await scene.do(m.SendSms(receivers=receivers, content="fire"))
        told = {each.phone_num: each.reason for each in scene.results}
        assert told == {
            "110": Reason.SMS_BLACKLIST,
            "95588": Reason.SMS_BLACKLIST,
            "nobody": Reason.SMS_BAD_NUMBER,
            "13900000001": None,
        }
        assert [each.to for each in scene.centre.taken] == ["13900000001"]


async def test_number_sender_priority_and_validity_are_submitted() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("+86 139 0000 0001", ext_num="01", valid_seconds=93_784, priority=9)
        sm = scene.centre.taken[0].sm
        assert (sm.to, sm.source) == ("8613900000001", "1234501")
        assert sm.validity == "000001020304000R"
        assert sm.registered == 1
        (report,) = await scene.reported()
        assert report.phone_num == "+86 139 0000 0001"


async def test_a_template_takes_its_parameters() -> None:
    templates = {"closed": "Report {number} is closed, {name}."}
    async with sms_scene(templates=templates) as scene, scene.running():
        to = (m.Receiver(phone_num="13900000001"),)
        params = tuple(m.KeyValue(key=k, value=v) for k, v in (("number", "7"), ("name", "{x}")))
        await scene.do(m.SendSms(receivers=to, template_id="closed", params=params))
        assert scene.centre.texts_to("13900000001") == ["Report 7 is closed, {x}."]
        for wrong in (
            m.SendSms(receivers=to, template_id="closed", params=params[:1]),
            m.SendSms(receivers=to, template_id="opened"),
        ):
            assert result_of(await scene.do(wrong)) == Result.BAD_VALUE
        assert len(scene.centre.taken) == 1


# --- later, and many ----------------------------------------------------------------------------
async def test_a_scheduled_text_waits_for_its_time_also_over_a_restart() -> None:
    async with sms_scene() as scene:
        async with scene.running():
            when = utc() + timedelta(seconds=1)
            assert isinstance(await scene.send("13900000001", send_time=when), Outcome)
            assert not scene.centre.taken
        async with scene.running():
            await scene.reported()
            assert utc() > when
            assert scene.centre.texts_to("13900000001") == ["fire"]


async def test_a_scheduled_text_whose_validity_is_over_is_not_sent() -> None:
    async with sms_scene() as scene:
        async with scene.running():
            when = utc() + timedelta(seconds=0.2)
            await scene.send("13900000001", send_time=when, valid_seconds=0)
        await asyncio.sleep(0.4)
        async with scene.running():
            await scene.until(lambda: scene.results)
            assert scene.results[0].reason == Reason.SMS_EXPIRED
            assert not scene.centre.taken


async def test_what_waits_can_be_cancelled_and_what_was_delivered_cannot() -> None:
    async with sms_scene() as scene, scene.running():
        when = utc() + timedelta(seconds=60)
        await scene.send("13900000001", sms_id="later", send_time=when)
        assert isinstance(await scene.do(m.CancelSms(sms_id="later")), Outcome)
        (told,) = scene.results
        assert (told.status, told.reason) == (Sent.FAILED, Reason.OPERATOR_CANCELLED)
        assert result_of(await scene.do(m.CancelSms(sms_id="later"))) == Result.WRONG_STATE


async def test_a_text_without_an_id_of_its_own_is_named_by_its_command() -> None:
    async with sms_scene() as scene, scene.running():
        when = utc() + timedelta(seconds=60)
        await scene.send("13900000001", send_time=when)
        await scene.send("13900000002", send_time=when)
        await scene.do(m.QuerySms(request_id="1"))
        assert [each.phone_num for each in scene.reports] == ["13900000001"]
        assert isinstance(await scene.do(m.CancelSms(request_id="2")), Outcome)
        assert [each.phone_num for each in scene.results] == ["13900000002"]


async def test_what_the_centre_still_has_is_cancelled_there() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000097", sms_id="sent")
        assert isinstance(await scene.do(m.CancelSms(sms_id="sent")), Outcome)
        (report,) = await scene.reported()
        assert report.status == Fate.REJECTED


async def test_a_centre_that_does_not_drop_a_text_is_believed() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000094", sms_id="sent")
        scene.centre.taken[0].state = "ACCEPTD"
        assert result_of(await scene.do(m.CancelSms(sms_id="sent"))) == Result.WRONG_STATE


async def test_of_many_some_are_stopped() -> None:
    async with sms_scene(per_second=20) as scene, scene.running():
        receivers = tuple(m.Receiver(phone_num=f"1390000{n:02}94") for n in range(40))
        await scene.do(m.SendSmsBatch(batch_id="B", receivers=receivers, content="fire"))
        await scene.until(lambda: len(scene.results) >= 5)
        for taken in scene.centre.taken:
            taken.state = "ACCEPTD"
        answer = await scene.do(m.CancelSms(sms_id="B"))
        assert result_of(answer) == Result.PARTIAL
        stopped = [each for each in scene.results if each.reason == Reason.OPERATOR_CANCELLED]
        assert len(stopped) + len(scene.centre.taken) == 40


async def test_a_query_of_what_waits_and_of_what_nobody_knows_says_so() -> None:
    async with sms_scene(response_s=0.2, enquire_s=30) as scene, scene.running():
        when = utc() + timedelta(seconds=60)
        await scene.send("13900000001", sms_id="later", send_time=when)
        await scene.do(m.QuerySms(sms_id="later"))
        assert scene.reports[0].status is None
        scene.centre.freeze()
        await scene.send("13900000001", sms_id="lost")
        await scene.do(m.QuerySms(sms_id="lost"))
        assert scene.reports[-1].status == Fate.UNKNOWN


async def test_a_query_asks_the_centre() -> None:
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000094", sms_id="A")
        assert isinstance(await scene.do(m.QuerySms(sms_id="A")), Outcome)
        scene.centre.taken[0].state = "DELIVRD"
        await scene.do(m.QuerySms(sms_id="A"))
        assert [(each.status, each.request_id) for each in scene.reports] == [
            (None, "2"),
            (Fate.DELIVERED, "3"),
        ]
        assert result_of(await scene.do(m.QuerySms(sms_id="B"))) == Result.WRONG_STATE


async def test_a_batch_goes_to_its_groups_each_number_once_and_tells_how_far_it_is() -> None:
    groups = {"136": [f"1390000{n:04}" for n in range(100, 150)], "137": ["13900000100"]}
    async with sms_scene(groups=groups, window=8) as scene, scene.running():
        batch = m.SendSmsBatch(
            batch_id="B1",
            group_ids=("136", "137"),
            receivers=(m.Receiver(phone_num="13900000099"), m.Receiver(phone_num="13900000201")),
            content="fire",
        )
        assert isinstance(await scene.do(batch), Outcome)

        def is_over() -> bool:
            return any(each.finished for each in scene.told(m.SmsBatchNotice))

        await scene.until(is_over)
        await scene.settled()
        last = scene.told(m.SmsBatchNotice)[-1]
        # Of the fifty, …91 and …92 do not arrive, …94 has no receipt: none of them is among them.
        assert (last.batch_id, last.total, last.finished) == ("B1", 52, True)
        assert (last.sent, last.delivered, last.failed) == (51, 51, 1)
        assert len(scene.results) == 52
        assert len(scene.reports) == 51
        assert sum(bool(each.finished) for each in scene.told(m.SmsBatchNotice)) == 1
        assert len(scene.centre.taken) == 51


async def test_the_end_of_a_batch_is_told_again_only_with_other_figures() -> None:
    async with sms_scene(progress_s=60) as scene, scene.running():
        receivers = (m.Receiver(phone_num="13900000094"),)
        await scene.do(m.SendSmsBatch(batch_id="B", receivers=receivers, content="fire"))
        await scene.until(lambda: scene.results)
        for number, state in enumerate(("REJECTD", "UNDELIV", "DELIVRD"), 1):
            scene.centre.report(scene.centre.taken[0], state)
            await scene.reported(number)
        await scene.settled()
        assert [
            (each.finished, each.delivered, each.failed) for each in scene.told(m.SmsBatchNotice)
        ] == [(True, 0, 1), (True, 1, 0)]


async def test_a_batch_goes_on_after_a_restart_and_nobody_gets_it_twice() -> None:
    numbers = [f"13900001{n:03}" for n in range(60)]
    receivers = tuple(m.Receiver(phone_num=each) for each in numbers)
    async with sms_scene(window=2, per_second=40) as scene:
        async with scene.running():
            await scene.do(m.SendSmsBatch(receivers=receivers, content="fire"))
            await scene.until(lambda: len(scene.results) >= 10)
        async with scene.running():

            def is_over() -> bool:
                return any(each.finished for each in scene.told(m.SmsBatchNotice))

            await scene.until(is_over)
        got = [each.to for each in scene.centre.taken]
        assert len(got) == len(set(got))
        unknown = {each.phone_num for each in scene.reports if each.status == Fate.UNKNOWN}
        assert set(got) | unknown == set(numbers)


async def test_forty_kills_of_a_batch_send_nothing_twice_and_forget_nobody() -> None:
    numbers = [f"13900001{n:03}" for n in range(300)]
    numbers = [each for each in numbers if each[-2:] not in BEHAVIOURS]
    receivers = tuple(m.Receiver(phone_num=each) for each in numbers)
    async with sms_scene(window=6) as scene:
        async with scene.running():
            assert isinstance(
                await scene.do(m.SendSmsBatch(receivers=receivers, content="fire")), Outcome
            )

        def is_over() -> bool:
            return any(each.finished for each in scene.told(m.SmsBatchNotice))

        kills = 0
        for kill in range(40):
            # Some of them before anything is done, some far on; before and after the commit.
            scene.disk.kill_at(2 + kill % 5, committed=bool(kill % 2))
            task = asyncio.get_running_loop().create_task(scene.make().run(scene.disk))
            await asyncio.wait({task}, timeout=PATIENCE_S)
            kills += task.done() and scene.disk.killed
            task.cancel()
            await asyncio.wait({task})
            scene.disk.kill_at(None)
        assert kills == 40
        async with scene.running():
            await scene.until(is_over)
            await scene.settled()
        got = [each.to for each in scene.centre.taken]
        assert len(got) == len(set(got)), "sent twice"
        unknown = {each.phone_num for each in scene.reports if each.status == Fate.UNKNOWN}
        assert set(got) | unknown == set(numbers), "forgotten"
        # What has a receipt is told as delivered in the end, unknown before or not, and once.
        delivered = [each.phone_num for each in scene.reports if each.status == Fate.DELIVERED]
        assert sorted(str(each) for each in delivered) == sorted(got)


async def test_a_batch_to_nobody_is_refused() -> None:
    async with sms_scene(groups={"9": []}) as scene, scene.running():
        answer = await scene.do(m.SendSmsBatch(group_ids=("9",), content="fire"))
        assert result_of(answer) == Result.BAD_VALUE
        assert not scene.disk.memory


async def test_a_batch_keeps_its_pace() -> None:
    receivers = tuple(m.Receiver(phone_num=f"1390000{n:04}") for n in range(11))
    async with sms_scene(per_second=20) as scene, scene.running():
        loop = asyncio.get_running_loop()
        began = loop.time()
        await scene.do(m.SendSms(receivers=receivers, content="fire"))
        assert loop.time() - began >= 0.45


async def test_an_unknown_group_is_refused() -> None:
    async with sms_scene() as scene, scene.running():
        batch = m.SendSmsBatch(group_ids=("9",), content="fire")
        assert result_of(await scene.do(batch)) == Result.BAD_VALUE


# --- texts in ------------------------------------------------------------------------------------
async def received(scene: SmsScene, number: int = 1) -> list[m.SmsReceivedNotice]:
    await scene.until(lambda: len(scene.told(m.SmsReceivedNotice)) >= number)
    return scene.told(m.SmsReceivedNotice)


@pytest.mark.parametrize("text", ["OK [1] ~ €", CHINESE, "😀 fine"])
async def test_a_text_of_a_citizen_is_told(text: str) -> None:
    async with sms_scene() as scene, scene.running():
        scene.centre.store(wire.Sm("13900000001", "12345", text.encode("utf-16-be"), 8))
        (told,) = await received(scene)
        assert (told.phone_num, told.to_num, told.content) == ("13900000001", "12345", text)
        assert told.sms_id
        assert told.recv_time is not None


async def test_the_same_text_twice_is_told_twice() -> None:
    async with sms_scene() as scene, scene.running():
        for number in (1, 2):
            scene.centre.receive("13900000001", "12345", "help")
            await received(scene, number)
            await scene.settled()
        ids = {each.sms_id for each in scene.told(m.SmsReceivedNotice)}
        assert len(ids) == 2


def parts_of(text: str, way: str, total: int) -> list[wire.Sm]:
    octets = text.encode("utf-16-be")
    size = 67  # an odd number: within a character
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert len(pieces) == total
    made = []
    for number, piece in enumerate(pieces, 1):
        sm = wire.Sm("13900000001", "12345", piece, 8)
        if way == "sar":
            sm.tlvs = {0x020C: b"\0\7", 0x020E: bytes((total,)), 0x020F: bytes((number,))}
        else:
            reference = b"\5\0\3\7" if way == "udh" else b"\6\x08\4\0\7"
            sm.esm_class, sm.octets = 0x40, reference + bytes((total, number)) + piece
        made.append(sm)
    return made


@pytest.mark.parametrize("way", ["udh", "udh16", "sar"])
async def test_a_long_text_of_a_citizen_is_joined_in_any_order_and_over_a_restart(
    way: str,
) -> None:
    text = CHINESE * 5
    last, *first = reversed(parts_of(text, way, 3))
    async with sms_scene() as scene:
        async with scene.running():
            for each in first:
                scene.centre.store(each)
            await scene.settled()
            assert not scene.told(m.SmsReceivedNotice)
        async with scene.running():
            scene.centre.store(last)
            (told,) = await received(scene)
            assert (told.content, told.parts) == (text, 3)
        assert not [key for key in scene.disk.memory if key.startswith("part:")]


async def test_a_text_with_a_missing_part_is_told_with_the_gap() -> None:
    async with sms_scene(join_within_s=0.2) as scene, scene.running():
        one, _, three = parts_of(CHINESE * 5, "udh", 3)
        scene.centre.store(three)
        scene.centre.store(one)
        (told,) = await received(scene)
        assert told.parts == 3
        assert "[…]" in (told.content or "")
        assert (told.content or "").startswith(CHINESE)


async def test_a_citizen_who_writes_null_has_written_it() -> None:
    async with sms_scene() as scene, scene.running():
        scene.centre.receive("13900000001", "12345", "NULL")
        (told,) = await received(scene)
        assert told.content == '"NULL"'


# --- the link ------------------------------------------------------------------------------------
async def test_enquire_link_is_answered_while_the_core_takes_nothing() -> None:
    heard: list[bytes] = []
    async with sms_scene() as scene, scene.running():
        scene.disk.open.clear()
        scene.centre.receive("13900000001", "12345", "help")
        await scene.settled()
        scene.centre.on_pdu = heard.append
        scene.centre.send_raw(wire.pdu(wire.ENQUIRE, 77))
        await scene.settled()
        scene.disk.open.set()
        await received(scene)
    assert wire.pdu(wire.ENQUIRE | wire.RESPONSE, 77) in heard


async def test_a_centre_that_unbinds_or_speaks_no_smpp_is_left() -> None:
    for said in (wire.pdu(0x06, 9), b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        async with sms_scene() as scene, scene.running():
            scene.centre.send_raw(said)
            assert scene.task is not None
            await asyncio.wait({scene.task}, timeout=5)
            assert isinstance(scene.task.exception(), AdapterUnavailableError)


async def test_an_account_that_is_bound_elsewhere_is_waited_for() -> None:
    async with sms_scene() as scene:
        scene.centre.refusal = 0x05
        with pytest.raises(AdapterUnavailableError, match="is bound already"):
            await scene.make().run(scene.disk)


async def test_the_doctor_says_whether_the_centre_is_there() -> None:
    async with sms_scene() as scene:
        settings = scene.make().context.settings
        (there,) = await SmppAdapter.probe("adapter sms", settings)
        await scene.centre.stop()
        (gone,) = await SmppAdapter.probe("adapter sms", settings)
    assert (there.state, gone.state) == (State.OK, State.WARNING)
    assert gone.remedy


@pytest.mark.parametrize(
    ("refusal", "state"),
    [(0x0E, State.BROKEN), (0x0F, State.BROKEN), (0x05, State.NOTE), (0x0D, State.WARNING)],
)
async def test_the_doctor_says_whether_the_centre_takes_us(refusal: int, state: State) -> None:
    async with sms_scene() as scene:
        scene.centre.refusal = refusal
        (found,) = await SmppAdapter.probe("adapter sms", scene.make().context.settings)
    assert found.state is state
    assert found.remedy
    assert "secret" not in str(found)


async def test_the_doctor_takes_no_text_from_the_linkage_that_serves() -> None:
    async with sms_scene() as scene:
        heard: list[bytes] = []
        scene.centre.on_pdu = heard.append
        waiting = scene.centre.store(wire.Sm("13900000001", "12345", b"help"))
        (found,) = await SmppAdapter.probe("adapter sms", scene.make().context.settings)
        await scene.settled()
        assert found.state is State.OK
        assert waiting in scene.centre.stored
        assert [int.from_bytes(each[4:8], "big") for each in heard] == [0x02, wire.UNBIND]
        async with scene.running():
            await scene.until(lambda: scene.told(m.SmsReceivedNotice))


async def test_two_adapters_of_one_account_are_one_too_many() -> None:
    async with sms_scene() as scene:
        place = SmppAdapter.place_of(scene.make().context.settings)
    assert place is not None
    assert "linkage" in place


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ca": "ca.pem"}, "ca:"),
        ({"sender": "a name too long"}, "sender:"),
        ({"templates": {"x": " "}}, "templates.x"),
        ({"window": 0}, "window"),
        ({"system_id": ""}, "system_id"),
    ],
)
async def test_settings_that_cannot_be_used_are_told_of(wrong: dict[str, Any], says: str) -> None:
    async with sms_scene(**wrong) as scene:
        with pytest.raises(SettingsError, match=says):
            scene.make()


async def test_ten_thousand_hostile_pdus_leave_it_serving() -> None:
    """Well framed, everything else by lot: what is no text of a citizen is told as none."""
    lot = random.Random(7)
    receipt = wire.receipt(wire.Sm("1", "2"), "7f", "DELIVRD", utc(), with_tlvs=True)
    part = wire.Sm("1", "2", b"\5\0\3\7\3\1abc", esm_class=0x40)
    bodies = [wire.deliver(each) for each in (receipt, part, wire.Sm("1", "2", b"text", 8))]
    commands = [wire.DELIVER] * 6 + [0x03, 0x04, 0x09, 0x15, 0x102, 0x103, 0x7FFF_FFFF]
    commands += [each | wire.RESPONSE for each in commands]
    async with sms_scene() as scene, scene.running():
        await scene.send("13900000094")
        for number in range(10_000):
            body = bytearray(lot.choice(bodies))
            for _ in range(lot.randrange(4)):
                body[lot.randrange(len(body))] = lot.randrange(256)
            del body[lot.randrange(len(body) + 1) :]
            pdu = wire.pdu(lot.choice(commands), number + 100, bytes(body), lot.randrange(4))
            scene.centre.send_raw(pdu)
            if not number % 500:
                await scene.centre.drain()
        scene.centre.receive("13900000001", "12345", "help")
        await scene.until(
            lambda: any(each.content == "help" for each in scene.told(m.SmsReceivedNotice))
        )
        assert scene.task is not None
        assert not scene.task.done()
        assert isinstance(await scene.send("13900000001"), Outcome)
        assert len(scene.disk.memory) < 2_000


async def test_a_silent_centre_is_given_up() -> None:
    async with sms_scene(enquire_s=0.1, response_s=0.1) as scene, scene.running():
        scene.centre.freeze()
        assert scene.task is not None
        await asyncio.wait({scene.task}, timeout=5)
        assert "enquire_link" in str(scene.task.exception())


async def test_a_full_queue_is_put_off_and_loses_nothing() -> None:
    async with sms_scene() as scene, scene.running():
        scene.disk.open.clear()
        for number in range(700):
            scene.centre.receive(f"1390001{number:04}", "12345", "help")
        await scene.settled()
        scene.disk.open.set()
        await received(scene, 700)
        await scene.settled()
        assert not scene.centre.stored
        assert len({each.phone_num for each in scene.told(m.SmsReceivedNotice)}) == 700


async def test_no_more_texts_are_unanswered_than_the_window_has_room_for() -> None:
    async with sms_scene(window=3) as scene, scene.running():
        scene.centre.freeze()
        doing: list[Any] = [
            asyncio.get_running_loop().create_task(scene.send(f"1390000000{n}")) for n in range(8)
        ]
        await scene.settled()
        assert scene.adapter is not None
        assert scene.adapter.outbox is not None
        channel = scene.adapter.outbox._channel
        assert isinstance(channel, SmppChannel)
        assert len(channel._link._answers) == 3
        scene.centre.thaw()
        answers = await asyncio.gather(*doing)
        assert all(isinstance(each, Outcome) for each in answers)
