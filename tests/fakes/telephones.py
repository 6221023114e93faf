"""What telephones do by themselves at the `FakeAsterisk`, as the recordings show it."""

from __future__ import annotations

from typing import Any

from tests.fakes.asterisk import Bridge, FakeAsterisk, Line, describe_bridge


async def press_transfer(
    asterisk: FakeAsterisk, channel: str, number: str, other: str | None = None
) -> None:
    """The transfer key: for a number, or for the telephone's `other` channel (consultation)."""
    source = asterisk.lines[channel]
    assert source.functions == {"PJSIP_TRANSFER_HANDLING()": "ari-only"}, "Asterisk would do it"
    to: dict[str, Any] = {"requested_destination": {"destination": number}}
    if other is not None:
        to["requested_destination"]["protocol_id"] = f"call of {other}"
        to |= _pair(asterisk, "destination_channel", asterisk.lines[other])
    told: dict[str, Any] = {
        "refer_to": to,
        "referred_by": _pair(asterisk, "source_channel", source),
    }
    asterisk.transfers[channel] = told
    await asterisk.say("ChannelTransfer", **told)


def _pair(asterisk: FakeAsterisk, name: str, line: Line) -> dict[str, Any]:
    found = {name: asterisk._describe(line)}
    if line.bridge is not None:
        bridge = asterisk.bridges[line.bridge]
        found["bridge"] = describe_bridge(bridge)
        for other in bridge.members:
            if other != line.id:
                found["connected_channel"] = asterisk._describe(asterisk.lines[other])
    return found


async def send_on(asterisk: FakeAsterisk, number: str, to: str) -> None:
    """A telephone that rings answers 302; Asterisk dials there by a Local channel."""
    asterisk._count += 1
    line, name = asterisk.leg(number), f"Local/{to}@from-officers-{asterisk._count:08}"
    first = Line(f"F{asterisk._count};1", f"{name};1", "Down", [])
    second = Line(f"F{asterisk._count};2", f"{name};2", "Ring", ["officer", to, ""], in_app=True)
    asterisk.lines |= {first.id: first, second.id: second}
    asterisk.watched |= {first.id, second.id}
    await asterisk.say("StasisStart", second.id, args=second.args)
    await asterisk.say(
        "Dial",
        peer=asterisk._describe(line),
        dialstatus="CANCEL",
        forward=to,
        forwarded=asterisk._describe(first),
    )
    line.state = "Down"
    await asterisk._end(line, 23)


async def pick_up_for(asterisk: FakeAsterisk, number: str, by: str, *, late: bool = False) -> str:
    """A colleague's channel takes the place of one that rings; `late`: told after that ended."""
    asterisk._count += 1
    rung = asterisk.leg(number)
    name = f"PJSIP/{by}-{asterisk._count:08}"
    line = Line(f"P{asterisk._count}", name, "Up", rung.args, number=by, in_app=True)
    asterisk.lines[line.id] = line
    await asterisk.say("ChannelStateChange", line.id)
    if late:
        await asterisk._end(rung, 16)
    await asterisk.say("StasisStart", line.id, args=line.args)
    if not late:
        await asterisk._end(rung, 16)
    return line.id


async def park(asterisk: FakeAsterisk, channel: str) -> None:
    """Another program parks a channel."""
    line = asterisk.lines[channel]
    bridge = asterisk.bridges["parking"] = Bridge("parking", kind="parking")
    await asterisk.leave_app(line)
    await asterisk._join(line, bridge)


async def fetch(asterisk: FakeAsterisk, channel: str, by: str) -> str:
    """A colleague fetches a parked channel, by the dialplan alone; returns the colleague's."""
    asterisk._count += 1
    line = asterisk.lines[channel]
    other = Line(f"U{asterisk._count}", f"PJSIP/{by}-{asterisk._count:08}", "Up", [], number=by)
    asterisk.lines[other.id] = other
    await asterisk.say("ChannelStateChange", other.id)
    await asterisk._leave(line)
    bridge = asterisk.bridges["fetched"] = Bridge("fetched", kind="basic")
    await asterisk._join(line, bridge)
    await asterisk._join(other, bridge)
    return other.id
