#!/usr/bin/env bash
# An SMS with a message class, or one marked as GBK, is refused by aiosmpplib, and the SMSC cannot
# tell why.
#
# SMPP 3.4 (5.2.19) has data_coding 1111xxxx as "GSM message class control"; 0xF1 is plain text in
# the default alphabet, class 1 of 3GPP TS 23.038. 15 is what gateways of Chinese carriers use for
# GBK. The library knows 0 to 10 and 14 by an enumeration, and answers any other by generic_nack
# with command_status 0, which is "no error".
# For a desk: the SMS of such a sender never comes, and on the other side smpp34 (here the SMSC)
# reports an error by the name ESME_ROK. The hook is given the octets, with None as the message:
# read them there.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
python_with aiosmpplib==0.7.4 smpp34==1.5.0

guess 'the SMS arrives (its class is of no interest), or is answered by deliver_sm_resp with an error'
"$PYTHON" - <<'PY'
import asyncio
import logging
import os
import socket

import smpp34
from aiosmpplib import ESME, AbstractHook, BindMode
from lib_seen import seen

logging.disable(logging.CRITICAL)


class Desk(AbstractHook):
    def __init__(self):
        self.got = []

    async def send_error(self, smpp_message, error, client_id): ...

    async def sending(self, smpp_message, pdu, client_id):
        self.sent = pdu, type(smpp_message).__name__

    async def received(self, smpp_message, pdu, client_id):
        if b"help" in pdu:
            self.got.append(getattr(smpp_message, "short_message", None))


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
    for coding, text, answer in (
        (0x00, "help", "deliver_sm_resp 0"),
        (0xF1, None, "error ESME_ROK (0x00000000)"),
        (0x0F, None, "error ESME_ROK (0x00000000)"),
    ):
        desk.got.clear()
        try:
            response = await session.deliver_sm(
                "12345", b"help", source_addr="139", data_coding=coding
            )
            told = f"deliver_sm_resp {response.command_status}"
        except smpp34.SmppError as error:
            told = f"error {error}"
        await asyncio.sleep(0.5)
        seen(f"data_coding {coding:#04x}: the SMSC is told", told, answer)
        seen(f"data_coding {coding:#04x}: text given to the application", desk.got, [text])
    pdu, name = desk.sent
    seen("last PDU of the desk", (name, pdu[4:12].hex()), ("GenericNack", "8000000000000000"))
    client.cancel()

asyncio.run(asyncio.wait_for(main(), 60))
os._exit(0)  # the threads of smpp34 do not always outlive an orderly end of Python
PY
