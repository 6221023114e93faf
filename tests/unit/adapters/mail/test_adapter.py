"""Mails out, reports and mails in, against a simulated mail server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from linkage.config.adapters import SettingsError
from linkage.ports import AdapterUnavailableError, CommandError, Outcome
from linkage.ports.probe import State
from protocol import messages as m
from protocol.messages import MailReportStatus as Fate
from protocol.messages import MailStatus as Sent
from protocol.reasons import Reason
from protocol.results import Result
from simulators.mail_server import reports
from tests.fakes.mail_scene import DESK, MailScene, mail_scene

CHINESE = "一号楼三层起火，请立即疏散到南门集合。"


def result_of(answer: object) -> Result:
    assert isinstance(answer, CommandError), repr(answer)
    return answer.result


# --- what becomes of a mail ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("who", "fates", "code"),
    [
        ("ward", [Fate.DELIVERED], "2.0.0"),
        ("bounced", [Fate.BOUNCED], "5.1.1"),
        ("delayed", [Fate.DELAYED, Fate.DELIVERED], "2.0.0"),
        ("read", [Fate.DELIVERED, Fate.READ], None),
    ],
)
async def test_a_mail_is_told_taken_and_then_its_fate(
    tmp_path: Path, who: str, fates: list[Fate], code: str | None
) -> None:
    address = f"{who}@hospital.example"
    async with mail_scene(tmp_path) as scene, scene.running():
        answer = await scene.send(address, mail_id="A1")
        assert isinstance(answer, Outcome)
        assert answer.ids == {"mail_id": "A1"}
        told = await scene.reported(len(fates))
        await scene.last_is_in()
        (taken,) = scene.results
        assert (taken.status, taken.mail_id, taken.smtp_code) == (Sent.ACCEPTED, "A1", 250)
        assert taken.message_id == scene.server.taken[0].header("Message-ID")
        assert [each.status for each in told] == fates
        assert (told[-1].recipient, told[-1].enhanced_code) == (address, code)
        assert len(scene.received) == 1  # a report is no mail that came in


async def test_of_several_recipients_each_is_told(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        await scene.send(
            "ward@h.example",
            "refused@h.example",
            cc=("bounced@h.example", "Full <full@h.example>"),
        )
        await scene.reported(2)
        status = {each.recipient: (each.status, each.reason) for each in scene.results}
        fates = {each.recipient: each.status for each in scene.reports}
    assert status == {
        "ward@h.example": (Sent.ACCEPTED, None),
        "refused@h.example": (Sent.FAILED, Reason.MAIL_UNKNOWN),
        "bounced@h.example": (Sent.ACCEPTED, None),
        "full@h.example": (Sent.FAILED, Reason.MAIL_FULL),
    }
    assert fates == {"ward@h.example": Fate.DELIVERED, "bounced@h.example": Fate.BOUNCED}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("refused@h.example", Reason.MAIL_UNKNOWN),
        ("spam@h.example", Reason.MAIL_SPAM),
        ("nobody", Reason.MAIL_UNKNOWN),
        ("a@b> SIZE=1 <c@d", Reason.MAIL_UNKNOWN),
    ],
)
async def test_a_refused_mail_is_told_as_failed_and_forgotten(
    tmp_path: Path, address: str, reason: Reason
) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        assert isinstance(await scene.send(address), Outcome)
        (told,) = scene.results
        assert (told.status, told.reason, told.recipient) == (Sent.FAILED, reason, address)
        assert not scene.server.taken
        assert not scene.disk.memory


async def test_a_lost_answer_is_unknown_is_never_sent_again_and_a_report_tells_after_all(
    tmp_path: Path,
) -> None:
    async with mail_scene(tmp_path) as scene:
        async with scene.running():
            assert result_of(await scene.send("dropped@h.example")) == Result.TIMEOUT
            (told,) = scene.results
            assert (told.status, told.reason) == (Sent.UNKNOWN, Reason.OUTCOME_UNKNOWN)
        async with scene.running():
            await scene.reported()
            await scene.last_is_in()
        assert [each.status for each in scene.results] == [Sent.UNKNOWN, Sent.ACCEPTED]
        assert [each.status for each in scene.reports] == [Fate.DELIVERED]
        assert len(scene.server.taken) == 1


async def test_an_answer_that_is_late_is_told_after_all(tmp_path: Path) -> None:
    async with mail_scene(tmp_path, response_s=0.3) as scene, scene.running():
        scene.server.hold_answers()
        assert result_of(await scene.send("silent@h.example")) == Result.TIMEOUT
        assert [each.status for each in scene.results] == [Sent.UNKNOWN]
        scene.server.thaw()
        await scene.until(lambda: len(scene.results) == 2)
        assert scene.results[1].status == Sent.ACCEPTED


async def test_a_report_that_comes_twice_or_late_tells_nothing_new(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        await scene.send("silent@h.example")
        (taken,) = scene.server.taken
        for action in ("delayed", "failed", "delayed", "failed", "delivered", "relayed"):
            scene.server.report(taken, "silent@h.example", action, "5.0.0")
        await scene.last_is_in()
        assert [each.status for each in scene.reports] == [Fate.DELAYED, Fate.BOUNCED]


async def test_a_report_of_no_mail_of_ours_is_a_mail_that_came_in(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        await scene.send("silent@h.example")
        (taken,) = scene.server.taken
        forged = reports.Taken(DESK, octets=b"Message-ID: <guessed@city.example>\r\n\r\n")
        now = scene.server.clock.utc()
        told = reports.report(forged, "silent@h.example", "failed", "5.1.1", now)
        scene.server.store("", DESK, told)
        (came,) = await scene.came()
        assert came.subject == "Mail Delivery Status Report: failed"
        assert not scene.reports
        assert taken.envelope_id


async def test_it_is_stopped_before_it_is_handed_over(tmp_path: Path) -> None:
    async with mail_scene(tmp_path, response_s=5.0) as scene, scene.running():
        scene.server.freeze()
        sending = asyncio.get_running_loop().create_task(
            scene.send("ward@h.example", mail_id="A1")
        )
        await scene.until(lambda: [key for key in scene.disk.memory if key.startswith("mail:")])
        stopping = asyncio.get_running_loop().create_task(scene.do(m.CancelMail(mail_id="A1")))
        await asyncio.sleep(0)
        scene.server.thaw()
        assert isinstance(await stopping, Outcome)
        assert isinstance(await sending, Outcome)
        (told,) = scene.results
        assert (told.status, told.reason) == (Sent.FAILED, Reason.OPERATOR_CANCELLED)
        assert not scene.server.taken


async def test_what_was_handed_over_cannot_be_stopped_and_can_be_asked_about(
    tmp_path: Path,
) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        await scene.send("silent@h.example", mail_id="A1")
        assert result_of(await scene.do(m.CancelMail(mail_id="A1"))) == Result.WRONG_STATE
        assert isinstance(await scene.do(m.QueryMail(mail_id="A1")), Outcome)
        (told,) = scene.reports
        assert (told.recipient, told.status, told.request_id) == ("silent@h.example", None, "3")
        assert result_of(await scene.do(m.QueryMail(mail_id="B"))) == Result.WRONG_STATE


async def test_what_nobody_reports_on_is_forgotten_in_the_end(tmp_path: Path) -> None:
    async with mail_scene(tmp_path, report_within_s=0.01) as scene:
        async with scene.running():
            await scene.send("silent@h.example")
        async with scene.running():
            await scene.until(lambda: not scene.disk.memory)


async def test_a_server_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    async with mail_scene(tmp_path, check_s=0.05) as scene, scene.running():
        await scene.server.stop()
        assert scene.task is not None
        await asyncio.wait({scene.task})
        assert isinstance(scene.task.exception(), AdapterUnavailableError)


async def test_a_connection_that_was_closed_for_being_idle_is_made_anew(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        scene.server.hang_up()
        assert isinstance(await scene.send("silent@h.example"), Outcome)
        assert [each.status for each in scene.results] == [Sent.ACCEPTED]


# --- threads -------------------------------------------------------------------------------------
async def test_an_answer_names_what_it_answers_and_its_event(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        await scene.send("answered@h.example", event_id="F-1", subject="fire")
        (came,) = await scene.came()
        (taken,) = scene.server.taken
        message_id = taken.header("Message-ID")
        assert "+F-1@city.example" in message_id
        assert taken.header("Subject") == "fire [#F-1]"
        assert came.in_reply_to is not None
        assert came.in_reply_to.split()[0] == message_id
        assert (came.sender, came.text, came.to) == ("answered@h.example", "OK", (DESK,))
        again = await scene.send("silent@h.example", in_reply_to=came.message_id)
        assert isinstance(again, Outcome)
        assert scene.server.taken[1].header("In-Reply-To") == came.message_id


async def test_a_subject_alone_names_the_event(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        scene.server.receive("a@b.example", DESK, "AW: fire [#F-1]", "OK")
        (came,) = await scene.came()
        assert came.in_reply_to == "<subject+F-1@city.example>"


# --- mails in ------------------------------------------------------------------------------------
async def test_a_mail_with_files_is_told_with_them(tmp_path: Path) -> None:
    attached = (
        "From: =?gb2312?B?1cXI/Q==?= <zhang@example.com>\r\n"
        f"To: {DESK}\r\nCc: b@example.com\r\n"
        "Subject: =?gbk?Q?=BB=F0?=\r\nMessage-ID: <1@example.com>\r\n"
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n楼里有烟\r\n"
        "--x\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        "AAECAw==\r\n--x--\r\n"
    ).encode()
    async with mail_scene(tmp_path) as scene, scene.running():
        scene.server.store("zhang@example.com", DESK, attached)
        (came,) = await scene.came()
        (file,) = came.files
        assert (came.sender, came.subject, came.text) == ("zhang@example.com", "火", "楼里有烟")
        assert (came.to, came.cc, came.message_id) == (
            (DESK,),
            ("b@example.com",),
            "<1@example.com>",
        )
        assert (file.name, file.size) == ("a.png", 4)
        assert await scene.content(file.file_id) == bytes(range(4))
        sent = await scene.send("silent@h.example", file_ids=(file.file_id,), text=CHINESE)
        assert isinstance(sent, Outcome)
        assert b"AAECAw==" in scene.server.taken[0].octets


async def test_a_mail_that_comes_twice_is_told_once_also_after_a_restart(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene:
        mail = reports.mail("a@b.example", DESK, "fire", "come", scene.server.clock.utc())
        async with scene.running():
            scene.server.store("a@b.example", DESK, mail)
            scene.server.store("a@b.example", DESK, b"Received: by x; now\r\n" + mail)
            await scene.last_is_in()
        async with scene.running():
            scene.server.store("a@b.example", DESK, mail)
            await scene.last_is_in()
        assert [each.subject for each in scene.received] == ["fire", "last 0", "last 2"]


async def test_who_is_not_accepted_is_refused(tmp_path: Path) -> None:
    async with mail_scene(tmp_path, accept=("*@city.example",)) as scene, scene.running():
        scene.server.receive("a@b.example", "other@elsewhere.example", "1", "x")
        scene.server.receive("a@b.example", "Desk@City.Example", "2", "x")
        (came,) = await scene.came()
        assert came.subject == "2"


async def test_a_hidden_recipient_is_told(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene, scene.running():
        mail = reports.mail("a@b.example", "list@b.example", "x", "y", scene.server.clock.utc())
        scene.server.store("a@b.example", "desk+f1@city.example", mail)
        (came,) = await scene.came()
        assert came.to == ("list@b.example", "desk+f1@city.example")


async def test_a_mail_by_smtp(tmp_path: Path) -> None:
    async with mail_scene(tmp_path, listen_protocol="smtp") as scene, scene.running():
        scene.server.greeting = "EHLO"
        await scene.last_is_in()


# --- settings ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sender": "desk"}, "no mail address"),
        ({"password": None}, "password: is missing"),
        ({"subject_tag": "[#x]"}, "where the event goes"),
        ({"subject_tag": "{event_id}"}, "at least two signs"),
        ({"imap": "127.0.0.1:993", "username": ""}, "the mailbox of whom"),
        ({"ca": "x.pem", "imap_tls": "none"}, "of no use without TLS"),
    ],
)
def test_settings_that_do_not_fit_are_told(
    tmp_path: Path, wrong: dict[str, object], words: str
) -> None:
    server = type("Server", (), {"address": ("127.0.0.1", 25)})()
    with pytest.raises(SettingsError, match=words):
        MailScene(server, tmp_path, **wrong).make()


async def test_the_doctor_says_whether_the_server_takes_us(tmp_path: Path) -> None:
    async with mail_scene(tmp_path) as scene:
        adapter = scene.make()
        settings = adapter.context.settings
        (good,) = await adapter.probe("adapter mail", settings)
        scene.server.accounts = {"linkage": "another"}
        (wrong,) = await adapter.probe("adapter mail", settings)
        await scene.server.stop()
        (gone,) = await adapter.probe("adapter mail", settings)
    assert [each.state for each in (good, wrong, gone)] == [State.OK, State.BROKEN, State.WARNING]
    assert "secret" not in wrong.detail
