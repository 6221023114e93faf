"""RabbitMQ: one quorum queue, persistent messages, publisher confirms, consumer acks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.comparison.brokers import REMEDY, broker_root, erlang_root, rabbitmq_home
from benchmarks.comparison.load import Flow, Line
from benchmarks.comparison.notice import make_notice, name_of
from benchmarks.comparison.rig import Rig, need
from benchmarks.process import free_port
from linkage.supervision import TaskSet

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

QUEUE: Final = "desk"
PREFETCH: Final = 256
"""Unacknowledged at the consumer: more than linkage's window, as RabbitMQ's guides advise."""
# One scheduler, for there is one core; no busy waiting, as for a core that is shared.
_ERLANG: Final = (
    "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
)


class ConfirmedLine(Line):
    """A connection with one channel in confirm mode."""

    def __init__(self, flow: Flow, channel: AbstractChannel, tasks: TaskSet) -> None:
        self._flow = flow
        self._channel = channel
        self._tasks = tasks

    def send(self, name: str) -> None:
        """Publish; aio-pika answers when the broker has confirmed."""
        self._tasks.start(self._publish(name), name)

    async def _publish(self, name: str) -> None:
        from aio_pika import DeliveryMode, Message
        from aio_pika.exceptions import DeliveryError

        message = Message(make_notice(name), delivery_mode=DeliveryMode.PERSISTENT)
        try:
            await self._channel.default_exchange.publish(message, QUEUE)
        except DeliveryError:
            self._flow.answered(name, accepted=False)
        else:
            self._flow.answered(name, accepted=True)


class RabbitRig(Rig):
    """A broker of one node: its quorum queue has one member, nothing is replicated."""

    name = "rabbitmq"
    title = "RabbitMQ 3.10, quorum queue"
    promise = "fsync of the write-ahead log before the confirm; acks go to the same log"

    @classmethod
    def missing(cls) -> str | None:
        """See `Rig.missing`."""
        if rabbitmq_home() is None:
            return f"RabbitMQ is not in {broker_root()}: {REMEDY}"
        return need("aio_pika")

    async def start(self) -> None:
        """See `Rig.start`."""
        home = rabbitmq_home()
        assert home is not None, "asked for before"
        self._port = free_port()
        # Its own, for the one of the machine (4369) is not ours to end.
        names_port = free_port()
        names = erlang_root() / "bin/epmd"
        env = self._environment(home, names_port)
        names_server = self.launch(str(names), "-port", str(names_port), env=env)
        await names_server.listens(names_port)
        broker = self.launch(str(home / "sbin/rabbitmq-server"), env=env)
        await broker.listens(self._port)

    def _environment(self, home: Path, names_port: int) -> dict[str, str]:
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\nlog.file.level = warning\n",
            encoding="utf-8",
        )
        (self.folder / "env.conf").touch()
        return {
            "HOME": str(self.folder),  # of the Erlang cookie
            "PATH": f"{erlang_root() / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
            "ERL_EPMD_PORT": str(names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"bench{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS": "none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_PLUGINS_DIR": str(home / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }

    async def connect(self, flow: Flow) -> Sequence[Line]:
        """See `Rig.connect`."""
        self._stack = AsyncExitStack()
        self._tasks = TaskSet(self.name)
        consumer = await self._channel()
        await consumer.set_qos(prefetch_count=PREFETCH)
        queue = await consumer.declare_queue(
            QUEUE, durable=True, arguments={"x-queue-type": "quorum"}
        )

        async def took(message: AbstractIncomingMessage) -> None:
            flow.arrived(name_of(message.body))
            await message.ack()

        await queue.consume(took)
        return [
            ConfirmedLine(flow, await self._channel(), self._tasks)
            for _ in range(self.connections)
        ]

    async def _channel(self) -> AbstractChannel:
        from aio_pika import connect

        connection = await connect(f"amqp://guest:guest@127.0.0.1:{self._port}/")
        self._stack.push_async_callback(connection.close)
        return await connection.channel(publisher_confirms=True)

    async def disconnect(self) -> None:
        """See `Rig.disconnect`."""
        await self._tasks.close()
        await self._stack.aclose()
