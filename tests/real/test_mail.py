"""Our adapter at a Postfix and a Dovecot: delivery, mixed reports, LMTP, IDLE, threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest

from linkage.ports import Outcome
from protocol import messages as m
from protocol.messages import MailReportStatus as Fate
from protocol.messages import MailStatus as Sent
from protocol.reasons import Reason
from tests.fakes.mail_scene import MailScene
from tests.real.conftest import REQUIRED
from tests.real.peers.mail import MailHost, missing_mail_peers

CITY, OFFICE = "desk@city.example", "desk@office.example"
WARD, CHINESE_WARD = "ward@hospital.example", "报修@hospital.example"


@pytest.fixture(autouse=True)
def _peers() -> None:
    """These tests need other peers than Asterisk."""
    missing = missing_mail_peers()
    if missing and REQUIRED:
        pytest.fail(f"LINKAGE_REQUIRE_REAL=1, but {missing}", pytrace=False)
    if missing:
        pytest.skip(missing)


@pytest.fixture
async def host() -> AsyncIterator[MailHost]:
    async with MailHost() as made:
        yield made


def by_lmtp(host: MailHost, folder: Path, **settings: Any) -> MailScene:
    """Postfix hands mails to us."""
    given = {"listen": f"127.0.0.1:{host.adapter_port}", "username": "", "sender": CITY}
    return MailScene(host, folder, **given, **settings)


def by_imap(host: MailHost, folder: Path, **settings: Any) -> MailScene:
    """We read a mailbox of Dovecot."""
    given = {
        "imap": f"127.0.0.1:{host.imap_port}", "imap_tls": "none", "imap_username": OFFICE,
        "listen": None, "username": "", "sender": OFFICE,
    }  # fmt: skip
    return MailScene(host, folder, **given, **settings)


async def submit(host: MailHost, to: str, octets: bytes, *more: str) -> None:
    """Somebody else sends a mail by Postfix."""
    address, port = host.address
    async with aiosmtplib.SMTP(hostname=address, port=port, start_tls=False) as smtp:
        await smtp.sendmail("citizen@elsewhere.example", [to, *more], octets)


def mail(to: str, *, subject: str = "fire", headers: str = "", text: bytes = b"smoke") -> bytes:
    head = f"From: citizen@elsewhere.example\r\nTo: {to}\r\nSubject: {subject}\r\n{headers}\r\n"
    return head.encode() + text + b"\r\n"


# --- mails out -----------------------------------------------------------------------------------
async def test_of_one_mail_delivered_bounced_refused_and_delayed_are_told_each(
    host: MailHost, tmp_path: Path
) -> None:
    scene = by_lmtp(host, tmp_path)
    gone, nobody, slow = "gone@office.example", "nobody@hospital.example", "x@slow.example"
    async with scene.running():
        sent = await scene.send(WARD, gone, nobody, slow, event_id="F-1", subject="一号楼起火")
        assert isinstance(sent, Outcome)
        results = {each.recipient: (each.status, each.reason) for each in scene.results}
        assert results == {
            WARD: (Sent.ACCEPTED, None), gone: (Sent.ACCEPTED, None), slow: (Sent.ACCEPTED, None),
            nobody: (Sent.FAILED, Reason.MAIL_UNKNOWN),
        }  # fmt: skip
        await scene.reported(2)
        async with asyncio.timeout(60):
            while len(scene.reports) < 3:
                await host.flush()
                await asyncio.sleep(0.5)
        fates = {each.recipient: (each.status, each.enhanced_code) for each in scene.reports}
        assert fates[WARD] == (Fate.DELIVERED, "2.0.0")
        assert fates[gone] == (Fate.BOUNCED, "5.1.1")
        assert fates[slow][0] == Fate.DELAYED
        assert not scene.received
    arrived = message_from_bytes(await host.wait_for_mail(WARD), policy=default)
    assert arrived["Subject"] == "一号楼起火 [#F-1]"
    assert "+F-1@city.example" in arrived["Message-ID"]


async def test_a_chinese_mailbox_and_a_large_mail_with_a_file(
    host: MailHost, tmp_path: Path
) -> None:
    scene = by_lmtp(host, tmp_path)

    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(range(256)) * 300

    async with scene.running():
        file = await scene.files.save("plan.pdf", pieces())
        sent = await scene.send(
            CHINESE_WARD, "gone@office.example", text="请到南门集合\n.\n..x", html="<p>请</p>",
            file_ids=(file.file_id,),
        )  # fmt: skip
        assert isinstance(sent, Outcome)
        await scene.reported(2)
        fates = {each.recipient: each.status for each in scene.reports}
        assert fates == {CHINESE_WARD: Fate.DELIVERED, "gone@office.example": Fate.BOUNCED}
    arrived = message_from_bytes(await host.wait_for_mail(CHINESE_WARD), policy=default)
    text = arrived.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "请到南门集合\n.\n..x\n"
    (attached,) = arrived.iter_attachments()
    assert attached.get_content() == bytes(range(256)) * 300


async def test_what_the_server_finds_too_large_is_not_even_sent(
    host: MailHost, tmp_path: Path
) -> None:
    scene = by_lmtp(host, tmp_path)
    async with scene.running():
        await scene.send(WARD, html="x" * 60_000, text="y" * 60_000)
        await scene.send(WARD, html="火" * 60_000, text="y" * 1_000)
        assert [each.reason for each in scene.results] == [None, Reason.MAIL_TOO_LARGE]


# --- mails in, by LMTP ---------------------------------------------------------------------------
async def test_an_answer_in_a_false_charset_comes_with_its_thread_and_its_file(
    host: MailHost, tmp_path: Path
) -> None:
    scene = by_lmtp(host, tmp_path)
    async with scene.running():
        await scene.send(WARD, event_id="F-1")
        first = message_from_bytes(await host.wait_for_mail(WARD), policy=default)
        headers = (
            f"In-Reply-To: {first['Message-ID']}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/mixed; boundary=x\r\n"
        )
        text = (
            b"--x\r\nContent-Type: text/plain; charset=gb2312\r\n"
            b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "镕基收到€".encode("gb18030") + b"\r\n"
            b'--x\r\nContent-Type: image/png; name="=?GBK?B?zbwucG5n?="\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--"
        )
        await submit(host, CITY, mail(CITY, headers=headers, text=text))
        (came,) = await scene.came()
        assert came.in_reply_to == first["Message-ID"]
        assert (came.text, came.sender) == ("镕基收到€", "citizen@elsewhere.example")
        (file,) = came.files
        assert (file.name, await scene.content(file.file_id)) == ("图.png", b"\0\1\2")


async def test_a_mail_waits_at_the_server_while_we_are_away_and_is_told_once(
    host: MailHost, tmp_path: Path
) -> None:
    scene = by_lmtp(host, tmp_path)
    await submit(host, CITY, mail(CITY), "desk+f1@city.example")
    async with scene.running():
        async with asyncio.timeout(60):
            while not scene.received:
                await host.flush()
                await asyncio.sleep(0.3)
        await submit(host, CITY, mail(CITY, subject="second"))
        await scene.came(2)
        assert [each.subject for each in scene.received] == ["fire", "second"]


# --- mails in, by IMAP ---------------------------------------------------------------------------
async def test_idle_tells_at_once_and_moves_copies_and_a_new_folder_tell_nothing_twice(
    host: MailHost, tmp_path: Path
) -> None:
    scene = by_imap(host, tmp_path, imap_poll_s=600)  # only IDLE can tell in time
    async with scene.running():
        await submit(host, OFFICE, mail(OFFICE, subject="one"), "desk+a@office.example")
        await scene.came(1)
        await submit(host, OFFICE, mail(OFFICE, subject="two"))
        await scene.came(2)
        await host.doveadm("mailbox", "create", "-u", OFFICE, "Away")
        move = ("move", "-u", OFFICE)
        await host.doveadm(*move, "Away", "mailbox", "INBOX", "ALL")
        await host.doveadm(*move, "INBOX", "mailbox", "Away", "ALL")
        await submit(host, OFFICE, mail(OFFICE, subject="three"))
        await scene.came(3)
    await submit(host, OFFICE, mail(OFFICE, subject="meanwhile"))
    await host.doveadm("mailbox", "update", "--uid-validity", "77", "-u", OFFICE, "INBOX")
    async with scene.running():
        await scene.came(4)
        await submit(host, OFFICE, mail(OFFICE, subject="last"))
        await scene.came(5)
    told = [each.subject for each in scene.received]
    assert told == ["one", "two", "three", "meanwhile", "last"]


async def test_a_bounce_comes_by_imap(host: MailHost, tmp_path: Path) -> None:
    scene = by_imap(host, tmp_path, imap_done="delete")
    async with scene.running():
        await scene.send("gone@office.example")
        (report,) = await scene.reported()
        assert (report.status, report.enhanced_code) == (Fate.BOUNCED, "5.1.1")
        async with asyncio.timeout(10):
            while host.maildir(OFFICE):  # noqa: ASYNC110 - a folder of another program
                await asyncio.sleep(0.1)
        assert not scene.told(m.MailReceivedNotice)
