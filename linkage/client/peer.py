"""What all roles have in common.

A session that is kept up, requests out, requests in, and the end of it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from types import TracebackType
from typing import ClassVar, Final, Generic, Self, TypeVar, Unpack

from linkage.client.attempts import Attempts
from linkage.client.connecting import Backoff, Carrier, ClientDialler, State
from linkage.client.credentials import Credentials
from linkage.client.errors import (
    RETRIED,
    ClientError,
    ClosedError,
    RegistrationRefusedError,
    ReplacedError,
    UnreachableError,
    describe,
)
from linkage.client.ids import RequestIds
from linkage.client.inbox import Inbox, Incoming
from linkage.client.options import COMMAND_EXPIRE_S, GIVE_UP_AFTER_S, OPEN_TIMEOUT_S, Options
from linkage.client.outbox import Outbox
from linkage.client.position import Position, PositionFile
from linkage.client.replies import OutcomeRouter
from linkage.client.session import CLOSE_GRACE_S, Session
from linkage.clock import SystemClock
from protocol.connection import Connection, Side
from protocol.dialect import DEFAULT, LEGACY
from protocol.envelope import Request, Response
from protocol.events import Timers
from protocol.kinds import is_command
from protocol.message import Message
from protocol.results import Result
from protocol.roles import Role
from protocol.suggest import refuse_unknown

logger = logging.getLogger("linkage.client")

LEAVES: Final = frozenset({199, 299, 399, 599})
REPLACED: Final = "replaced"

K = TypeVar("K", bound=Incoming)


class Peer(Generic[K]):
    """Base of the roles. Use as `async with`.

    Entered once registered, left with all answers written out.
    """

    role: ClassVar[Role]
    _kind: type[K]

    def __init__(self, host: str, port: int, peer_id: str, **options: Unpack[Options]) -> None:
        if not options.keys() <= Options.__annotations__.keys():
            own = inspect.signature(type(self)).parameters  # such as a screen's `login_id`
            known = {*Options.__annotations__, *own} - {"options"}
            refuse_unknown(f"{type(self).__name__}()", options, known)
        secret = options.get("secret")
        self._clock = options.get("clock") or SystemClock()
        self._credentials = Credentials(self.role, peer_id, secret, options.get("further") or {})
        self._dialect = options.get("dialect") or (LEGACY if secret is None else DEFAULT)
        self._timers = options.get("timers") or Timers()
        self._on_state = options.get("on_state")
        self._open_timeout_s = options.get("open_timeout_s", OPEN_TIMEOUT_S)
        self._give_up_after_s = options.get("give_up_after_s", GIVE_UP_AFTER_S)
        self._patience = asyncio.Timeout(None)  # made outside of any loop, too
        """Runs out when no session has been registered for too long."""
        self._attempts = Attempts()
        self._carrier: Carrier = ClientDialler(
            host,
            port,
            ssl_context=options.get("ssl"),
            server_hostname=options.get("server_hostname"),
            backoff=options.get("backoff") or Backoff(),
        )
        state_file = options.get("state_file")
        self._file = None if state_file is None else PositionFile(state_file, peer_id)
        self._ids = RequestIds(self._clock.utc())
        self._position = Position(None if self._file is None else self._file.load())
        self._inbox: Inbox[K] = Inbox(self._kind, self._position, self._clock.now)
        self._outbox = Outbox()
        self._outcomes = OutcomeRouter()
        self._session: Session | None = None
        self._state, self._reason = State.CLOSED, "not opened yet"
        self._entered = asyncio.Event()
        self._opened = asyncio.Event()
        self._ready = asyncio.Event()
        self._fatal: ClientError | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.peer_id!r} {self._state.value}: {self._reason}>"

    # --- what can be asked -----------------------------------------------------------------------
    @property
    def peer_id(self) -> str:
        """Our id, as in linkage's configuration."""
        return self._credentials.peer_id

    @property
    def state(self) -> State:
        """Where the client stands; `on_state` is told of changes."""
        return self._state

    @property
    def reason(self) -> str:
        """Why `state` is what it is: one line for a person."""
        return self._reason

    @property
    def last_seq(self) -> int | None:
        """Up to where all deliveries were answered; None where none was numbered."""
        return self._position.last_seq

    async def wait_ready(self) -> None:
        """Wait until a session is registered (at once, when one is).

        Raises:
            ClientError: there will be none any more.
        """
        await self._in_use()
        await self._ready.wait()
        self.check()

    async def _in_use(self) -> None:
        """What is used a moment before it is opened waits; what nobody opens does not for ever."""
        if self._entered.is_set():
            return
        try:
            async with asyncio.timeout(self._open_timeout_s):
                await self._entered.wait()
        except TimeoutError:
            raise ClosedError(
                f"{self.peer_id!r} was not opened: use it inside its `async with`"
            ) from None

    # --- open and close --------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        """Connect and register.

        Raises:
            RegistrationRefusedError: linkage will not take us; its `remedy` says what to do.
            UnreachableError: not registered within `open_timeout_s`.
            OSError: (listening) the address cannot be listened on.
        """
        if self._task is not None:
            raise ClosedError("a client is opened once: make a new one")
        # Owned here: ended and awaited by `close`, whatever happens.
        self._task = asyncio.get_running_loop().create_task(
            self._main(), name=f"linkage:{self.peer_id}"
        )
        self._entered.set()
        opened = asyncio.get_running_loop().create_task(self._opened.wait())
        try:
            await asyncio.wait(
                (self._task, opened),
                timeout=self._open_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            self._check_opened(self._task)
        except BaseException:
            await self.close()
            raise
        finally:
            opened.cancel()
        return self

    def _check_opened(self, task: asyncio.Task[None]) -> None:
        if task.done():
            if not task.cancelled():  # by another task, which has closed us
                task.result()  # raises what is no ClientError, such as a port in use
            raise self._fatal or ClosedError(self._reason)
        if not self._opened.is_set():
            raise self._unreachable(self._open_timeout_s)

    def _unreachable(self, within_s: float | None) -> UnreachableError:
        tried = str(self._attempts)
        if not tried:
            silence = "nobody registers" if self._state is State.LISTENING else "no answer"
            tried = f"{self._state.value} {self._reason}: {silence}"
        return UnreachableError(f"not registered with linkage in {within_s or 0:g} s: {tried}")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            # Whoever leaves the loop by `break` and then this block has come through with the last
            # notice.
            self._inbox.acknowledge_in_hand()
        await self.close()

    async def close(self) -> None:
        """End the session, the answers given so far being written out; idempotent."""
        self._fatal = self._fatal or ClosedError("the client was closed")
        if self._task is None:
            return
        if self._session is not None:
            self._session.close("closed by this program")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2 * CLOSE_GRACE_S):
                    await self._session.ended.wait()
        self._task.cancel()
        await asyncio.wait((self._task,))
        if not self._task.cancelled() and self._task.exception() is not None:
            logger.debug("%s ended by an error", self.peer_id, exc_info=self._task.exception())

    async def _main(self) -> None:
        error: Exception = ClosedError("the client was closed")
        follower = None
        if self._file is not None:
            follower = asyncio.get_running_loop().create_task(self._file.follow(self._position))
        try:
            async with self._patience:
                await self._carrier.run(self)
        except ClientError as refusal:
            error = refusal
        except TimeoutError:
            if not self._patience.expired():
                raise
            error = self._fatal = self._unreachable(self._give_up_after_s)
        except Exception as bug:
            error = bug
            raise
        finally:
            if follower is not None:
                follower.cancel()
            self._finish(error)

    def _finish(self, error: Exception) -> None:
        self._inbox.finish(error)
        self._outbox.finish(error)
        self._outcomes.finish(error)
        self._save_position()
        if self._fatal is None:
            self._fatal = error if isinstance(error, ClientError) else ClosedError(str(error))
        self.report(State.CLOSED, str(error))
        self._ready.set()  # whoever waits for it is told that it will not come

    def _save_position(self) -> None:
        last_seq = self._position.last_seq
        if self._file is None or last_seq is None:
            return
        try:
            self._file.save(last_seq)
        except OSError as error:
            logger.warning(
                "state_file not written: %s; after a restart linkage delivers some notices again",
                error,
            )

    # --- for the carrier -------------------------------------------------------------------------
    def report(self, state: State, reason: str) -> None:
        """The state has changed; see `connecting.Host`."""
        self._state, self._reason = state, reason
        # To wait in silence is what nobody finds; the rest is the usual course of things.
        level = logging.WARNING if state is State.WAITING else logging.INFO
        logger.log(level, "%s: %s %s", self.peer_id, state.value, reason)
        if state is State.READY:
            self._ready.set()
            self._attempts.clear()
        else:
            self._ready.clear()
        if state in {State.READY, State.LISTENING}:
            self._opened.set()
        self._mind(state)
        if self._on_state is None:
            return
        try:
            self._on_state(state, reason)
        except Exception:
            # Told, and no more: an error of whoever listens ends no session.
            logger.exception("%s: on_state failed; the client goes on", self.peer_id)

    def _mind(self, state: State) -> None:
        """How long there may be no session: counted from the end of the last."""
        if self._give_up_after_s is None or state is State.CLOSED:
            return
        if state is State.READY:
            self._patience.reschedule(None)
        elif self._opened.is_set() and self._patience.when() is None:
            due = asyncio.get_running_loop().time() + self._give_up_after_s
            self._patience.reschedule(due)

    def tried(self, address: str, reason: str) -> None:
        """An attempt came to nothing; see `connecting.Host`."""
        self._attempts.failed(address, reason)

    def make_session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, dialled: bool
    ) -> Session:
        """A session over an open socket; see `connecting.Host`."""
        connection = Connection(
            side=Side.PEER,
            role=self.role,
            dialect=self._dialect,
            timers=self._timers,
            registered=self._credentials.legacy,
            dialling=dialled and not self._credentials.legacy,
            now=self._clock.now(),
        )
        return Session(reader, writer, connection, self, self._clock, dialled=dialled)

    async def serve(self, session: Session) -> bool:
        """Register on it, and run it to its end; see `connecting.Host`."""
        try:
            if self._credentials.legacy:
                self._adopt(session)
            elif not session.dialled:
                self._register(session)
            await session.run()
        except BaseException:
            session.abort()
            raise
        finally:
            if self._session is session:
                self._session = None
                self._outbox.detach()
                if session.dialled:
                    self.report(State.LISTENING, session.close_reason)
        return session.ready

    def check(self) -> None:
        """Whether to go on; see `connecting.Host`."""
        if self._fatal is not None:
            raise self._fatal

    def _register(self, session: Session) -> None:
        message = self._credentials.registration(self._clock.utc(), self._position.last_seq)
        request = Request(id=self._ids.make(), message=message)
        session.registration_id = request.id
        session.send(request)

    def _adopt(self, session: Session) -> None:
        """It is registered: from now on it is the one."""
        before, self._session = self._session, session
        if before is not None:
            self._outbox.detach()
            before.close("replaced by a newer connection of linkage")
        session.ready = True
        self.report(State.READY, f"with {session.address}")
        self._outbox.attach(session)

    # --- from the session ------------------------------------------------------------------------
    def take_response(self, session: Session, response: Response) -> None:
        """Linkage answered one of ours."""
        if response.request_id != session.registration_id:
            self._outbox.take_response(response)
            return
        if response.accepted:
            if response.last_seq is not None:
                self._resume(response.last_seq)
            self._adopt(session)
            return
        if response.result not in RETRIED:
            self._fatal = RegistrationRefusedError(response, self.peer_id, self.role)
        session.close(f"registration refused: {describe(response.result)}")

    def _resume(self, last_seq: int) -> None:
        if self._position.resume(last_seq):
            self._inbox.forget_after(last_seq)

    def take_request(self, session: Session, request: Request) -> None:
        """Linkage sent us a request."""
        if not session.ready:
            self._judge(session, request)
        elif request.type in LEAVES and _says_replaced(request.message):
            if not session.dialled:
                self._fatal = ReplacedError(
                    f"{self.peer_id!r} was replaced by a newer session of the same peer; stopping"
                )
            session.answer(Response(request_id=request.id, type=request.type, result=Result.OK))
            session.close("replaced by a newer session")
        elif self._inbox.take(session, request, self._expiry(request)):
            # Before it queues behind others: who awaits an outcome may be the one who has to empty
            # that queue.
            self._outcomes.take(request.message)
            if self._inbox.full:
                self._outcomes.wake_all()

    def _judge(self, session: Session, request: Request) -> None:
        """Linkage has dialled us and registers."""
        response = self._credentials.judge(
            request, self._dialect, self._clock.utc(), self._position.last_seq
        )
        session.answer(response)
        if response.accepted:
            self._adopt(session)
        else:
            logger.warning(
                "%s: registration refused with %s", session.address, describe(response.result)
            )
            session.close("registration refused")

    def _expiry(self, request: Request) -> float | None:
        """When a command is too old to be executed, in monotonic seconds."""
        if not is_command(request.type):
            return None
        age_s = 0.0
        if request.time is not None:
            age_s = max(0.0, (self._clock.utc() - request.time).total_seconds())
        expire_s = COMMAND_EXPIRE_S if request.expire_s is None else request.expire_s
        return self._clock.now() + expire_s - age_s


def _says_replaced(message: Message) -> bool:
    return message.result == Result.REPLACED or getattr(message, "reason", None) == REPLACED
