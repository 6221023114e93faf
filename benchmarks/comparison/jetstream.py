"""NATS JetStream: a file stream, publishing with acknowledgement, a durable push consumer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from benchmarks.comparison.brokers import REMEDY, broker_root, nats_server
from benchmarks.comparison.load import Flow, Line
from benchmarks.comparison.notice import make_notice, name_of
from benchmarks.comparison.rig import Rig, need
from benchmarks.process import free_port
from linkage.supervision import TaskSet

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import PubAck

STREAM: Final = "calls"
SUBJECT: Final = "calls.in"
ACK_PENDING: Final = 256
"""Unacknowledged at the consumer, as for RabbitMQ."""


class StreamLine(Line):
    """A connection that publishes into the stream."""

    def __init__(self, flow: Flow, stream: JetStreamContext, tasks: TaskSet) -> None:
        self._flow = flow
        self._stream = stream
        self._tasks = tasks

    def send(self, name: str) -> None:
        """Publish; the stream answers when it has the notice."""
        self._tasks.start(self._publish(name), name)

    async def _publish(self, name: str) -> None:
        from nats.js.errors import APIError, NoStreamResponseError

        answer: asyncio.Future[PubAck]
        try:
            answer = await self._stream.publish_async(SUBJECT, make_notice(name))
            await answer
        except (APIError, NoStreamResponseError):
            self._flow.answered(name, accepted=False)
        else:
            self._flow.answered(name, accepted=True)


class JetStreamRig(Rig):
    """One server; its stream has one replica."""

    name = "jetstream"
    title = "NATS JetStream 2.9"
    promise = (
        "written to a file before the answer, but not fsynced: every two minutes (2.9 knows no "
        "other); a power cut loses what was acknowledged"
    )

    @classmethod
    def missing(cls) -> str | None:
        """See `Rig.missing`."""
        if not nats_server().exists():
            return f"nats-server is not in {broker_root()}: {REMEDY}"
        return need("nats")

    async def start(self) -> None:
        """See `Rig.start`."""
        self._port = free_port()
        config = self.folder / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self._port}"\n'
            f'jetstream {{ store_dir: "{self.folder / "data"}" }}\n',
            encoding="utf-8",
        )
        server = self.launch(str(nats_server()), "-c", str(config))
        await server.listens(self._port)

    async def connect(self, flow: Flow) -> Sequence[Line]:
        """See `Rig.connect`."""
        from nats.js.api import AckPolicy, ConsumerConfig, StorageType

        self._stack = AsyncExitStack()
        self._tasks = TaskSet(self.name)
        desk = await self._stream()
        await desk.add_stream(name=STREAM, subjects=[SUBJECT], storage=StorageType.FILE)

        async def took(message: Msg) -> None:
            flow.arrived(name_of(message.data))
            await message.ack()

        config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=ACK_PENDING)
        await desk.subscribe(SUBJECT, durable="desk", cb=took, manual_ack=True, config=config)
        return [
            StreamLine(flow, await self._stream(), self._tasks) for _ in range(self.connections)
        ]

    async def _stream(self) -> JetStreamContext:
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{self._port}")
        self._stack.push_async_callback(client.close)
        return client.jetstream()

    async def disconnect(self) -> None:
        """See `Rig.disconnect`."""
        await self._tasks.close()
        await self._stack.aclose()
