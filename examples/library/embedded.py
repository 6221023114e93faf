"""A dispatch platform with linkage inside it: `python embedded.py linkage.toml EVENT_ID`.

The file has a `[[peer]]` "desk" (application) and a `[[peer]]` "exchange" (platform); make it by
`linkage init DIR --peer application:desk --peer platform:exchange`.
"""

import asyncio
import sys
from pathlib import Path

import linkage
from linkage.client import Application, Platform
from protocol.messages import CallDirection, CreateEvent, HangupNotice, IncomingCallNotice


def secret_of(config: linkage.Config, peer_id: str) -> str:
    """The secret of one of our own peers."""
    peer = config.find_peer(peer_id)
    assert peer is not None, f"{peer_id} is not in the configuration"
    assert peer.secret is not None, f"{peer_id} has no secret"
    return peer.secret.get_secret_value()


async def exchange(platform: Platform) -> None:
    """Stands for your telephony: a call comes in, and ends once the desk has made its event."""
    call = IncomingCallNotice(
        call_id="c1", direction=CallDirection.IN, login_id="13", phone_num="13912344444"
    )
    await platform.notify(call)  # on disk when this returns
    async for command in platform.commands():
        print("exchange:", command.message, flush=True)
        await command.answer()
        if isinstance(command.message, CreateEvent):
            await platform.notify(HangupNotice(call_id="c1", login_id="13"))
            return


async def desk(app: Application, event_id: str) -> None:
    """Stands for your business: opens an event for the call."""
    async for notice in app.notices():
        print("desk:", notice.message, flush=True)
        match notice.message:
            case IncomingCallNotice(call_id=call_id):
                await app.send(CreateEvent(call_id=call_id, event_id=event_id))
            case HangupNotice():
                return


async def main(path: str, event_id: str) -> None:
    """Run linkage, and both sides of it, in this process."""
    config = linkage.load_config(Path(path))
    async with linkage.Server(config) as server:
        host, port = server.addresses[0]
        async with (
            Application(host, port, "desk", secret=secret_of(config, "desk")) as app,
            Platform(host, port, "exchange", secret=secret_of(config, "exchange")) as platform,
        ):
            await asyncio.gather(desk(app, event_id), exchange(platform))


asyncio.run(main(*sys.argv[1:]))
