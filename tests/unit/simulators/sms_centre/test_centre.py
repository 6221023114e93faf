"""The centre by itself, over its socket, spoken to by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simulators.clock import RealClock
from simulators.sms_centre import BEHAVIOURS, Behaviour, IdForm, SmsCentre, wire
from simulators.sms_centre.behaviour import behaviour_of, written

SUBMIT = (
    b"\0\1\1" + b"12345\0" + b"\1\1" + b"%s\0" + bytes((0, 0, 0)) + b"\0\0"
    + bytes((1, 0, 0, 0, 4)) + b"fire"
)  # fmt: skip


@pytest.fixture
async def centre() -> AsyncIterator[SmsCentre]:
    async with SmsCentre(clock=RealClock(speed=100.0)) as made:
        yield made


class Esme:
    """Somebody who is bound."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def bound(cls, centre: SmsCentre, password: bytes = b"secret") -> Esme:
        esme = cls(*await asyncio.open_connection(*centre.address))
        esme.send(wire.pdu(0x09, 1, b"linkage\0" + password + b"\0\0\x34\0\0\0"))
        return esme

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def next(self) -> tuple[int, int, int, bytes]:
        header = await self.reader.readexactly(16)
        length, command, status, sequence = wire.HEADER.unpack(header)
        return command, status, sequence, await self.reader.readexactly(length - 16)


async def test_a_wrong_password_is_refused(centre: SmsCentre) -> None:
    esme = await Esme.bound(centre, b"wrong")
    command, status, _, _ = await esme.next()
    assert (command, status) == (0x8000_0009, 0x0E)
    esme.send(wire.pdu(wire.SUBMIT, 2, SUBMIT % b"139"))
    assert (await esme.next())[1] == 0x04
    esme.writer.close()


async def test_a_text_is_answered_and_its_receipt_offered_until_it_is_answered(
    centre: SmsCentre,
) -> None:
    esme = await Esme.bound(centre)
    await esme.next()
    esme.send(wire.pdu(wire.SUBMIT, 2, SUBMIT % b"13900000001"))
    assert await centre.wait_for_text("13900000001") == "fire"
    _, status, sequence, message_id = await esme.next()
    assert (status, sequence) == (0, 2)
    command, _, _, receipt = await esme.next()
    assert command == wire.DELIVER
    assert b"id:" + message_id[:-1] in receipt
    esme.writer.close()
    await esme.writer.wait_closed()
    again = await Esme.bound(centre)
    await again.next()
    command, _, sequence, offered = await again.next()
    assert offered == receipt
    again.send(wire.pdu(wire.DELIVER | wire.RESPONSE, sequence, b"\0"))
    again.send(wire.pdu(wire.UNBIND, 3))
    assert (await again.next())[0] == wire.UNBIND | wire.RESPONSE
    assert not centre.stored
    again.writer.close()


@pytest.mark.parametrize("length", [0, 15, 1 << 31])
async def test_what_is_no_smpp_is_hung_up_on(centre: SmsCentre, length: int) -> None:
    esme = await Esme.bound(centre)
    await esme.next()
    esme.send(length.to_bytes(4, "big") + bytes(12))
    assert await esme.reader.read() == b""
    esme.writer.close()


async def test_a_submit_sm_that_is_cut_is_refused(centre: SmsCentre) -> None:
    esme = await Esme.bound(centre)
    await esme.next()
    esme.send(wire.pdu(wire.SUBMIT, 2, (SUBMIT % b"139")[:-1]))
    assert (await esme.next())[1:3] == (0x01, 2)
    esme.send(wire.pdu(0x77, 3))
    assert (await esme.next())[:3] == (wire.NACK, 0x03, 3)
    esme.writer.close()


def test_the_last_digits_say_what_becomes_of_a_text() -> None:
    assert behaviour_of("13900000000").meaning == "delivered"
    assert {behaviour_of(f"139000000{digits}") for digits in BEHAVIOURS} == set(
        BEHAVIOURS.values()
    )
    assert Behaviour(meaning="x").state == "DELIVRD"


def test_each_form_of_an_id_differs_from_the_others() -> None:
    assert {form: written(0x1_0000_000A, form) for form in IdForm} == {
        IdForm.SAME: ("10000000a", "10000000a"),
        IdForm.DECIMAL: ("10000000a", "4294967306"),
        IdForm.HEX: ("4294967306", "10000000A"),
        IdForm.UPPER: ("10000000a", "10000000A"),
        IdForm.PADDED: ("4294967306", "00000000004294967306"),
    }
