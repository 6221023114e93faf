"""One connection: commands of hfaxd, line by line."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from simulators.fax_server.spool import Job, Received, pages_of

if TYPE_CHECKING:
    from simulators.fax_server.server import FaxServer

DATA_S: Final = 10.0
LETTER: Final = re.compile(r"%([A-Za-z])")
DEFAULTS: Final = {"MAXDIALS": "12", "MAXTRIES": "3", "VRES": "98", "PAGECHOP": "default"}
WELL_KNOWN: Final = frozenset({"TZONE", "TYPE", "MODE", "NOOP", "FORM", "STRU"})


class Session:
    """Who is logged in, the job that is being prepared, the documents that were brought."""

    def __init__(
        self, server: FaxServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.task = asyncio.current_task()
        self._server, self._reader, self._writer = server, reader, writer
        self._named = self._user = ""
        self._formats = {"JOBFMT": "%j %s", "RCVFMT": "%f %s"}
        self._documents: dict[str, bytes] = {}
        self._parameters = dict(DEFAULTS)
        self._job = 0
        self._listener: asyncio.Server | None = None
        self._data: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] | None = None

    def hang_up(self) -> None:
        """Cut the connection, and that for data."""
        self._writer.close()
        self._stop_listening()
        if self._data is not None and not self._data.cancel() and not self._data.cancelled():
            self._data.result()[1].close()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def say(self, reply: str) -> None:
        """Answer."""
        if not self._writer.is_closing():
            self._writer.write(reply.encode() + b"\r\n")

    def say_raw(self, data: bytes) -> None:
        """Write octets as they are."""
        if not self._writer.is_closing():
            self._writer.write(data)

    async def serve(self) -> None:
        """Until it hangs up."""
        try:
            await self._server.flows.wait()
            self.say("220 simulated server (HylaFAX (tm) Version 6.0.7) ready.")
            while line := await self._reader.readline():
                await self._server.flows.wait()
                command, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
                if command.upper() == "QUIT":
                    self.say("221 Goodbye.")
                    return
                await self._handle(command.upper(), argument.strip())
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # it hangs up, or is hung up on
        finally:
            self.hang_up()

    async def _handle(self, command: str, argument: str) -> None:
        if command == "USER":
            self._log_in(argument)
        elif command == "PASS":
            self._check(argument)
        elif not self._user:
            self.say("530 Please login with USER and PASS.")
        elif command in WELL_KNOWN | self._formats.keys():
            self._formats[command] = argument.strip('"')
            self.say(f"200 {command} command successful.")
        elif command == "EPSV":
            await self._listen()
        elif command == "LIST":
            await self._send(self._listed(argument))
        elif command == "RETR":
            await self._retrieve(argument)
        elif command == "STOT":
            await self._take()
        else:
            self._about_jobs(command, argument)

    # --- who is there ----------------------------------------------------------------------------
    def _log_in(self, user: str) -> None:
        password = self._server.users.get(user)
        self._named, self._user = user, user if password == "" else ""
        if self._user:
            self.say(f"230 User {user} logged in.")
        else:
            self.say(f"331 Password required for {user}.")

    def _check(self, password: str) -> None:
        if password and self._server.users.get(self._named) == password:
            self._user = self._named
            self.say(f"230 User {self._user} logged in.")
        else:
            self.say("530 Login incorrect.")

    # --- data ------------------------------------------------------------------------------------
    async def _listen(self) -> None:
        self._stop_listening()
        self._data = data = asyncio.get_running_loop().create_future()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if data.done():
                writer.close()
            else:
                data.set_result((reader, writer))

        host = self._server.address[0]
        self._listener = await asyncio.start_server(connected, host, 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.say(f"229 Entering Extended Passive Mode (|||{port}|)")

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._data is None:
            raise OSError("no data connection")
        try:
            async with asyncio.timeout(DATA_S):
                return await self._data
        finally:
            self._stop_listening()

    async def _send(self, content: bytes) -> None:
        self.say("150 Opening new data connection.")
        _, writer = await self._connection()
        writer.write(content)
        await writer.drain()
        writer.close()
        self.say("226 Transfer complete.")

    async def _retrieve(self, name: str) -> None:
        received = self._server.received.get(name.removeprefix("recvq/"))
        if received is None:
            self.say(f"550 {name}: No such file or directory.")
        else:
            await self._send(received.content)

    async def _take(self) -> None:
        name = f"/tmp/doc{next(self._server.documents)}.ps"  # noqa: S108 - as hfaxd names it
        self.say(f"150 FILE: {name} (Opening new data connection).")
        reader, writer = await self._connection()
        self._documents[name] = await reader.read()
        writer.close()
        self.say(f"226 Transfer complete (FILE: {name}).")

    def _listed(self, queue: str) -> bytes:
        if queue == "status":
            return b"HylaFAX scheduler: Running\r\nModem ttyS0 (12345): Running and idle\r\n"
        listed: list[Job] | list[Received] = []
        if queue == "recvq":
            listed = list(self._server.received.values())
        elif queue in {"sendq", "doneq"}:
            listed = [job for job in self._server.jobs if job.is_over == (queue == "doneq")]
        form = self._formats["RCVFMT" if queue == "recvq" else "JOBFMT"]
        return "".join(f"{_filled(form, each)}\r\n" for each in listed).encode()

    # --- jobs ------------------------------------------------------------------------------------
    def _about_jobs(self, command: str, argument: str) -> None:
        match command:
            case "JOB" if argument == "default":
                self._job, self._parameters = 0, dict(DEFAULTS)
                self.say("200 Current job: (default).")
            case "JNEW":
                self._job = self._server.next_job()  # with what the one before had
                self.say(f"200 New job created: jobid: {self._job} groupid: {self._job}.")
            case "JPARM":
                self._set(*argument.split(" ", 1))
            case "JSUBM":
                self._submit()
            case "JKILL":
                self._kill(argument)
            case _:
                self.say(f"502 {command} command not implemented.")

    def _set(self, name: str, value: str = "") -> None:
        if name == "DOCUMENT" and value not in self._documents:
            self.say(f"550 {value}: No such file or directory.")
            return
        self._parameters[name] = value
        self.say(f'213 {name} set to "{value}".')

    def _submit(self) -> None:
        missing = {"DIALSTRING", "EXTERNAL", "LASTTIME", "DOCUMENT"} - self._parameters.keys()
        if not self._job or missing:
            self.say(f"504 Cannot submit job: {', '.join(sorted(missing)) or 'no job'}.")
            return
        what = self._server.behaviour(self._parameters["DIALSTRING"])
        if what.refusal:
            self.say(f"460 {what.refusal}.")
            return
        document = self._documents[self._parameters["DOCUMENT"]]
        job = Job(
            self._job, self._user, dict(self._parameters), document, pages=pages_of(document)
        )
        self._job = 0
        self._server.take(job)
        if what.drops_link:
            self.hang_up()
        else:
            self.say(f"200 Job {job.id} submitted.")

    def _kill(self, number: str) -> None:
        job = next((each for each in self._server.jobs if str(each.id) == number), None)
        if job is None or job.is_over:
            self.say(f"500 Cannot kill job {number}; job does not exist.")
        else:
            self._server.kill(job)
            self.say(f"200 Job {number} killed.")


def _filled(form: str, row: Job | Received) -> str:
    return LETTER.sub(lambda found: row.value_of(found[1]), form)
