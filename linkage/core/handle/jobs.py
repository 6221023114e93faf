"""The job of one business request: duplicate? allowed? whose? what changes? who is told?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from linkage.core.context import Context
from linkage.core.handle.commands import handle_command
from linkage.core.handle.incoming import Handled, Incoming, as_journalled, not_written, respond
from linkage.core.handle.notices import handle_notice
from linkage.core.handle.screens import command_of_screen, pass_on
from linkage.core.jobs import Job
from linkage.core.measures import Measures, Times
from linkage.core.peers import Peer
from linkage.core.rights.commands import check_operator, check_sender
from linkage.core.rights.refusal import RefusedError
from linkage.core.scope import Done
from protocol.kinds import NOTICES, Direction, direction_of
from protocol.results import Result


@dataclass(slots=True)
class Submit(Incoming, Job[Handled]):
    """Judge, apply, journal and deliver one request."""

    @property
    def lane(self) -> str | None:
        """See `Job.lane`."""
        return self.source

    @property
    def incoming(self) -> Sequence[Incoming]:
        """See `Job.incoming`."""
        return (self,)

    def run(self, context: Context) -> Handled:
        """Never fails for what the peer sent: that is refused, and journalled."""
        requests = context.requests
        peer = context.peers.sender(self.source)
        request = as_journalled(self.request, peer)
        incoming: Incoming = self if request is self.request else replace(self, request=request)
        requests.given_again = None
        first = requests.find_repeated(incoming) if requests.seen else None
        if first is not None:
            return Handled(respond(request, first.result or 0, "duplicate"), first)
        requests.repetitions.said(self.source, self.answered)
        try:
            number = request.message.number
            check_sender(peer, number)
            if self.owner is not None:
                check_operator(context.peers, number, self.owner)
            if number in NOTICES:  # by far most of what comes
                return handle_notice(context, incoming)
            return _handle(context, incoming, peer)
        except RefusedError as refusal:
            return requests.refuse(incoming, refusal.result, refusal.detail)

    def broken(self, context: Context) -> Handled:
        """A bug of ours costs one request: answered 500, kept in the journal to be looked at."""
        request = as_journalled(self.request, context.peers.sender(self.source))
        kept = Incoming(self.source, request)
        return context.requests.refuse(kept, Result.INTERNAL, "internal error")

    def measure(self, measures: Measures, done: Done[Handled], times: Times) -> None:
        """See `Job.measure`."""
        handled = done.value or Handled(not_written(self.request, done.error))
        measures.handled(
            self.source, self.request, handled.response, handled.row, done.deliveries, times
        )


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
        for key, value in self.memory.items():
            context.tx.memory.save(self.source, key, value)
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


def _handle(context: Context, incoming: Incoming, peer: Peer) -> Handled:
    message = incoming.request.message
    match direction_of(message.number):
        case Direction.PLATFORM_TO_BUSINESS:
            return handle_notice(context, incoming)
        case Direction.BUSINESS_TO_PLATFORM:
            return handle_command(context, incoming, peer, message, incoming.owner or peer.id)
        case Direction.SCREEN_TO_PLATFORM:
            return handle_command(context, incoming, peer, command_of_screen(message), None)
        case _:
            return pass_on(context, incoming, peer)
