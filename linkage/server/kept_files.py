"""The files of a core, in every composition: kept, looked after, given out by links."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from gateway import ListenError
from gateway.refusal_journal import RefusalJournal
from linkage.config.file import Config
from linkage.core import Core
from linkage.files import DirectoryFiles
from linkage.files.alarms import PREFIX, FileAlarms
from linkage.files.caretaker import Caretaker
from linkage.files.fetches import WINDOW_S, Fetches
from linkage.files.link_server import LinkServer, Sources
from linkage.files.links import FileLinks
from linkage.ports import Clock
from linkage.supervision import TaskSet


class KeptFiles:
    """`files` for who saves and reads, `links` for the core; `start` watches and serves them.

    Raises:
        OSError: the keys of the links cannot be read or written.
    """

    def __init__(
        self, config: Config, clock: Clock, recorded: Callable[[str], str | None]
    ) -> None:
        self._config = config
        self._clock = clock
        self.files = DirectoryFiles(config.files_path, config.files.max_bytes, clock)
        self._caretaker = Caretaker(self.files, clock, recorded)
        self._tls: ssl.SSLContext | None = None
        self._server: LinkServer | None = None
        self.links: FileLinks | None = None
        if config.files.listen is not None:
            self.links = FileLinks(config.link_keys_path, config.files.link_s, clock)

    @property
    def address(self) -> tuple[str, int] | None:
        """Where links are served, with the port that the system gave for 0; None: nowhere."""
        return None if self._server is None else self._server.address

    def look_after(self, now: datetime) -> None:
        """To be called once a minute, in a thread that may wait for the disk.

        Raises:
            OSError: the directory, the keys or the certificate cannot be read.
        """
        if self.links is not None:
            self.links.rotate()
        self._load_certificate()
        self._caretaker.work(now)

    async def start(self, core: Core, stack: AsyncExitStack) -> None:
        """Once the core has begun.

        Raises:
            ListenError: the address cannot be used, or TLS not be spoken.
        """
        notes = TaskSet("files")
        stack.push_async_callback(notes.close, grace_s=WINDOW_S / 10)
        alarms = FileAlarms(core, notes)
        alarms.know(await core.raised_alarms(PREFIX))
        self.files.tell = alarms.tell
        if self.links is not None:
            await self._serve(core, stack, notes, self.links)

    async def _serve(
        self, core: Core, stack: AsyncExitStack, notes: TaskSet, links: FileLinks
    ) -> None:
        settings, loop = self._config.files, asyncio.get_running_loop()
        assert settings.listen is not None, "links are made where they are served"
        work: set[asyncio.Task[Any]] = set()
        refusals = RefusalJournal(core, WINDOW_S, work)
        fetches = Fetches(core, notes)

        def refused(host: str, address: str, why: str) -> None:
            loop.call_soon_threadsafe(refusals.turned_away, host, address, why)

        try:
            if settings.tls:
                self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._load_certificate()
            server = LinkServer(
                settings.listen, Sources(links, self.files, fetches, refused), self._tls,
                self._clock,
            )  # fmt: skip
        except OSError as error:
            host, port = settings.listen
            raise ListenError(f"[files] listen {host}:{port}: {error}") from None
        self._server = server
        links.url = settings.url_of(server.address)

        async def stop() -> None:
            await asyncio.to_thread(server.close)
            fetches.close()
            refusals.close()
            if work:
                await asyncio.wait(work)

        stack.push_async_callback(stop)
        server.start()

    def _load_certificate(self) -> None:
        """Also one that was renewed: whoever connects from now on is shown it."""
        tls = self._config.tls
        if self._tls is not None and tls.certificate is not None:
            self._tls.load_cert_chain(tls.certificate, tls.key)
