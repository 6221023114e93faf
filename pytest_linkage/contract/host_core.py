"""As much of a core as one hosted adapter needs, on a `Disk`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from linkage.ports import AdapterCorePort, EntryKind, LinkPort, Notice, NoticeRequest, Recorded
from protocol.envelope import Request, Response
from protocol.results import Result
from pytest_linkage.contract.disk import Disk


class HostCore:
    """Records everything; remembers the answers to commands."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._answers: dict[str, asyncio.Future[Response]] = {}

    async def answer(self, request_id: str) -> Response:
        """The answer to a command."""
        async with asyncio.timeout(40):
            return await self._future(request_id)

    def _future(self, request_id: str) -> asyncio.Future[Response]:
        loop = asyncio.get_running_loop()
        return self._answers.setdefault(request_id, loop.create_future())

    async def record(
        self,
        link: LinkPort,  # noqa: ARG002 - the port's
        notices: Sequence[NoticeRequest],
        memory: Mapping[str, str | None],
    ) -> Recorded:
        told = [
            Notice(each.request.message, each.request.time, each.reconstructed) for each in notices
        ]
        values = {key: None if text is None else json.loads(text) for key, text in memory.items()}
        await self._disk.record(told, values)
        return Recorded(responses=tuple(_ok(each.request) for each in notices))

    async def recall(self, adapter: str) -> dict[str, Any]:  # noqa: ARG002 - the port's
        return await self._disk.load()

    def answered(self, link: LinkPort, response: Response) -> None:  # noqa: ARG002 - the port's
        self._future(response.request_id).set_result(response)

    async def adopt(self, link: LinkPort, peer_id: str) -> None:
        """There is one only."""

    def begin(self, link: LinkPort) -> None:
        """There is nothing to push."""

    def closed(self, link: LinkPort, reason: str) -> None:
        """The adapter ends."""

    async def note(
        self,
        link: LinkPort,
        kind: EntryKind,
        detail: str,
        *,
        raw: bytes = b"",
        result: int | None = None,
    ) -> None:
        """No journal is kept."""

    async def register(self, link: LinkPort, request: Request) -> Response:
        raise NotImplementedError("an adapter does not register")

    async def introduce(self, peer_id: str) -> Request:
        raise NotImplementedError("an adapter is not dialled")

    async def submit(self, link: LinkPort, request: Request) -> Response:
        raise NotImplementedError("an adapter records")

    def post(self, link: LinkPort, request: Request, answer: Callable[[Response], None]) -> None:
        raise NotImplementedError("an adapter records")


def _ok(request: Request) -> Response:
    return Response(request_id=request.id, type=request.type, result=Result.OK)


def serves_the_port(core: HostCore) -> AdapterCorePort:
    """Proven by mypy."""
    return core
