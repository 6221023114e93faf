"""A peer uses its new secret: the one from before, which counted only until then, ends (295)."""

from __future__ import annotations

import asyncio
import logging

from linkage.config.keyring import KeyringError, end_replaced
from linkage.config.secrets import Secret
from linkage.core.peers import Peer

logger = logging.getLogger("linkage.core")


async def used(peer: Peer, secret: Secret | None) -> None:
    """A session of a peer was opened with one of its secrets.

    Where the file cannot be written the older one ends by its time, and this is tried again with
    each registration.
    """
    settings = peer.settings
    if settings is None or settings.secret_path is None or secret is None:
        return
    try:
        keys = settings.keys()
        if keys and keys[0].secret == secret and any(key.until_used for key in keys):
            await asyncio.to_thread(end_replaced, settings.secret_path, peer.id, keys)
            logger.info("%s: uses its new secret; the one from before has ended", peer.id)
    except KeyringError as error:
        logger.warning("%s: the secret from before its new one still counts: %s", peer.id, error)
