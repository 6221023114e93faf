"""What people do at their telephones, and what a fake Asterisk does by itself."""

from __future__ import annotations

from typing import Any

from tests.fakes.asterisk.channels import CAUSES, Line
from tests.fakes.asterisk.switch import Switch


class People(Switch):
    """They dial, pick up, press keys and hang up."""

    async def call(
        self,
        dials: str = "12345",
        number: str = "13800138000",
        role: str = "caller",
        channel: str | None = None,
    ) -> str:
        """Somebody dials; returns the channel, which has an id of its own if none is given."""
        self._count += 1
        line = Line(
            id=channel or f"1795365{self._started}.{self._count}",
            name=f"PJSIP/{number if role == 'officer' else 'caller'}-{self._count:08}",
            state="Ring",
            args=[role, dials, number],
            number=number,
            exten=dials,
        )
        self.lines[line.id] = line
        await self._enter(line)
        return line.id

    def leg(self, number: str) -> Line:
        """The channel of an officer's telephone that rings or speaks."""
        return next(
            line for line in self.lines.values() if line.name.startswith(f"PJSIP/{number}-")
        )

    async def pick_up(self, number: str) -> str:
        """An officer answers; returns the channel."""
        line = self.leg(number)
        line.state = "Up"
        await self._say("ChannelStateChange", line)
        await self._dial(line, "ANSWER")
        await self._enter(line)
        return line.id

    async def hang_up(
        self, channel: str, cause: int | None = None, status: int | None = None
    ) -> None:
        """A telephone hangs up, or says why it will not have the call: Q.850 cause, SIP status."""
        line = self.lines[channel]
        more = {} if cause is None else {"cause": cause}
        if status is not None:
            more["tech_cause"] = status
        await self._say("ChannelHangupRequest", line, **more)
        if not line.in_app and cause is not None:
            await self._dial(line, "BUSY" if cause == CAUSES["busy"] else "NOANSWER")
        await self._end(line, 16 if cause is None else cause, status)

    async def hold(self, channel: str) -> None:
        """The hold key of a telephone."""
        self.lines[channel].holds = True
        await self._say("ChannelHold", self.lines[channel])

    async def unhold(self, channel: str) -> None:
        """The hold key once more."""
        self.lines[channel].holds = False
        await self._say("ChannelUnhold", self.lines[channel])

    async def ring(self, number: str) -> None:
        """A telephone begins to ring (180)."""
        await self._ring(self.leg(number))

    async def _ring(self, line: Line) -> None:
        line.state = "Ringing"
        await self._say("ChannelStateChange", line)
        await self._dial(line, "RINGING")

    async def take_out(self, channel: str) -> None:
        """A channel leaves its bridge."""
        await self._leave(self.lines[channel])

    async def put_in(self, channel: str, bridge: str) -> None:
        """A channel enters a bridge."""
        await self._join(self.lines[channel], self.bridges[bridge])

    async def announce(self, number: str) -> None:
        """A carrier sends a tone or a voice before anybody answers (183)."""
        await self._dial(self.leg(number), "PROGRESS")

    async def fall_silent(self, *, heard_s: int) -> None:
        """Nothing was heard for 4 s: recordings are given up, with so much in their files."""
        for bridge in self.bridges.values():
            for name in list(bridge.live):
                await self._finish(bridge, name, heard_s)

    def lose(self, channel: str) -> None:
        """A channel ends, and what Asterisk says of it reaches nobody."""
        line = self.lines.pop(channel)
        if line.bridge is not None:
            self.bridges[line.bridge].members.remove(channel)

    async def press(self, channel: str, digits: str) -> None:
        """Keys of a telephone, told within the sound (RFC 4733), as nearly all do it."""
        for digit in digits:
            line = self.lines[channel]
            if line.bridge is not None and "dtmf_events" not in self.bridges[line.bridge].type:
                continue  # the two are joined so closely that nobody looks into their sound
            await self._say("ChannelDtmfReceived", line, digit=digit, duration_ms=160)

    async def refer(self, channel: str, number: str, *, other_half_first: bool = False) -> None:
        """An officer's telephone transfers by itself (REFER): two halves of a Local channel."""
        self._count += 1
        name = f"Local/{number}@from-officers-{self._count:08}"
        line = self.lines[channel]
        bridge = line.bridge
        first = Line(f"L{self._count};1", f"{name};1", "Up", [], in_app=True)
        second = Line(f"L{self._count};2", f"{name};2", "Up", ["officer", number, ""], in_app=True)
        self.lines |= {first.id: first, second.id: second}
        await self._leave(line)
        first.bridge = bridge
        if bridge is not None:
            self.bridges[bridge].members.append(first.id)
        starts: list[tuple[Line, dict[str, Any]]] = [
            (first, {"args": [], "replace_channel": self._describe(line)}),
            (second, {"args": second.args}),
        ]
        for half, more in reversed(starts) if other_half_first else starts:
            await self._say("StasisStart", half, **more)

    async def hang_up_both_halves(self, channel: str) -> None:
        """What Asterisk does when one half of a Local channel ends."""
        for half in (";1", ";2"):
            line = self.lines.get(channel.rpartition(";")[0] + half)
            if line is not None:
                await self._end(line, 16)

    async def leave_app(self, line: Line) -> None:
        """A channel goes on in the dialplan."""
        await self._leave(line)
        line.in_app = False
        await self._say("StasisEnd", line)

    async def say(self, kind: str, channel: str | None = None, **more: Any) -> None:
        """Any event at all."""
        await self._say(kind, self.lines[channel] if channel else None, **more)

    async def send_raw(self, text: str) -> None:
        """Anything at all over the WebSocket."""
        for socket in self._sockets:
            await socket.send_str(text)
