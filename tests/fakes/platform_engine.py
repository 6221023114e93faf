"""The platform's engine on a bench: commands in, notices out, time turned by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from protocol.envelope import Request
from protocol.message import Message
from protocol.messages import CallMode, CallOut, CallOutType, Group, Phone, Staff
from protocol.results import Result
from simulators.message_values import fits
from simulators.platform.engine import Engine
from simulators.platform.exchange import Answer, Emitted, SaveRecording
from simulators.platform.parties import Behaviour, Hotline, Officer, Party, RingOrder, Site

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = "139123444444"
HOTLINE = "2222"
M = TypeVar("M", bound=Message)


def site(*parties: Party, **options: Any) -> Site:
    """Two officers on a hotline, a third beside it; officers answer after 2 s."""
    given: dict[str, Any] = {
        "officers": (
            Officer(login_id="23", ext="3021"),
            Officer(login_id="24", ext="3024"),
            Officer(login_id="13", ext="3013"),
        ),
        "hotlines": (
            Hotline(number=HOTLINE, officers=("23", "24"), ring_s=20),
            Hotline(number="3333", officers=("23", "24"), ring=RingOrder.ALL, ring_s=20),
        ),
        "parties": parties,
        "first_call_id": 100,
    }
    return Site(**{**given, **options})


class Bench:
    """An engine, what it said, and the time."""

    def __init__(self, *parties: Party, pace: float = 1.0, **options: Any) -> None:
        self.engine = Engine(site(*parties, **options), epoch=EPOCH, pace=pace)
        self.pace = pace
        self.now = 0.0
        self.said: list[Message] = []
        self.to_save: list[SaveRecording] = []
        self._commands = 0

    def call(self, phone_num: str = CALLER, to_num: str = HOTLINE) -> str:
        try:
            return self.engine.call_in(phone_num, to_num, self.now)
        finally:  # what was due by now has happened, also where this call is refused
            self._drain()

    def answered_call(self) -> str:
        """A call that the first officer has taken."""
        call_id = self.call()
        self.run(3)
        return call_id

    def put_down(self, number: str) -> None:
        self.engine.put_down(number, self.now)
        self._drain()

    def do(self, command: Message, **envelope: Any) -> Answer:
        self._commands += 1
        given = {"id": f"c{self._commands}", "message": command, **envelope}
        answer = self.engine.execute(Request(**given), self.now)
        self._drain()
        return answer

    def refused(self, command: Message) -> Result:
        """Do what must be refused and must change nothing."""
        before = len(self.said)
        answer = self.do(command)
        assert answer.result >= 100
        assert answer.detail
        assert len(self.said) == before
        return answer.result

    def run(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        until = self.now + seconds
        while (due := self.engine.get_timer()) is not None and due <= until:
            self.now = due
            self.engine.handle_timer(due)
            self._drain()
        self.now = until
        self.engine.handle_timer(until)
        self._drain()

    def of(self, kind: type[M], **where: Any) -> list[M]:
        """What it said of one kind, with these elements."""
        return [
            message for message in self.said if isinstance(message, kind) and fits(message, where)
        ]

    def one(self, kind: type[M], **where: Any) -> M:
        """The only one that it said of that kind."""
        found = self.of(kind, **where)
        assert len(found) == 1, found
        return found[0]

    def forget(self) -> None:
        self.said.clear()

    def _drain(self) -> None:
        for item in self.engine.drain():
            if isinstance(item, Emitted):
                assert item.time == EPOCH + timedelta(seconds=self.now / self.pace)
                self.said.append(item.message)
            else:
                self.to_save.append(item)


def staff(staff_id: str, *numbers: str) -> Staff:
    """A person with numbers of the types 01, 02, …"""
    phones = tuple(
        Phone(num_type=f"{index:02d}", number=number)
        for index, number in enumerate(numbers, start=1)
    )
    return Staff(staff_id=staff_id, staff_name=f"person {staff_id}", phone_nums=phones)


def group(mode: CallMode, *persons: Staff, group_id: str = "136") -> Group:
    return Group(group_id=group_id, group_name="group", call_mode=mode, staff=persons)


def conference(*groups: Group, **further: Any) -> CallOut:
    return CallOut(
        event_id="1213243",
        login_id="13",
        call_type=CallOutType.CONFERENCE,
        groups=groups,
        **further,
    )


def party(number: str, *behaviours: Behaviour, **options: Any) -> Party:
    return Party(number=number, behaviours=behaviours or (Behaviour.ANSWERS,), **options)
