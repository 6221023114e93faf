"""What a campaign does: who sends what to whom, and who is killed when. All from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.process import free_port
from protocol import messages as m
from protocol.message import Message

SECRET: Final = "a secret of the campaign"
CALLS_AT_ONCE: Final = 4
"""Calls that a platform has open at a time; their notices mix."""
CALLS_OF_AN_EVENT: Final = 12
"""About so many calls, of several platforms, belong to one event."""
AGAIN_AT_ONCE: Final = 0.25
"""How often a kill follows the one before it, so that it meets what is just starting."""
DELAY_MOST_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """`part` is killed `delay_s` after so many notices were answered."""

    answered: int
    delay_s: float
    part: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice of a platform: `key` names it, in whatever way it travels."""

    key: str
    receiver: str
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The figures of a campaign. `rate` is in notices a second, over all platforms."""

    notices: int = 100_000
    connections: int = 20
    kills: int = 40
    seed: int = 1
    receivers: int = 2
    rate: float = 1500.0
    split: bool = False

    @property
    def platform_ids(self) -> list[str]:
        """The peers that send."""
        return [f"pbx{number}" for number in range(self.connections)]

    @property
    def receiver_ids(self) -> list[str]:
        """The peers that receive."""
        return [f"desk{number}" for number in range(self.receivers)]

    @property
    def server_parts(self) -> list[str]:
        """The processes that are linkage."""
        return ["core", "gateway"] if self.split else ["linkage"]

    def schedule(self) -> list[Kill]:
        """The kills in their order; every part has its turn before one has its second."""
        lot = random.Random(f"{self.seed} kills")
        parts = self.server_parts + self.receiver_ids
        chosen: list[str] = []
        while len(chosen) < self.kills:
            chosen += lot.sample(parts, len(parts))
        # Not after the last notices: somebody has to be there to notice.
        moments = sorted(lot.randrange(self.notices * 19 // 20) for _ in range(self.kills))
        for index in range(1, self.kills):
            if lot.random() < AGAIN_AT_ONCE:
                moments[index] = moments[index - 1]
        return [
            Kill(answered=moment, delay_s=lot.uniform(0, DELAY_MOST_S), part=part)
            for moment, part in zip(sorted(moments), chosen, strict=False)
        ]

    def notices_of(self, platform: str) -> Iterator[Notice]:
        """What a platform sends, in this order."""
        lot = random.Random(f"{self.seed} {platform}")
        number = self.platform_ids.index(platform)
        count = self.notices // self.connections + (number < self.notices % self.connections)
        events = max(1, self.notices // (len(STEPS) * CALLS_OF_AN_EVENT))
        open_calls: list[Iterator[Notice]] = []
        calls = 0
        while count:
            if len(open_calls) < CALLS_AT_ONCE:
                event = lot.randrange(events)
                receiver = self.receiver_ids[event % self.receivers]
                open_calls.append(_notices_of_call(f"{platform}-{calls}", event, receiver))
                calls += 1
            call = lot.choice(open_calls)
            notice = next(call, None)
            if notice is None:
                open_calls.remove(call)
                continue
            count -= 1
            yield notice


STEPS: Final = ("100", "115", "106/1", "106/2", "102")
"""The notices of one call, as its keys end."""


def _notices_of_call(call: str, event: int, receiver: str) -> Iterator[Notice]:
    """A call comes, is answered, held, retrieved and ended; its first notice names its event."""
    login = str(event % 50)
    messages: tuple[Message, ...] = (
        m.IncomingCallNotice(
            call_id=call,
            event_id=f"E{event}",
            direction=m.CallDirection.IN,
            login_id=login,
            phone_num=f"139{event:08d}",
            to_num=number_of(receiver),
        ),
        m.CallStateNotice(call_id=call, event_id=f"E{event}", state=m.CallState.ANSWERED),
        m.HoldNotice(call_id=call, login_id=login, action=m.HoldNoticeAction.HOLD),
        m.HoldNotice(call_id=call, login_id=login, action=m.HoldNoticeAction.RETRIEVE),
        m.HangupNotice(call_id=call, reason=100),
    )
    for message, step in zip(messages, STEPS, strict=True):
        yield Notice(f"{call}/{step}", receiver, message)


def key_of(message: Message) -> str:
    """The key of a notice that has arrived."""
    action = getattr(message, "action", None)
    return f"{message.call_id}/{message.number}" + ("" if action is None else f"/{int(action)}")


def number_of(receiver: str) -> str:
    """The number whose calls a receiver gets."""
    return f"55{receiver.removeprefix('desk')}"


def write_config(plan: Plan, folder: Path) -> tuple[Path, int]:
    """The configuration of a campaign in a folder, and the port that linkage will listen on."""
    port = free_port()  # not any: the next process must have it again
    platforms = [(name, 'role = "platform"') for name in plan.platform_ids]
    receivers = [
        (name, f'role = "application"\nnumbers = ["{number_of(name)}"]')
        for name in plan.receiver_ids
    ]
    peers = "".join(
        f'[[peer]]\nid = "{name}"\nsecret = "{SECRET}"\n{rest}\n'
        for name, rest in platforms + receivers
    )
    path = folder / "linkage.toml"
    path.write_text(f'listen = ["127.0.0.1:{port}"]\n{peers}', encoding="utf-8")
    return path, port
