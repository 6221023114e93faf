#!/usr/bin/env bash
# The SMPP client smpp34 acknowledges SMS that the application has not taken yet: 1024 of them.
#
# deliver_sm_resp is what makes an SMSC forget a message, and in an asynchronous library with a
# pull interface (`await smsc.next()`) one expects it after the pull. It is sent by the core before.
# For a desk: a process that is killed or stuck takes up to 1024 alarms with it that the network
# counts as delivered, and no option moves the acknowledgement behind one's own journal.
# Keep inbound_capacity at 1, and the answer to "was it lost?" is still: perhaps one.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
python_with smpp34==1.5.0

guess 'an SMS is acknowledged when the application has taken it; until then the SMSC waits'
"$PYTHON" - <<'PY'
import asyncio
import os
import socket

import smpp34
from lib_seen import seen


async def acknowledged(**options):
    """Send until the SMSC is refused; the application never asks for a message."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    smsc = smpp34.Server("127.0.0.1", port, system_id="smsc")
    await smsc.start()
    client = smpp34.Client("127.0.0.1", port, "desk", "desk", bind_type="TRX", **options)
    desk = await client.connect()  # kept, and never asked by `await desk.next()`
    session = await smsc.next()
    count, status = 0, 0
    while not status and count < 3000:
        status = (await session.deliver_sm("12345", b"help", source_addr="139")).command_status
        count += not status
    await desk.unbind()
    await client.stop()
    await smsc.stop()
    return count, status


async def main():
    count, status = await acknowledged()
    seen("acknowledged, and read by nobody", count, 1024)
    seen("what the SMSC is told then (0x14: message queue full)", status, 0x14)
    count, _ = await acknowledged(inbound_capacity=1)
    seen("acknowledged unread with inbound_capacity=1", count, 1)

asyncio.run(asyncio.wait_for(main(), 60))
os._exit(0)  # the threads of smpp34 do not always outlive an orderly end of Python
PY
