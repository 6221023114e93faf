"""The serving end of the control socket; see `linkage.control`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from linkage import __version__
from linkage.control.socket_path import LINE_MAX, fitting
from linkage.core import Core
from protocol.codec import decode
from protocol.envelope import Request
from protocol.errors import RemoteProtocolError
from protocol.fields import format_time
from protocol.results import result_text

logger = logging.getLogger("linkage.control")

VISITORS_MAX: Final = 16
"""Connections at a time; more are closed at once."""
IDLE_S: Final = 60.0
_NAME: Final = re.compile(r"[^\w.-]")
NAME_MAX: Final = 32


class WrongQuestionError(Exception):
    """A line that is no question; the text says what it lacks."""


class ControlServer:
    """Answers at the socket from `start` to `stop`."""

    def __init__(self, core: Core, path: Path) -> None:
        self._core = core
        self._path = path
        self._server: asyncio.Server | None = None
        self._visitors: set[asyncio.Task[None]] = set()
        self.reload: Callable[[], Awaitable[list[str]]] | None = None
        """Reads the configuration again; lines for a person. None: this process cannot."""
        self.is_whole = False
        """Gateway and adapters run in this process, too: who tells it has told all."""
        self.states: Callable[[], Mapping[str, str]] = dict
        """How it stands between adapters and their platforms, by peer id, where they run here."""

    async def start(self) -> None:
        """Open the control socket; a file system that has none costs it, and nothing else."""
        try:
            opened = _listen(self._path)
        except OSError as error:
            logger.warning(
                "%s: cannot be opened (%s): `linkage peers` cannot ask who is connected, nor "
                "`linkage event` change anything",
                self._path,
                error.strerror or error,
            )
            return
        self._server = await asyncio.start_unix_server(self._visit, sock=opened, limit=LINE_MAX)

    async def stop(self) -> None:
        """Close it, and end whoever is in it."""
        if self._server is None:
            return
        self._server.close()
        visitors = list(self._visitors)
        for task in visitors:
            task.cancel()
        await asyncio.gather(*visitors, return_exceptions=True)
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a visit is a task of the server's"
        self._visitors.add(task)
        try:
            author = _author(writer.get_extra_info("socket"))
            if author is not None and len(self._visitors) <= VISITORS_MAX:
                await self._converse(author, reader, writer)
        except (OSError, ValueError, TimeoutError) as error:
            # ValueError: a line beyond the limit.
            logger.debug("%s: a visitor is gone: %s", self._path, error)
        except asyncio.CancelledError:
            # By `stop`, which waits for the end. asyncio's streams take a visit that was
            # cancelled for a failure of theirs, and say so in the log.
            return
        finally:
            self._visitors.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _converse(
        self, author: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            line = await asyncio.wait_for(reader.readline(), IDLE_S)
            if not line.endswith(b"\n"):
                return
            answer = await self._answer(author, line)
            writer.write(json.dumps(answer).encode() + b"\n")
            await asyncio.wait_for(writer.drain(), IDLE_S)

    async def _answer(self, author: str, line: bytes) -> dict[str, Any]:
        try:
            return await self._do(author, json.loads(line))
        except (ValueError, RecursionError):
            return {"error": "this is no JSON"}
        except WrongQuestionError as error:
            return {"error": str(error)}
        except Exception:
            logger.exception("a question of operator %s was not answered", author)
            return {"error": "internal error; the log has it"}

    async def _do(self, author: str, asked: Any) -> dict[str, Any]:
        if not isinstance(asked, dict):
            raise WrongQuestionError("one JSON object to a line")
        match asked.get("do"):
            case "status":
                return self._status()
            case "command":
                return await self._command(author, _text(asked, "owner"), asked)
            case "reload":
                return await self._reload(author)
            case _:
                raise WrongQuestionError("`do` is status, command or reload")

    def _status(self) -> dict[str, Any]:
        states = self.states()
        return {
            "id": self._core.peers.own_id,
            "version": __version__,
            "process": os.getpid(),
            "peers": [
                {
                    "id": one.peer_id,
                    "address": one.address,
                    "since": format_time(one.since),
                    "state": states.get(one.peer_id),
                }
                for one in self._core.present
            ],
        }

    async def _command(self, author: str, owner: str, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            request = decode(_text(asked, "request").encode())
        except (RemoteProtocolError, UnicodeEncodeError) as error:
            raise WrongQuestionError(f"`request`: {error}") from None
        if not isinstance(request, Request):
            raise WrongQuestionError("`request` is a response")
        response = await self._core.operate(author, owner, request)
        return {
            "result": response.result,
            "text": result_text(response.result),
            "detail": response.detail,
            "op_id": response.op_id,
        }

    async def _reload(self, author: str) -> dict[str, Any]:
        if self.reload is None:
            raise WrongQuestionError("it was not started by `linkage serve`: start it again")
        logger.info("operator %s has the settings read again", author)
        return {"lines": await self.reload(), "whole": self.is_whole}


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise WrongQuestionError(f"`{name}` is missing, or no text")
    return value


def _listen(path: Path) -> socket.socket:
    """The socket, for its user alone. Who holds the store is the only one to remove an old one."""
    if not hasattr(socket, "AF_UNIX"):
        raise OSError("this system has no such sockets")
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with fitting(path) as address:
            made.bind(address)
            # Nobody can connect before it listens, which it does not yet. The process's umask
            # would hold for the files of other threads, too.
            Path(address).chmod(0o600)
        made.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except BaseException:
        made.close()
        raise
    return made


def _author(visitor: Any) -> str | None:
    """Who is at the other end; None: somebody who may not be.

    Where the system does not say, the file's mode has let nobody in but its user.
    """
    uid = os.geteuid()
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        told = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        _, uid, _ = struct.unpack("3i", told)
        if uid not in {0, os.geteuid()}:
            return None
    return _NAME.sub("_", _user_name(uid))[:NAME_MAX]


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
