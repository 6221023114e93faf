"""A text is asked about and stopped by its command's Id, from the application to the centre."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from linkage.client import Application, CommandRefusedError
from linkage.clock import SystemClock
from linkage.config.file import Config
from linkage.server.server import Server
from protocol import messages as m
from protocol.message import Message
from protocol.messages import SmsSendStatus as Sent
from protocol.reasons import Reason
from simulators.sms_centre import SmsCentre
from tests.fakes.core_bench import SECRET, peer

WAIT_S = 30.0
N = TypeVar("N", bound=Message)


def config(folder: Path, address: tuple[str, int]) -> Config:
    return Config.model_validate(
        {
            "source": folder / "linkage.toml",
            "listen": ["127.0.0.1:0"],
            "peer": [peer("desk", "application"), peer("other", "application", numbers=["3"])],
            "adapter": [
                {
                    "id": "sms",
                    "kind": "smpp",
                    "settings": {
                        "address": f"{address[0]}:{address[1]}",
                        "system_id": "linkage",
                        "password": "secret",
                    },
                }
            ],
        }
    )


async def sent_later(app: Application, number: str) -> str:
    """A text that waits for its time; the Id under which the application has sent it."""
    text = m.SendSms(
        receivers=(m.Receiver(phone_num=number),),
        content="fire",
        send_time=SystemClock().utc() + timedelta(hours=1),
    )
    while True:
        reply = await app.send(text, check=False)
        if reply.response.accepted:
            return reply.response.request_id
        await asyncio.sleep(0.05)  # the adapter binds still


async def told(app: Application, kind: type[N]) -> N:
    while True:
        message = (await app.next_notice()).message
        if isinstance(message, kind):
            return message


async def test_a_text_is_asked_about_and_stopped_by_the_id_of_its_command(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(WAIT_S),
        SmsCentre() as centre,
        Server(config(tmp_path, centre.address)) as server,
    ):
        place = server.addresses[0]
        async with (
            Application(*place, "desk", secret=SECRET) as desk,
            Application(*place, "other", secret=SECRET) as other,
        ):
            mine = await sent_later(desk, "13900000001")
            theirs = await sent_later(other, "13900000002")

            await desk.send(m.QuerySms(request_id=mine))
            assert (await told(desk, m.SmsReportNotice)).phone_num == "13900000001"

            for foreign in (theirs, *map(str, range(1, 40))):
                if foreign != mine:
                    with pytest.raises(CommandRefusedError):
                        await desk.send(m.CancelSms(request_id=foreign))

            await desk.send(m.CancelSms(request_id=mine))
            stopped = await told(desk, m.SmsSendResultNotice)
            assert (stopped.phone_num, stopped.status) == ("13900000001", Sent.FAILED)
            assert stopped.reason == Reason.OPERATOR_CANCELLED
            assert stopped.request_id == mine

            await other.send(m.QuerySms(request_id=theirs))
            assert (await told(other, m.SmsReportNotice)).status is None, "it waits still"
