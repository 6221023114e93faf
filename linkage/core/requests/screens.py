"""What goes between screens and applications (3xx of a platform, 5xx, 6xx): passed on as it is."""

from __future__ import annotations

from collections.abc import Sequence

from linkage.core.context import Context
from linkage.core.peers import Peer, Peers
from linkage.core.requests.commands import expires_at_of
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.rights.refusal import RefusedError
from linkage.ports import Role
from protocol import messages as m
from protocol.errors import InvalidMessageError
from protocol.kinds import Direction, direction_of
from protocol.message import Message
from protocol.results import Result


def command_of_screen(message: Message) -> Message:
    """A 4xx as the 2xx that it means.

    Raises:
        RefusedError: it means none.
    """
    try:
        return m.as_command(message)
    except InvalidMessageError as error:
        raise RefusedError(error.result, str(error)) from None


def pass_on(context: Context, incoming: Incoming, peer: Peer) -> Handled:
    """Journal a request, and queue it for whom it names.

    Raises:
        RefusedError: 302, nobody of that name is configured.
    """
    request = incoming.request
    receivers = _receivers(context.peers, peer, request.message)
    expires_at = None
    if direction_of(request.message.number) is Direction.SCREEN_TO_BUSINESS:
        expires_at = expires_at_of(context, incoming, peer)
    if not receivers:
        raise RefusedError(Result.NO_LOGIN, "no screen or application of that name is configured")
    row = context.requests.journal(incoming, result=0)
    for receiver in receivers:
        context.notifier.enqueue(receiver, row, request.message, request.type, None, expires_at)
    return Handled(respond(request, Result.OK), row)


def _receivers(peers: Peers, peer: Peer, message: Message) -> Sequence[Peer]:
    match direction_of(message.number):
        case Direction.PLATFORM_TO_SCREEN:
            return screens_named(peers, message)
        case Direction.BUSINESS_TO_SCREEN:
            return business_screens_named(peers, peer, message)
        case _:
            return application_of_screen(peers, peer)


def screens_named(peers: Peers, message: Message) -> list[Peer]:
    """The communication screens that a platform's own 3xx names, by ScreenId or LoginId."""
    screen_id = getattr(message, "screen_id", None)
    screens = peers.of_role(Role.COMMUNICATION_SCREEN)
    return [
        peer
        for peer in screens
        if peer.id == screen_id
        or (screen_id is None and peer.login == message.login_id is not None)
    ]


def business_screens_named(peers: Peers, application: Peer, message: Message) -> list[Peer]:
    """The screens of an application that its 5xx names; those without an application serve all."""
    screen_id = getattr(message, "screen_id", None)
    return [
        peer
        for peer in peers.of_role(Role.BUSINESS_SCREEN)
        if peer.settings is not None
        and peer.settings.application in {None, application.id}
        and (
            peer.id == screen_id
            or (screen_id is None and peer.login == message.login_id is not None)
        )
    ]


def application_of_screen(peers: Peers, screen: Peer) -> list[Peer]:
    """The application that a business screen belongs to.

    The only one there is where none is configured.
    """
    named = None if screen.settings is None else screen.settings.application
    if named is not None:
        peer = peers.get(named)
        return [] if peer is None else [peer]
    applications = peers.of_role(Role.APPLICATION)
    return applications if len(applications) == 1 else []
