"""`linkage serve` with its SMPP adapter, and the applications at it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

from benchmarks.comparison.frames import SECRET, RegisteringPeer, frame
from benchmarks.serving import port_of, serve_command
from benchmarks.sms.centre import PASSWORD, SYSTEM_ID
from benchmarks.sms.rig import SENDER, SmsRig, number_of, text_of
from benchmarks.sms.traffic import Line, Traffic
from protocol.roles import Role

WINDOW: Final = 100
"""Texts without an answer of the centre, the same for all."""
TEXTS_OF_EVENT: Final = 20
_SEND: Final = (
    '<request Id="{name}" Type="220"><SmsId>{name}</SmsId><Receiver>'
    "<PhoneNum>{number}</PhoneNum></Receiver><Content>{text}</Content>"
    "<Report>1</Report><EventId>{event}</EventId></request>"
)
_ANSWER: Final = re.compile(rb'<response RequestId="([^"]+)"[^>]* Result="(\d+)"')
_ASKED: Final = re.compile(rb'<request Id="([^"]+)" Type="(\d+)"')
_TOLD: Final = re.compile(rb"<SmsId>([^<]+)</SmsId>.*<Status>(\d+)</Status>", re.DOTALL)


class Desk(RegisteringPeer, Line):
    """An application."""

    def __init__(self, peer_id: str, traffic: Traffic) -> None:
        super().__init__(Role.APPLICATION, peer_id)
        self._traffic = traffic
        self._sent = 0

    def send(self, name: str) -> None:
        """A 220 under an event."""
        event = f"{self.peer_id}.{self._sent // TEXTS_OF_EVENT}"
        self._sent += 1
        sms = _SEND.format(name=name, number=number_of(name), text=text_of(name), event=event)
        self.transport.write(frame(sms.encode()))

    def received(self, payload: bytes) -> None:
        """An answer, or what became of a text."""
        found = _ANSWER.match(payload)
        if found is not None:
            why = None if found[2] in {b"0", b"1"} else payload.decode()
            self._traffic.answered(found[1].decode(), why)
            return
        asked = _ASKED.match(payload)
        if asked is None:
            return
        answer = b'<response RequestId="%b" Type="%b" Result="0"/>' % asked.groups()
        self.transport.write(frame(answer))
        told = _TOLD.search(payload)
        if told is None:
            return
        if asked[2] == b"121":
            self._traffic.submitted += 1
        else:
            self._traffic.told(told[1].decode(), delivered=told[2] == b"1")


def _same(desk: Desk) -> Desk:
    return desk


class LinkageRig(SmsRig):
    """`linkage serve`, one process."""

    name = "linkage"
    title = "linkage"
    promise = (
        "fsync before 220 is answered, before a text is submitted, before a receipt is answered; "
        "121 and 122 are repeated until the application has answered"
    )

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # those of SmsRig
        self._desks: list[Desk] = []
        self._port = 0

    async def start(self) -> None:
        """See `SmsRig.start`."""
        tables = [
            f'[[peer]]\nid = "desk{number}"\nsecret = "{SECRET}"\nrole = "application"\n'
            for number in range(self.lines)
        ]
        tables.append(
            '[[adapter]]\nid = "sms"\nkind = "smpp"\n[adapter.settings]\n'
            f'address = "127.0.0.1:{self.centre_port}"\nsystem_id = "{SYSTEM_ID}"\n'
            f'password = "{PASSWORD}"\nsender = "{SENDER}"\nwindow = {WINDOW}\n'
        )
        path = self.folder / "linkage.toml"
        path.write_text('listen = ["127.0.0.1:0"]\n' + "".join(tables), encoding="utf-8")
        path.chmod(0o600)
        server = self.launch(*serve_command(path, log_level="warning"))
        self._port = await port_of(server)

    async def connect(self, traffic: Traffic) -> Sequence[Line]:
        """See `SmsRig.connect`."""
        loop = asyncio.get_running_loop()
        for number in range(self.lines):
            desk = Desk(f"desk{number}", traffic)
            await loop.create_connection(partial(_same, desk), "127.0.0.1", self._port)
            self._desks.append(desk)
            await desk.registered
        return self._desks

    async def disconnect(self) -> None:
        """See `SmsRig.disconnect`."""
        for desk in self._desks:
            desk.transport.close()
