"""What an adapter records: notices and changes of its memory, a small table of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from linkage.core.context import Context
from linkage.core.job import Job
from linkage.core.measures import Measures, Times
from linkage.core.overload.admission import Admission
from linkage.core.overload.holds import STORE_RETRY_S
from linkage.core.peers import Peer
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.requests.submit import Submit, response_of
from linkage.core.scope import Done
from linkage.core.writer.writer import Writer
from linkage.observation.instruments import Figures
from linkage.ports import LinkPort, NoticeRequest, Recorded
from protocol.results import Result

BUGS_MAX: Final = 2
"""Bugs that one notice of a record may meet: when it is handled, and when that is journalled."""


@dataclass(slots=True)
class Record(Job[tuple[Done[Handled], ...]]):
    """What an adapter tells and changes in its memory (None deletes a key), all or nothing.

    `handling` is the place of the notice that is being handled, None beside them; `bugs` counts
    what went wrong at each place before this attempt.
    """

    source: str
    notices: tuple[Submit, ...]
    memory: Mapping[str, str | None]
    handling: int | None = None
    bugs: Counter[int] = field(default_factory=Counter)

    @property
    def lane(self) -> str | None:
        """See `Job.lane`."""
        return self.source

    @property
    def incoming(self) -> Sequence[Incoming]:
        """See `Job.incoming`."""
        return self.notices

    def run(self, context: Context) -> tuple[Done[Handled], ...]:
        """Notices, then memory; what came of each notice."""
        scope = context.scope
        parts: list[Done[Handled]] = []
        for place, notice in enumerate(self.notices):
            self.handling = place
            bugs = self.bugs[place]
            if not bugs:
                handled = notice.run(context)
            elif bugs == 1:
                handled = notice.broken(context)
            else:  # nor can it be journalled
                handled = Handled(respond(notice.request, Result.INTERNAL, "internal error"))
            parts.append(scope.finish(handled))
        self.handling = None
        for part in parts:
            scope.deliveries += part.deliveries
            scope.answers += part.answers
        context.tx.memory.save_all(self.source, self.memory)
        return tuple(parts)

    def try_again(self) -> bool:
        """A bug at one notice costs the rest of the record nothing."""
        if self.handling is None:
            return False
        self.bugs[self.handling] += 1
        return self.bugs[self.handling] <= BUGS_MAX

    def measure(
        self, measures: Measures, done: Done[tuple[Done[Handled], ...]], times: Times
    ) -> None:
        """Each notice is measured by itself."""
        parts = done.value or (Done[Handled](error=done.error),) * len(self.notices)
        for notice, part in zip(self.notices, parts, strict=True):
            notice.measure(measures, part, times)


@dataclass(frozen=True, slots=True)
class LoadMemory(Job[dict[str, Any]]):
    """Read all of it."""

    adapter: str

    only_reads: ClassVar[bool] = True

    def run(self, context: Context) -> dict[str, Any]:
        """One value that cannot be read spoils but itself: it is given as its text."""
        kept = context.tx.memory.load(self.adapter)
        return {key: _plain(value) for key, value in kept.items()}


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class AdapterRecorder:
    """Takes what adapters record, and gives their memory back.

    Args:
        peer_at: which adapter is at which link.
        figures: count what is refused unread.
    """

    def __init__(
        self,
        peer_at: Mapping[LinkPort, Peer],
        writer: Writer,
        admission: Admission,
        figures: Figures,
    ) -> None:
        self._peer_at = peer_at
        self._writer = writer
        self._admission = admission
        self._figures = figures

    async def record(
        self, link: LinkPort, notices: Sequence[NoticeRequest], memory: Mapping[str, str | None]
    ) -> Recorded:
        """See `AdapterCorePort.record`."""
        peer = self._peer_at.get(link)
        if peer is None:
            return Recorded(result=Result.SESSION_EXPIRED)
        admission, answered = self._admission, self._writer.answered
        wait_s = admission.refusal(peer.id, len(self._writer.unsettled)) if notices else 0
        if wait_s:
            for notice in notices:
                self._figures.requests[notice.request.type, Result.OVERLOAD] += 1
            return Recorded(result=Result.OVERLOAD, retry_after_s=wait_s)
        submits = [
            Submit(peer.id, notice.request, notice.reconstructed, answered) for notice in notices
        ]
        admission.waiting[peer.id] += len(submits)
        try:
            done = await self._writer.do(Record(peer.id, tuple(submits), memory))
        finally:
            admission.waiting[peer.id] -= len(submits)
        if isinstance(done.error, OSError):
            return Recorded(result=Result.OVERLOAD, retry_after_s=STORE_RETRY_S)
        responses = (
            response_of(peer, notice.request, part)
            for notice, part in zip(notices, done.result(), strict=True)
        )
        return Recorded(responses=tuple(responses))

    async def recall(self, adapter: str) -> dict[str, Any]:
        """See `AdapterCorePort.recall`."""
        return (await self._writer.do(LoadMemory(adapter))).result()
