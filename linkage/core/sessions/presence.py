"""What the core notes of a peer that comes or goes, within the open transaction."""

from __future__ import annotations

from linkage.core.context import Context
from linkage.core.peers import Peer
from linkage.ports import EntryKind


def note_presence(context: Context, kind: EntryKind, source: str) -> None:
    """Keep when a peer was here last; a platform that comes is asked what lives there."""
    peer = context.peers.get(source)
    if peer is None or kind not in {EntryKind.SESSION_OPENED, EntryKind.SESSION_CLOSED}:
        return
    context.tx.queues.saw(peer.id, peer.role.value, context.scope.now_us)
    if kind is EntryKind.SESSION_OPENED:
        context.liveness.came(peer)


def open_session(context: Context, peer: Peer, boot: str | None) -> None:
    """A peer has a new connection; `boot` says since when its Ids are new, where it tells."""
    note_presence(context, EntryKind.SESSION_OPENED, peer.id)
    context.requests.session_opened(peer, boot)
