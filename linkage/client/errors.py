"""What can go wrong for a user of `linkage.client`, and who must act.

```
ClientError
├── CommandRefusedError       linkage or the platform refused a command: see `response`
├── CommandFailedError        a command was taken, and failed later: see `notice`
├── CommandExpiredError       no answer within the command's `Expire`: it is not sent again
├── RegistrationRefusedError  linkage will not take us: see `remedy`; not tried again
├── ReplacedError             a newer session of the same peer took over; not tried again
├── UnreachableError          not registered within `open_timeout_s`, or for `give_up_after_s`
├── WindowFullError           an outcome cannot come: the notices before it wait for their answer
└── ClosedError               used after (or before) its `async with`
```
"""

from __future__ import annotations

from typing import Final

from protocol.envelope import Response
from protocol.message import Message
from protocol.results import Result, result_text
from protocol.roles import Role


class ClientError(Exception):
    """Base of everything that `linkage.client` raises by itself."""


class CommandRefusedError(ClientError):
    """A request was answered with a result of 10 or more; nothing was done."""

    def __init__(self, response: Response) -> None:
        detail = f": {response.detail}" if response.detail else ""
        super().__init__(f"{response.type} refused with {describe(response.result)}{detail}")
        self.response = response


class CommandFailedError(ClientError):
    """A command was taken, and failed: a notice of another type than the one awaited says so."""

    def __init__(self, notice: Message) -> None:
        detail = f": {notice.detail}" if notice.detail else ""
        super().__init__(f"the command failed with {describe(notice.result or 0)}{detail}")
        self.notice = notice


class CommandExpiredError(ClientError):
    """A command was not answered in time. `sent` False: it never left, so nothing was done; True.

    Nobody knows.
    """

    def __init__(self, number: int, expire_s: float, *, sent: bool) -> None:
        fate = "sent, outcome unknown" if sent else "never sent, linkage was not connected"
        super().__init__(f"{number} unanswered after {expire_s:g} s ({fate})")
        self.sent = sent


class RegistrationRefusedError(ClientError):
    """The registration was refused for good; `remedy` says what to change."""

    def __init__(self, response: Response, peer_id: str, role: Role) -> None:
        remedy = _remedy(response.result, peer_id, role)
        detail = f" ({response.detail})" if response.detail else ""
        super().__init__(
            f"linkage refused {peer_id!r} with {describe(response.result)}{detail}: {remedy}"
        )
        self.response = response
        self.remedy = remedy


class ReplacedError(ClientError):
    """A newer session of this peer has replaced this one.

    Coming back would only throw that one out.
    """


class UnreachableError(ClientError, ConnectionError):
    """We were registered nowhere for too long: linkage could not be reached, or took nobody.

    The text has every address that was tried, how often, and why it failed the last time.
    """


class WindowFullError(ClientError):
    """Waiting for an outcome would never end.

    As many notices as the window holds wait before it, unanswered.
    """


class ClosedError(ClientError):
    """The client is not open: use it inside its `async with`."""


RETRIED: Final = frozenset(
    {
        Result.WRONG_STATE,
        Result.SESSION_EXPIRED,
        Result.RATE_LIMITED,
        Result.STORAGE_FULL,
        Result.OVERLOAD,
        Result.INTERNAL,
        Result.UNREACHABLE,
        Result.TIMEOUT,
        Result.SWITCHING_OVER,
    }
)
"""Refusals of a registration that pass by themselves; all others need a person."""


def describe(result: int) -> str:
    """`201 bad credentials 认证失败`."""
    return f"{result} {result_text(result)}"


def _remedy(result: int, peer_id: str, role: Role) -> str:
    if result == Result.BAD_CREDENTIALS:
        return (
            f"check that linkage's configuration has a [[peer]] with id = {peer_id!r} and this "
            "secret, and that the clocks of both machines differ by less than 300 s"
        )
    if result == Result.FORBIDDEN:
        return f"in linkage's configuration, the [[peer]] {peer_id!r} needs role = {role.value!r}"
    if result == Result.VERSION_NOT_SUPPORTED:
        return "install the same release of linkage on both sides"
    return "see this result in docs/reference/codes.md"
