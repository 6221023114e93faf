"""Kannel 1.4: smsbox takes texts by HTTP and tells receipts by HTTP, bearerbox speaks SMPP."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final, cast
from urllib.parse import quote_plus

from benchmarks.process import free_port
from benchmarks.sms.centre import PASSWORD, SYSTEM_ID
from benchmarks.sms.linkage_rig import WINDOW
from benchmarks.sms.rig import SENDER, SmsRig, number_of, text_of
from benchmarks.sms.traffic import Line, Traffic
from linkage.supervision import TaskSet
from tests.real.peers.sms import LIBRARIES, missing_sms_peers, sms_root

CONNECTIONS: Final = 8
"""Of each application; one request at a time on each."""
DELIVERED, SUBMITTED = b"1", b"8"
_CONF: Final = """
group = core
admin-port = {admin}
admin-password = bar
status-password = bar
smsbox-port = {box}
box-allow-ip = 127.0.0.1
log-level = 3
store-type = spool
store-location = {folder}/store
dlr-storage = {dlr}
dlr-spool = {folder}/dlr
smsbox-max-pending = 1000

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {centre}
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
transceiver-mode = true
max-pending-submits = {window}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
log-level = 3

group = sendsms-user
username = tester
password = foobar
"""
_GET: Final = (
    "GET /cgi-bin/sendsms?username=tester&password=foobar&from={sender}&to={number}&text={text}"
    "&dlr-mask={mask}&dlr-url={url} HTTP/1.1\r\nHost: kannel\r\n\r\n"
)
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CALLBACK: Final = re.compile(rb"GET /\?n=([^& ]+)&t=(\d+) ")
_DONE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class _Http(asyncio.Protocol):
    """Cuts messages off a connection: a head, and so many octets as it says."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n") + 4) > 4 - 1:
            length = _LENGTH.search(self._buffer, 0, end)
            whole = end + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            message, self._buffer = self._buffer[:whole], self._buffer[whole:]
            self.received(message)

    @abstractmethod
    def received(self, message: bytes) -> None:
        """One of them."""


class _Sender(_Http):
    """One connection to smsbox."""

    def __init__(self, line: HttpLine) -> None:
        super().__init__()
        self._line = line
        self.name: str | None = None
        """Of the text whose answer is to come."""

    def connection_lost(self, _: Exception | None) -> None:
        """Smsbox hangs up on who says nothing for a while."""
        self._line.lost(self)

    def received(self, message: bytes) -> None:
        """The answer to a text."""
        self._line.answered(self, message)


class HttpLine(Line):
    """An application with some connections to smsbox."""

    def __init__(self, traffic: Traffic, url: str, mask: int) -> None:
        self._traffic, self._url, self._mask = traffic, url, mask
        self._free: deque[_Sender] = deque()
        self._waiting: deque[str] = deque()
        self._tasks = TaskSet("senders")
        self._port = 0
        self._is_closed = False
        self.senders: set[_Sender] = set()

    async def connect(self, port: int) -> None:
        """Open them."""
        self._port = port
        for _ in range(CONNECTIONS):
            await self._open()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, sender = await loop.create_connection(lambda: _Sender(self), "127.0.0.1", self._port)
        self.senders.add(sender)
        self._free.append(sender)
        if self._waiting:
            self.send(self._waiting.popleft())

    def lost(self, sender: _Sender) -> None:
        """Open another; a text whose answer was to come is one that was refused."""
        self.senders.discard(sender)
        if self._is_closed:
            return
        if sender in self._free:
            self._free.remove(sender)
        self._tasks.start(self._open(), "reconnect")
        if sender.name is not None:
            self._traffic.answered(sender.name, "smsbox hung up before its answer")

    async def close(self) -> None:
        """Hang up."""
        self._is_closed = True
        await self._tasks.close()
        for sender in self.senders:
            sender.transport.close()

    def send(self, name: str) -> None:
        """As soon as a connection is free."""
        if not self._free:
            self._waiting.append(name)
            return
        sender = self._free.popleft()
        sender.name = name
        url = quote_plus(f"{self._url}/?n={name}&t=%d")
        request = _GET.format(
            sender=SENDER, number=number_of(name), text=quote_plus(text_of(name)),
            mask=self._mask, url=url,
        )  # fmt: skip
        sender.transport.write(request.encode())

    def answered(self, sender: _Sender, message: bytes) -> None:
        """The next one may go."""
        name, sender.name = sender.name, None
        self._free.append(sender)
        if self._waiting:
            self.send(self._waiting.popleft())
        accepted = message.startswith(b"HTTP/1.1 202")
        if name is not None:
            self._traffic.answered(name, None if accepted else message.decode())


class _Callback(_Http):
    """A connection on which receipts come."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__()
        self._traffic = traffic

    def received(self, message: bytes) -> None:
        """A receipt."""
        self.transport.write(_DONE)
        found = _CALLBACK.match(message)
        if found is None:
            return
        if found[2] == SUBMITTED:
            self._traffic.submitted += 1
        else:
            self._traffic.told(found[1].decode(), delivered=found[2] == DELIVERED)


class KannelRig(SmsRig):
    """Bearerbox and smsbox on one core; all that it has to remember lies in files."""

    name = "kannel"
    title = "Kannel 1.4.5"
    promise = (
        "a file for each text and each receipt it waits for (store-type and dlr-storage spool), "
        "without fsync: a power cut loses what was accepted"
    )
    dlr: ClassVar[str] = "spool"
    mask: ClassVar[int] = 1 + 2 + 8 + 16
    """Delivered, not delivered, taken by the centre, refused by it: as 121 and 122."""

    @classmethod
    def missing(cls) -> str | None:
        """See `SmsRig.missing`."""
        return missing_sms_peers()

    async def start(self) -> None:
        """See `SmsRig.start`."""
        admin, self._http = free_port(), free_port()
        for name in ("store", "dlr"):
            (self.folder / name).mkdir()
        config = self.folder / "kannel.conf"
        config.write_text(
            _CONF.format(
                admin=admin, box=free_port(), http=self._http, centre=self.centre_port,
                folder=self.folder, dlr=self.dlr, system_id=SYSTEM_ID, password=PASSWORD,
                window=WINDOW,
            ),
            encoding="utf-8",
        )  # fmt: skip
        env = {"LD_LIBRARY_PATH": ":".join(str(sms_root() / each) for each in LIBRARIES)}
        for box, port in (("bearerbox", admin), ("smsbox", self._http)):
            child = self.launch(str(sms_root() / "usr/sbin" / box), str(config), env=env)
            await child.listens(port)

    async def connect(self, traffic: Traffic) -> Sequence[Line]:
        """See `SmsRig.connect`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Callback(traffic), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._lines = [HttpLine(traffic, url, self.mask) for _ in range(self.lines)]
        for line in self._lines:
            await line.connect(self._http)
        return self._lines

    async def disconnect(self) -> None:
        """See `SmsRig.disconnect`."""
        for line in self._lines:
            await line.close()
        self._server.close()


class BriefKannelRig(KannelRig):
    """The least that may be asked of it: the end alone, and what it waits for is in memory."""

    name = "kannel-brief"
    title = "Kannel, end only, receipts in memory"
    promise = (
        "a file for each text, without fsync; which receipts it waits for it remembers until it "
        "is ended (dlr-storage internal); it does not tell that the centre has a text"
    )
    dlr = "internal"
    mask = 1 + 2
