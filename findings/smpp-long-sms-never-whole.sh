#!/usr/bin/env bash
# aiosmpplib joins a long SMS whose reference has one octet, and never one of two octets.
#
# Both are in 3GPP TS 23.040 (information elements 00 and 08), and which one comes is the choice of
# the sender's telephone. The library reads four octets where the reference has two, so that each
# part gets a reference of its own. The parts are acknowledged and the application sees none.
# For a desk: long alarms of some citizens vanish, those of others arrive, and the SMSC's books say
# that all were delivered. Join parts yourself, from the octets.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
python_with aiosmpplib==0.7.4 smpp34==1.5.0

guess 'both long SMS arrive whole: the library documents that it joins segmented messages'
"$PYTHON" - <<'PY'
import asyncio
import logging
import os
import socket

import smpp34
from aiosmpplib import ESME, AbstractHook, BindMode, DeliverSm
from lib_seen import seen

PARTS = ("On the third floor of 8 Renmin Road ", "there is a fire, ", "and two of us are trapped")
# Length of the header, element, length of the element, reference.
ONE_OCTET, TWO_OCTETS = b"\x05\x00\x03\x34", b"\x06\x08\x04\x12\x34"
logging.disable(logging.CRITICAL)


class Desk(AbstractHook):
    def __init__(self):
        self.texts = []

    async def sending(self, smpp_message, pdu, client_id): ...

    async def send_error(self, smpp_message, error, client_id): ...

    async def received(self, smpp_message, pdu, client_id):
        if isinstance(smpp_message, DeliverSm):
            self.texts.append(smpp_message.short_message)


async def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    smsc, desk = smpp34.Server("127.0.0.1", port, system_id="smsc"), Desk()
    await smsc.start()
    client = asyncio.create_task(
        ESME("127.0.0.1", port, "desk", "desk", bind_mode=BindMode.TRANSCEIVER, hook=desk).start()
    )
    session = await smsc.next()
    for name, header, texts in (("one octet", ONE_OCTET, ["".join(PARTS)]), ("two octets", TWO_OCTETS, [])):
        desk.texts.clear()
        answers = [
            (await session.deliver_sm(
                "12345", header + bytes([len(PARTS), number]) + text.encode(), source_addr="139",
                esm_class=0x40,
            )).command_status
            for number, text in enumerate(PARTS, 1)
        ]
        await asyncio.sleep(0.5)
        seen(f"reference of {name}: acknowledged with", answers, [0, 0, 0])
        seen(f"reference of {name}: given to the application", desk.texts, texts)
    client.cancel()

asyncio.run(asyncio.wait_for(main(), 60))
os._exit(0)  # the threads of smpp34 do not always outlive an orderly end of Python
PY
