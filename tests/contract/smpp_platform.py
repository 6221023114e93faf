"""An SMS centre for the contract: the simulator, with receipts when the contract wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from linkage.clock import SystemClock
from protocol import messages as m
from protocol.message import Message
from pytest_linkage.contract.platform import Delivery, Expected, PlatformDouble
from simulators.sms_centre import Behaviour, SmsCentre, wire

PASSWORD: Final = "pw-nobody-reads"[:8]
WRONG: Final = "wrong-pw"
SILENT: Final = Behaviour(meaning="the contract says what becomes of it", receipts=0)
GARBAGE: Final = (
    wire.pdu(wire.DELIVER, 900_001),
    wire.pdu(wire.DELIVER, 900_002, b"\0\1\1139"),
    wire.pdu(wire.DELIVER, 900_003, wire.deliver(wire.Sm("1", "2"))[:-1] + b"\xff"),
    wire.pdu(wire.DELIVER, 900_004, wire.deliver(wire.Sm("1", "2", tlvs={0x020C: b""})) + b"\1"),
    wire.pdu(wire.DELIVER, 900_005, wire.deliver(wire.Sm("1", "2", b"\xff", esm_class=0x40))),
    wire.pdu(wire.DELIVER, 900_006, wire.deliver(wire.Sm("1", "2", b"id: stat:", esm_class=4))),
    wire.pdu(0x99, 900_007, b"\xff" * 300),
    wire.pdu(0x1234 | wire.RESPONSE, 900_008, b"x"),
    wire.pdu(wire.SUBMIT | wire.RESPONSE, 900_009, b"no request has this number\0"),
    wire.pdu(wire.NACK, 0, status=0x03),
)


class SmppPlatform(PlatformDouble):
    """Keeps what was not acknowledged, and offers it to whoever binds next."""

    tells_again = True

    def __init__(self) -> None:
        super().__init__()
        self.centre = SmsCentre(accounts={"linkage": PASSWORD}, behaviour=lambda _: SILENT)
        self._count = 0

    # --- the wire --------------------------------------------------------------------------------
    @property
    def settings(self) -> Mapping[str, Any]:
        host, port = self.centre.address
        return {
            "address": f"{host}:{port}", "system_id": "linkage", "password": PASSWORD,
            "sender": "12345", "response_s": 1.0, "enquire_s": 1.0,
        }  # fmt: skip

    @property
    def secrets(self) -> Sequence[str]:
        return [PASSWORD, WRONG]

    @property
    def wrong_settings(self) -> Mapping[str, Any]:
        return {**self.settings, "password": WRONG}

    async def start(self) -> None:
        await self.centre.start()

    async def stop(self) -> None:
        await self.centre.stop()

    def freeze(self) -> None:
        self.centre.freeze()

    def thaw(self) -> None:
        self.centre.thaw()

    async def emit(self, event: Any) -> None:
        self.centre.store(event)

    async def pass_on(self, event: Any) -> None:
        if self.delivery is Delivery.LOST:
            self.centre.store(event, is_lost=True)
        else:
            await super().pass_on(event)

    async def garbage(self) -> None:
        for each in GARBAGE:
            self.centre.send_raw(each)

    # --- what happens ----------------------------------------------------------------------------
    async def occur(self) -> Expected:
        self._count += 1
        number, text = f"1390000{self._count:04}", f"coming {self._count}"
        await self.pass_on(wire.Sm(number, "12345", text.encode()))
        return Expected(m.SmsReceivedNotice, {"phone_num": number, "content": text})

    def command(self) -> Message:
        self._count += 1
        receivers = tuple(m.Receiver(phone_num=f"{n}0000{self._count:04}") for n in (138, 137))
        return m.SendSms(
            sms_id=f"P{self._count}", content=f"fire {self._count}", receivers=receivers
        )

    def done(self, command: Message) -> int:
        """Each of the two receivers is to be written to once; the worse of the two counts."""
        assert isinstance(command, m.SendSms)
        texts = [self.centre.texts_to(each.phone_num or "") for each in command.receivers]
        return max(map(len, texts))

    async def conclude(self, command: Message, request_id: str) -> Sequence[Expected]:
        assert isinstance(command, m.SendSms)
        told: list[Expected] = []
        numbers = {each.phone_num for each in command.receivers}
        for taken in [each for each in self.centre.taken if each.to in numbers]:
            await self.pass_on(
                wire.receipt(
                    taken.sm, taken.receipt_id, "DELIVRD", SystemClock().utc(), with_tlvs=False
                )
            )
            names = {"request_id": request_id, "sms_id": command.sms_id, "phone_num": taken.to}
            told += [
                Expected(m.SmsSendResultNotice, {**names, "status": m.SmsSendStatus.ACCEPTED}),
                Expected(m.SmsReportNotice, {**names, "status": m.SmsReportStatus.DELIVERED}),
            ]
        return told
