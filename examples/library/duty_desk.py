"""A duty desk by the library: `LINKAGE_SECRET=… python duty_desk.py HOST PORT APP_ID EVENT_ID`."""

import asyncio
import os
import sys

from linkage.client import Application
from protocol.messages import CreateEvent, HangupNotice, IncomingCallNotice


async def main(host: str, port: str, app_id: str, event_id: str) -> None:
    """Open one event for the first call, and follow it until the call ends."""
    secret = os.environ["LINKAGE_SECRET"]
    calls = set()
    async with Application(host, int(port), app_id, secret=secret) as app:
        async for notice in app.notices():  # acknowledged when the loop comes back for the next
            print(notice.message.number, notice.message, flush=True)
            match notice.message:
                case IncomingCallNotice(call_id=call_id):  # a CallId may be given again
                    calls.add(call_id)
                    reply = await app.send(CreateEvent(call_id=call_id, event_id=event_id))
                    print("event created:", reply.response, flush=True)
                case HangupNotice(call_id=ended) if ended in calls:  # not just a leg of it
                    break


asyncio.run(main(*sys.argv[1:]))
