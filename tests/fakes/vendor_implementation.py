"""A vendor's implementation, written from docs/reference/protocol.md, that can do it wrong.

It shares no code with the kit that is to find its defects, nor with the protocol: sockets, struct,
HMAC and an XML parser. Without defects it is right; `Defect` has one switch for each mistake.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from lxml import etree

from linkage.clock import SystemClock

SECRET: Final = "a secret of the tests"
HEARTBEAT_S: Final = 0.2
AGAIN_S: Final = 0.01
NAMES: Final = {"application": "AppId", "platform": "PlatformId"}
REGISTERS: Final = {"application": "290", "platform": "190"}
KNOWN: Final = {
    "application": {"100", "102", "103", "105", "110", "115", "116", "199"},
    "platform": {"201", "210", "292", "293", "299"},
}
NEEDED: Final = {"100": "Type", "201": "EventId"}
OWN: Final = {"application": "25", "platform": "13"}
SPAN_MAX: Final = 4 * 1024 * 1024


class Defect(StrEnum):
    """What vendors get wrong."""

    LITTLE_ENDIAN = auto()
    LENGTH_COUNTS_HEADER = auto()
    NO_REGISTRATION = auto()
    NO_NONCE = auto()
    SAME_NONCE = auto()
    WRONG_DIGEST = auto()
    OLD_CLOCK = auto()
    IMPATIENT = auto()
    GOES_ON_AFTER_REFUSAL = auto()
    ANSWERS_HEARTBEATS = auto()
    NO_HEARTBEATS = auto()
    NO_RESPONSE = auto()
    WRONG_TYPE_IN_RESPONSE = auto()
    WRONG_ID_IN_RESPONSE = auto()
    REPLIES_TWICE = auto()
    ACTS_TWICE = auto()
    REFUSES_DUPLICATES = auto()
    DROPS_WHAT_MAY_BE_REPEATED = auto()
    LOOKS_AT_THE_ID_ALONE = auto()
    ONE_MESSAGE_A_PACKET = auto()
    WANTS_WHOLE_PACKETS = auto()
    CHECKS_RESERVED = auto()
    SIGNED_LENGTH = auto()
    CLOSES_AT_FRAGMENTS = auto()
    DIES_AT_UNKNOWN_ELEMENT = auto()
    ECHOES_EMPTY = auto()
    WRONG_DIRECTION = auto()
    IDS_REPEATED = auto()
    LONG_EVENT_ID = auto()
    LAST_SEQ_STANDS_STILL = auto()
    LAST_SEQ_TOO_FAR = auto()
    IGNORES_FLAGS = auto()
    HANGS_AT_BAD_XML = auto()
    CLOSES_AT_REFUSALS = auto()
    TAKES_DOCTYPE = auto()
    TAKES_ANY_REGISTRATION = auto()
    SERVES_STRANGERS = auto()
    TAKES_UNKNOWN_COMMANDS = auto()
    EXECUTES_LATE = auto()
    FORGETS_UNANSWERED = auto()
    RESULT_WITHOUT_EVENT = auto()
    NO_RESULT = auto()
    IGNORES_FAREWELL = auto()
    ENDS_WITH_THE_CALL = auto()
    FLOODS = auto()
    FLOODS_WITH_HEARTBEATS = auto()


class Implementation:
    """A vendor's program in one of the two roles."""

    def __init__(self, role: str, *defects: Defect) -> None:
        self._role = role
        self._defects = frozenset(defects)
        self._answered: dict[object, str] = {}
        self._unanswered: dict[str, str] = {}
        self._last_seq: int | None = None
        self._nonce = secrets.token_hex(16)
        self._nonces: set[str] = set()
        self._made = 0

    def has(self, defect: Defect) -> bool:
        return defect in self._defects

    # --- how it comes to connections ------------------------------------------------------------
    async def connect(self, host: str, port: int) -> None:
        """Connect again and again, until cancelled."""
        while True:
            with suppress(OSError):
                streams = await asyncio.open_connection(host, port)
                await Conversation(self, *streams, dialled=False).run()
            await asyncio.sleep(AGAIN_S)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Wait for linkage; the port."""
        tasks: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with suppress(OSError, asyncio.CancelledError):
                await Conversation(self, reader, writer, dialled=True).run()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def new_id(self) -> str:
        self._made += 1
        return "v1" if self.has(Defect.IDS_REPEATED) else f"v{self._made}"


class Conversation:
    """One connection of it."""

    def __init__(
        self,
        vendor: Implementation,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        dialled: bool,
    ) -> None:
        self._vendor = vendor
        self._role = vendor._role
        self._reader = reader
        self._writer = writer
        self._dialled = dialled
        self._registered = vendor.has(Defect.NO_REGISTRATION) or (
            dialled and vendor.has(Defect.SERVES_STRANGERS)
        )
        self._buffer = b""
        self._message = b""
        self._registration = ""
        self._refused = 0

    async def run(self) -> None:
        beating = asyncio.get_running_loop().create_task(self._beat())
        try:
            if not self._dialled:
                self._begin()
            while data := await self._reader.read(65_536):
                self._buffer += data
                self._cut(len(data))
        except ConnectionError:
            pass
        finally:
            beating.cancel()
            self._writer.transport.abort()
            with suppress(OSError):
                await self._writer.wait_closed()

    # --- frames ---------------------------------------------------------------------------------
    def _frame(self, flag: int, payload: bytes = b"") -> None:
        length = len(payload)
        if self._vendor.has(Defect.LENGTH_COUNTS_HEADER):
            length += 4
        order = "<" if self._vendor.has(Defect.LITTLE_ENDIAN) else ">"
        self._writer.write(struct.pack(f"{order}BBH", flag, 0, length) + payload)

    async def _beat(self) -> None:
        while not self._vendor.has(Defect.NO_HEARTBEATS):
            await asyncio.sleep(HEARTBEAT_S)
            self._frame(2)

    def _cut(self, came: int) -> None:
        while len(self._buffer) >= 4:
            flag, reserved, length = struct.unpack(">BBH", self._buffer[:4])
            if reserved and self._vendor.has(Defect.CHECKS_RESERVED):
                raise ConnectionError
            if length > 32_767 and self._vendor.has(Defect.SIGNED_LENGTH):
                raise ConnectionError
            if len(self._buffer) < 4 + length:
                if self._vendor.has(Defect.WANTS_WHOLE_PACKETS) and came < 4:
                    self._buffer = b""
                return
            payload, self._buffer = self._buffer[4 : 4 + length], self._buffer[4 + length :]
            if self._vendor.has(Defect.ONE_MESSAGE_A_PACKET):
                self._buffer = b""
            self._take_frame(flag, payload)

    def _take_frame(self, flag: int, payload: bytes) -> None:
        if flag == 3:
            if self._vendor.has(Defect.CLOSES_AT_FRAGMENTS):
                raise ConnectionError
            self._message += payload
            if len(self._message) > SPAN_MAX:
                raise ConnectionError
        elif flag == 1 or (payload and self._vendor.has(Defect.IGNORES_FLAGS)):
            message, self._message = self._message + payload, b""
            self._take_payload(message)
        elif flag == 2 and self._vendor.has(Defect.ANSWERS_HEARTBEATS):
            self._frame(2)

    def _take_payload(self, payload: bytes) -> None:
        try:
            root = etree.fromstring(payload, etree.XMLParser(resolve_entities=False))
        except (etree.XMLSyntaxError, ValueError):
            if self._vendor.has(Defect.HANGS_AT_BAD_XML):
                self._message = b"<"
            return
        doctype = root.getroottree().docinfo.internalDTD is not None
        if doctype and not self._vendor.has(Defect.TAKES_DOCTYPE):
            return
        if root.tag == "response":
            self._take_response(root)
        elif root.get("Id"):
            self._take_request(root)

    # --- registration ---------------------------------------------------------------------------
    def _begin(self) -> None:
        if self._vendor.has(Defect.NO_REGISTRATION):
            self._request("292" if self._role == "application" else "191", "")
            return
        number, name = REGISTERS[self._role], NAMES[self._role]
        vendor = self._vendor
        now = _utc()
        if vendor.has(Defect.OLD_CLOCK):
            now -= timedelta(hours=1)
        time = now.isoformat(timespec="milliseconds")
        nonce = vendor._nonce if vendor.has(Defect.SAME_NONCE) else secrets.token_hex(16)
        digest = sign(number, "vendor", time, nonce)
        if vendor.has(Defect.WRONG_DIGEST):
            digest = digest.upper()
        body = f"<{name}>vendor</{name}><ProtoVer>1</ProtoVer><Time>{time}</Time>"
        if not vendor.has(Defect.NO_NONCE):
            body += f"<Nonce>{nonce}</Nonce>"
        body += f"<Digest>{digest}</Digest>"
        if vendor._last_seq is not None:
            body += f"<LastSeq>{vendor._last_seq}</LastSeq>"
        self._registration = self._request(number, body)
        if vendor.has(Defect.IMPATIENT):
            self._request("292" if self._role == "application" else "191", "")

    def _take_response(self, root: etree._Element) -> None:
        request_id = root.get("RequestId", "")
        self._vendor._unanswered.pop(request_id, None)
        if request_id != self._registration:
            return
        if int(root.get("Result", "500")) >= 10:
            if self._vendor.has(Defect.GOES_ON_AFTER_REFUSAL):
                self._request("292" if self._role == "application" else "191", "")
                return
            raise ConnectionError
        self._registered = True
        if self._vendor.has(Defect.FLOODS):
            flood = b'<request Id="flood" Type="292"/>'
            self._writer.write((struct.pack(">BBH", 1, 0, len(flood)) + flood) * 20_000)
        if self._vendor.has(Defect.FLOODS_WITH_HEARTBEATS):
            self._writer.write(struct.pack(">BBH", 2, 0, 0) * 20_000)
        last_seq = root.get("LastSeq")
        if self._vendor._last_seq is None and last_seq is not None:
            self._vendor._last_seq = int(last_seq)
        for xml in self._vendor._unanswered.values():
            self._frame(1, xml.replace("<request ", '<request Resend="1" ', 1).encode())

    def _judge(self, root: etree._Element) -> int:
        texts = {str(child.tag): child.text or "" for child in root}
        time, nonce = texts.get("Time", ""), texts.get("Nonce", "")
        digest = sign("190", texts.get("PlatformId", ""), time, nonce)
        age = abs(_utc() - datetime.fromisoformat(time))
        good = (
            hmac.compare_digest(digest, texts.get("Digest", ""))
            and age < timedelta(seconds=300)
            and nonce not in self._vendor._nonces
        )
        self._vendor._nonces.add(nonce)
        if not good and not self._vendor.has(Defect.TAKES_ANY_REGISTRATION):
            return 201
        self._registered = True
        return 0

    # --- messages -------------------------------------------------------------------------------
    def _request(self, number: str, body: str) -> str:
        request_id = self._vendor.new_id()
        xml = f'<request Id="{request_id}" Type="{number}">{body}</request>'
        if number == "192" and not self._vendor.has(Defect.FORGETS_UNANSWERED):
            self._vendor._unanswered[request_id] = xml
        self._frame(1, xml.encode())
        return request_id

    def _respond(self, root: etree._Element, result: int, more: str = "") -> None:
        request_id, number = root.get("Id", ""), root.get("Type", "")
        if self._vendor.has(Defect.NO_RESPONSE) and number != "190":
            return
        self._refused += result >= 100
        if self._refused >= 3 and self._vendor.has(Defect.CLOSES_AT_REFUSALS):
            raise ConnectionError
        if self._vendor.has(Defect.WRONG_TYPE_IN_RESPONSE):
            number = f"{int(number) + 100}"
        if self._vendor.has(Defect.WRONG_ID_IN_RESPONSE):
            request_id = "1"
        xml = f'<response RequestId="{request_id}" Type="{number}" Result="{result}"{more}/>'
        for _ in range(2 if self._vendor.has(Defect.REPLIES_TWICE) else 1):
            self._frame(1, xml.encode())

    def _take_request(self, root: etree._Element) -> None:
        vendor, number = self._vendor, root.get("Type", "")
        if self._dialled and number == "190":
            self._respond(root, self._judge(root), _last_seq(vendor._last_seq))
            return
        if not self._registered:
            self._respond(root, 200)
            return
        if vendor.has(Defect.IGNORES_FAREWELL) and number in {"199", "299"}:
            return
        body = b"".join(etree.tostring(child) for child in root)
        key: object = (root.get("Id"), number, body)
        if vendor.has(Defect.LOOKS_AT_THE_ID_ALONE):
            key = root.get("Id")
        known = vendor._answered.get(key)
        if known is not None and not vendor.has(Defect.ACTS_TWICE):
            refused = vendor.has(Defect.REFUSES_DUPLICATES)
            self._respond(root, 307 if refused else int(known), ' Detail="duplicate"')
            return
        if root.get("Repeat") == "1" and vendor.has(Defect.DROPS_WHAT_MAY_BE_REPEATED):
            self._respond(root, 0, ' Detail="duplicate"')
            return
        result = self._result(root, number)
        vendor._answered[key] = str(result)
        self._note_seq(root)
        self._respond(root, result, self._echo(root))
        if result < 10:
            self._act(root, number)

    def _result(self, root: etree._Element, number: str) -> int:
        if self._vendor.has(Defect.DIES_AT_UNKNOWN_ELEMENT) and root.find("Later") is not None:
            raise ConnectionError
        if number[:1] in OWN[self._role]:
            return 106
        if number not in KNOWN[self._role]:
            return 0 if self._vendor.has(Defect.TAKES_UNKNOWN_COMMANDS) else 101
        if NEEDED.get(number) and root.find(NEEDED[number]) is None:
            return 102
        if len(root.findtext("CallId", "")) > 20:
            return 103
        late = _is_late(root) and not self._vendor.has(Defect.EXECUTES_LATE)
        return 309 if late else 0

    def _note_seq(self, root: etree._Element) -> None:
        seq = root.get("Seq")
        if seq is None:
            return
        if self._vendor.has(Defect.LAST_SEQ_TOO_FAR):
            self._vendor._last_seq = int(seq) + 1
        elif not self._vendor.has(Defect.LAST_SEQ_STANDS_STILL):
            self._vendor._last_seq = int(seq)

    def _echo(self, root: etree._Element) -> str:
        conference = root.findtext("ConferenceID")
        if conference and self._vendor.has(Defect.ECHOES_EMPTY):
            return f' ConferenceID="{conference}"'
        return ""

    def _act(self, root: etree._Element, number: str) -> None:
        if number == "100":
            call_id = root.findtext("CallId", "")
            event_id = call_id * 3 if self._vendor.has(Defect.LONG_EVENT_ID) else "77"
            self._request("201", f"<CallId>{call_id}</CallId><EventId>{event_id}</EventId>")
            if self._vendor.has(Defect.WRONG_DIRECTION):
                self._request("102", f"<CallId>{call_id}</CallId>")
        elif number == "102" and self._vendor.has(Defect.ENDS_WITH_THE_CALL):
            self._writer.close()
        elif number == "292":
            self._request("192", "")
        elif number == "210" and not self._vendor.has(Defect.NO_RESULT):
            event_id = root.findtext("EventId", "")
            said = f"<EventId>{event_id}</EventId>"
            if self._vendor.has(Defect.RESULT_WITHOUT_EVENT):
                said = ""
            for phone in root.iter("PhoneNum"):
                self._request("110", f"{said}<PhoneNum>{phone.text}</PhoneNum>")


def _is_late(root: etree._Element) -> bool:
    expire, time = root.get("Expire"), root.get("Time")
    if expire is None or time is None:
        return False
    return _utc() - datetime.fromisoformat(time) > timedelta(seconds=int(expire))


def _utc() -> datetime:
    return SystemClock().utc()


def sign(number: str, peer_id: str, time: str, nonce: str) -> str:
    signed = f"{number}\n{peer_id}\n{time}\n{nonce}".encode()
    return hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


def _last_seq(last_seq: int | None) -> str:
    return "" if last_seq is None else f' LastSeq="{last_seq}"'
