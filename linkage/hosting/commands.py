"""Commands: core → adapter. Each is answered once, whatever the adapter makes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from structlog.contextvars import bind_contextvars

from linkage.hosting.execution import Execution
from linkage.logs.request_fields import fields_of
from linkage.observation.instruments import AdapterFigures
from linkage.ports import (
    Adapter,
    AdapterUnavailableError,
    Clock,
    CommandError,
    Outcome,
)
from linkage.supervision import describe
from linkage.tracing.spans import NS, Put, executed
from protocol.envelope import Request, Response
from protocol.results import Result

logger = logging.getLogger("linkage.hosting")

EXPIRE_S: Final = 30
"""How long a command without `Expire` may wait (protocol.md#expiry)."""
ATTRIBUTES: Final = frozenset({"call_id", "conference_id"})
"""Ids that a response has attributes for."""
DETAIL_MAX: Final = 1000


class Commands:
    """Does the commands for one adapter.

    Args:
        execution: has the adapter do one.
        figures: counts them.
        answered: told of each answer.
        worked: told of each command that the platform did.
        spans: where traces go; None: there are none.
    """

    def __init__(
        self,
        adapter: Adapter,
        clock: Clock,
        execution: Execution,
        figures: AdapterFigures,
        *,
        answered: Callable[[Response], None],
        worked: Callable[[], None],
        spans: Put | None,
    ) -> None:
        self._adapter = adapter
        self._peer = adapter.context.peer_id
        self._clock = clock
        self.execution = execution
        self._figures = figures
        self._answered = answered
        self._worked = worked
        self._spans = spans

    def deadline_of(self, request: Request) -> float:
        """When the command expires, monotonic; `Time` counts what it waited elsewhere."""
        left = float(EXPIRE_S if request.expire_s is None else request.expire_s)
        if request.time is not None:
            left -= max(0.0, (self._clock.utc() - request.time).total_seconds())
        return self._clock.now() + left

    async def carry_out(self, request: Request, deadline: float) -> None:
        """Do a command and answer it once, whatever becomes of it."""
        # What is logged of a command, here and in the adapter, is found by its ids.
        bind_contextvars(peer=self._peer, **fields_of(request))
        figures, began = self._figures, self._clock.now()
        figures.in_work += 1
        result = int(Result.TIMEOUT)
        try:
            result = await self._tell(request, deadline)
        finally:
            took_s = self._clock.now() - began
            figures.in_work -= 1
            figures.commands[result] += 1
            figures.seconds.observe(took_s)
            if self._spans is not None:
                self._trace(self._spans, request, result, took_s)

    def _trace(self, put: Put, request: Request, result: int, took_s: float) -> None:
        end_ns = round(self._clock.utc().timestamp() * NS)
        span = executed(
            self._peer, self._adapter.name, request, result, end_ns - round(took_s * NS), end_ns
        )
        if span is not None:
            put(span)

    async def _tell(self, request: Request, deadline: float) -> int:
        """Do a command and answer it; returns the result."""
        try:
            response = await self._judge(request, deadline)
        except asyncio.CancelledError:
            response = _refusal(request, Result.TIMEOUT, "linkage stopped while this was in work")
            self._answered(response)
            raise
        self._answered(response)
        return response.result

    async def _judge(self, request: Request, deadline: float) -> Response:
        """The answer to a command, whatever the adapter makes of it."""
        try:
            outcome = await self.execution.execute(request, deadline)
            self._worked()
            return _taken(request, outcome)
        except CommandError as error:
            return _refusal(request, error.result, error.detail)
        except AdapterUnavailableError as error:
            return _refusal(
                request, Result.UNREACHABLE, str(error) or "the platform is not connected"
            )
        except TimeoutError:
            return _refusal(request, Result.TIMEOUT, "the platform did not answer in time")
        except Exception as error:
            logger.exception("adapter %s: command %s %d", self._peer, request.id, request.type)
            return _refusal(request, Result.INTERNAL, f"the adapter failed: {describe(error)}")


def _taken(request: Request, outcome: Outcome) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(outcome.result),
        detail=_detail_of(outcome),
        call_id=outcome.ids.get("call_id"),
        conference_id=outcome.ids.get("conference_id"),
    )


def _detail_of(outcome: Outcome) -> str | None:
    """Its detail, and the ids that a response has no attribute for: `RecordId 17`."""
    named = [
        f"{''.join(word.capitalize() for word in name.split('_'))} {id_}"
        for name, id_ in outcome.ids.items()
        if id_ is not None and name not in ATTRIBUTES
    ]
    parts = named if outcome.detail is None else [outcome.detail, *named]
    return "; ".join(parts) or None


def _refusal(request: Request, result: int, detail: str) -> Response:
    return Response(
        request_id=request.id,
        type=request.type,
        result=int(result),
        # One line of at most 1000 characters fits (protocol.md#attributes); vendors write more.
        detail=" ".join(detail.split())[:DETAIL_MAX],
    )
