"""A mail server for the contract: the simulator, with reports when the contract wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from linkage.clock import SystemClock
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.platform import Delivery, Expected, PlatformDouble
from simulators.mail_server import Behaviour, MailServer, reports
from tests.real.peers.ports import free_port

PASSWORD: Final = "pw-nobody-reads"
WRONG: Final = "wrong-pw-of-mail"
DESK: Final = "desk@city.example"
SILENT: Final = Behaviour(meaning="the contract says what becomes of it", reports=())
REPORT: Final = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\nAction: x\r\n--b--\r\n"
)
GARBAGE: Final = (
    b"", b"\r\n", b"\0" * 500, b"\xff\xfe" * 300, b"From:\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n--a\r\n--a--",
    REPORT,
    b"Subject: =?x?B?////?=\r\nFrom: ((((<@>\r\nTo: " + b"a@b," * 500 + b"\r\n\r\nx\r\n",
)  # fmt: skip


class MailPlatform(PlatformDouble):
    """Keeps what was not acknowledged, and offers it again and again."""

    tells_again = True

    def __init__(self) -> None:
        super().__init__()
        self._listen = ("127.0.0.1", free_port())
        self.server = MailServer(accounts={"linkage": PASSWORD}, behaviour=lambda _: SILENT)
        self._count = 0
        self._lost: list[bytes] = []

    # --- the wire --------------------------------------------------------------------------------
    @property
    def settings(self) -> Mapping[str, Any]:
        host, port = self.server.address
        return {
            "smtp": f"{host}:{port}", "smtp_tls": "none", "username": "linkage",
            "password": PASSWORD, "sender": DESK, "response_s": 1.0, "check_s": 0.05,
            "listen": f"{self._listen[0]}:{self._listen[1]}",
        }  # fmt: skip

    @property
    def secrets(self) -> Sequence[str]:
        return [PASSWORD, WRONG]

    @property
    def wrong_settings(self) -> Mapping[str, Any]:
        return {**self.settings, "password": WRONG}

    async def start(self) -> None:
        self.server.deliver_to = self._listen
        await self.server.start()
        for octets in self._lost:
            self.server.store("", DESK, octets)
        self._lost.clear()

    async def stop(self) -> None:
        await self.server.stop()

    def freeze(self) -> None:
        self.server.freeze()

    def thaw(self) -> None:
        self.server.thaw()

    async def emit(self, event: Any) -> None:
        self.server.store("", DESK, event)

    async def pass_on(self, event: Any) -> None:
        if self.delivery is Delivery.LOST:
            self._lost.append(event)  # it waits in the server's queue for another attempt
        else:
            await super().pass_on(event)

    async def garbage(self) -> None:
        for each in GARBAGE:
            self.server.store("", DESK, each)

    # --- what happens ----------------------------------------------------------------------------
    async def occur(self) -> Expected:
        self._count += 1
        sender, subject = f"citizen{self._count}@example.com", f"coming {self._count}"
        await self.pass_on(
            reports.mail(sender, DESK, subject, "there is smoke", SystemClock().utc())
        )
        return Expected(
            m.MailReceivedNotice,
            {"sender": sender, "subject": subject, "text": "there is smoke", "to": (DESK,)},
        )

    def command(self) -> Message:
        self._count += 1
        to = tuple(f"{who}{self._count}@hospital.example" for who in ("ward", "porter"))
        return m.SendMail(mail_id=f"P{self._count}", to=to, subject="fire", text="come")

    def done(self, command: Message) -> int:
        """Each of the two recipients is to be written to once; the worse of the two counts."""
        assert isinstance(command, m.SendMail)
        return max(len(self.server.mails_to(each)) for each in command.to)

    async def conclude(self, command: Message, request_id: str) -> Sequence[Expected]:
        assert isinstance(command, m.SendMail)
        told: list[Expected] = []
        for taken in self.server.mails_to(command.to[0]):
            for address in command.to:
                now = SystemClock().utc()
                await self.pass_on(reports.report(taken, address, "delivered", "2.1.5", now))
                names = {
                    "request_id": request_id, "mail_id": command.mail_id, "recipient": address,
                }  # fmt: skip
                told += [
                    Expected(m.MailResultNotice, {**names, "status": m.MailStatus.ACCEPTED}),
                    Expected(
                        m.MailReportNotice, {**names, "status": m.MailReportStatus.DELIVERED}
                    ),
                ]
        return told
