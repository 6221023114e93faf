"""The application: sends each text once, and writes down what it is told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from linkage.client import Application, Backoff
from linkage.client.errors import CommandExpiredError
from protocol import messages as m
from protocol.message import Message
from protocol.results import FIRST_REFUSAL, Result
from tests.load.sms_campaign.plan import DESK, SECRET, Plan

SOON: Final = Backoff(first_s=0.05, most_s=0.5)
PAUSE_S: Final = 0.2
NEVER_DONE: Final = frozenset({Result.EXPIRED, Result.UNREACHABLE, Result.OVERLOAD})
"""Results that promise that nothing was sent."""


class Word(Enum):
    """What was told of a text."""

    SENT = "sent"
    """The centre has it."""
    FAILED = "failed"
    """It was not taken by the centre."""
    NEVER = "never sent"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not delivered"


FINAL: Final = frozenset(set(Word) - {Word.SENT})
WORDS: Final = {
    m.SmsReportStatus.DELIVERED: Word.DELIVERED,
    m.SmsReportStatus.UNKNOWN: Word.UNKNOWN,
}
"""Status of a 122 → what it says; the others say that it was not delivered."""


@dataclass(slots=True)
class Account:
    """What the application was told: by number, in the order in which it was told."""

    words: defaultdict[str, list[Word]] = field(default_factory=lambda: defaultdict(list))
    asked: set[str] = field(default_factory=set)
    """Numbers of a 220 or 224 that was not refused."""
    finished: dict[str, m.SmsBatchNotice] = field(default_factory=dict)
    """The last word of each batch."""
    sent_anew: int = 0
    """How often a command was given again, because nothing had been done."""
    ended: int = 0
    """Texts whose end was told."""


class Desk:
    """One application, which nobody kills."""

    def __init__(self, plan: Plan, port: int) -> None:
        self.account = Account()
        self.is_done = asyncio.Event()
        """Everything was given, and its end told."""
        self._plan, self._port = plan, port
        self._numbers: dict[str, Sequence[str]] = {}
        """By the Id of a command: whom it was for."""
        self._ends: dict[str, asyncio.Future[Word]] = {}
        self._early: list[tuple[str, Word]] = []

    async def run(self) -> None:
        """Send everything, and listen until cancelled."""
        client = Application(
            "127.0.0.1", self._port, DESK, secret=SECRET, backoff=SOON, open_timeout_s=None
        )
        async with client, asyncio.TaskGroup() as listening:
            listening.create_task(self._listen(client))
            room = asyncio.Semaphore(self._plan.at_once)
            async with asyncio.TaskGroup() as sending:
                sending.create_task(self._send_batches(client))
                for number in self._plan.singles():
                    await room.acquire()
                    task = sending.create_task(self._send_one(client, number))
                    task.add_done_callback(lambda _: room.release())
            self.is_done.set()

    async def _send_one(self, client: Application, number: str) -> None:
        text = m.SendSms(receivers=(m.Receiver(phone_num=number),), content=f"For {number}")
        await self._give(client, text, (number,), number)

    async def _send_batches(self, client: Application) -> None:
        """One after the other; the last of each may still be open when the next begins."""
        for index, numbers in enumerate(self._plan.batches()):
            batch = m.SendSmsBatch(
                batch_id=f"batch{index}",
                receivers=tuple(m.Receiver(phone_num=each) for each in numbers),
                content=f"To all of batch {index}: gather at the south gate.",
            )
            await self._give(client, batch, numbers, numbers[len(numbers) * 3 // 4])
        for index, numbers in enumerate(self._plan.batches()):
            await asyncio.gather(*(self._ends[each] for each in numbers))
            # One of which nobody knows whether it was begun has no end where it was not.
            while f"batch{index}" not in self.account.finished and any(
                set(self.account.words[each]) != {Word.UNKNOWN} for each in numbers
            ):
                await asyncio.sleep(PAUSE_S)

    async def _give(
        self, client: Application, command: Message, numbers: Sequence[str], last: str
    ) -> None:
        """Give a command, anew where nothing was done, until the end of `last` was told."""
        while await self._ask(client, command, numbers) and await self._ends[last] is Word.NEVER:
            self.account.sent_anew += 1
            for number in numbers:
                self.account.words[number].clear()
            await asyncio.sleep(PAUSE_S)

    async def _ask(self, client: Application, command: Message, numbers: Sequence[str]) -> bool:
        """Give a command until it is taken; True where an end of it will be told."""
        loop = asyncio.get_running_loop()
        for number in numbers:
            self._ends[number] = loop.create_future()
        self.account.asked.update(numbers)
        while True:
            try:
                reply = await client.send(command, check=False)
            except CommandExpiredError as error:
                if error.sent:
                    for number in numbers:
                        self._say(number, Word.UNKNOWN)
                    return False
            else:
                if reply.response.accepted:
                    self._numbers[reply.response.request_id] = numbers
                    self._replay(reply.response.request_id)
                    return True
            self.account.sent_anew += 1
            await asyncio.sleep(PAUSE_S)

    # --- what is told ----------------------------------------------------------------------------
    async def _listen(self, client: Application) -> None:
        async for notice in client.notices():
            self._take(notice.message)

    def _take(self, message: Message) -> None:
        if message.result is not None and int(message.result) >= FIRST_REFUSAL:
            self._refused(message)
        elif isinstance(message, m.SmsSendResultNotice):
            failed = message.status is m.SmsSendStatus.FAILED
            self._say(str(message.phone_num), Word.FAILED if failed else Word.SENT)
        elif isinstance(message, m.SmsReportNotice) and message.status is not None:
            word = WORDS.get(message.status, Word.NOT_DELIVERED)
            self._say(str(message.phone_num), word)
        elif isinstance(message, m.SmsBatchNotice) and message.finished:
            self.account.finished[str(message.batch_id)] = message

    def _refused(self, message: Message) -> None:
        request_id = str(message.request_id)
        word = Word.NEVER if message.result in NEVER_DONE else Word.UNKNOWN
        numbers = self._numbers.get(request_id)
        if numbers is None:  # it overtook the answer, which is handed out by another task
            self._early.append((request_id, word))
            return
        for number in numbers:
            self._say(number, word)

    def _replay(self, request_id: str) -> None:
        for each in [each for each in self._early if each[0] == request_id]:
            self._early.remove(each)
            for number in self._numbers[request_id]:
                self._say(number, each[1])

    def _say(self, number: str, word: Word) -> None:
        account = self.account
        account.words[number].append(word)
        end = self._ends.get(number)
        if word in FINAL and end is not None and not end.done():
            account.ended += word is not Word.NEVER
            end.set_result(word)
