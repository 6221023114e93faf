"""295: a peer begins to use another secret, which nobody sends (`protocol.key_rotation`).

The new one is on disk before it is answered. The one from before counts until somebody registers
with the new one, or for a day: an answer that was lost shuts nobody out, and can be asked for
again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from linkage.config import keyring
from linkage.config.keyring import Key, KeyringError
from linkage.config.peers import PeerSettings
from linkage.core.context import Context
from linkage.core.peers import Peer
from linkage.core.requests.incoming import Handled, Incoming, respond
from linkage.core.rights.refusal import RefusedError
from protocol import messages as m
from protocol.key_rotation import check_key_id, next_secret, proves
from protocol.results import Result

logger = logging.getLogger("linkage.core")

OLD_FOR_AT_MOST: Final = timedelta(days=1)
"""How long the secret from before counts where the new one is never used."""


def rotate_key(context: Context, incoming: Incoming, peer: Peer, command: m.RotateKey) -> Handled:
    """Write a peer's next secret down.

    Raises:
        RefusedError: 103, the KeyId; 201, it was not made of a secret that counts; 202, the peer
        has none; 306, its file cannot be read or written, as linkage's log says.
    """
    settings = peer.settings
    if settings is None or settings.secret_path is None:
        raise RefusedError(Result.FORBIDDEN, f"{peer.id} has no secret here")
    if not check_key_id(command.key_id):
        raise RefusedError(Result.BAD_VALUE, "KeyId has 8–64 characters, drawn at random")
    try:
        result = _write(context, settings, command)
    except KeyringError as error:
        logger.warning("%s: its secret was not rotated: %s", peer.id, error)
        detail = f"the secrets of {peer.id} cannot be changed now, see linkage's log"
        raise RefusedError(Result.WRONG_STATE, detail) from None
    row = context.requests.journal(incoming, result=int(result))
    return Handled(respond(incoming.request, result), row)


def _write(context: Context, settings: PeerSettings, command: m.RotateKey) -> Result:
    now = context.scope.now.utc
    keys = settings.keys()
    new = _made_of(keys, settings, command, context)
    if any(key.secret.get_secret_value() == new and key.is_valid(now) for key in keys):
        return Result.DUPLICATE  # its answer was lost
    assert settings.secret_path is not None, "who has keys has a place for them"
    keyring.rotate(
        settings.secret_path, settings.id, keys, OLD_FOR_AT_MOST, now, secret=new, until_used=True
    )
    return Result.OK


def _made_of(
    keys: tuple[Key, ...], settings: PeerSettings, command: m.RotateKey, context: Context
) -> str:
    """The secret that the sender made, of whichever of those that count."""
    valid = [key for key in keys if key.is_valid(context.scope.now.utc)]
    made = (
        next_secret(key.secret.get_secret_value(), settings.id, command.key_id) for key in valid
    )
    fitting = [each for each in made if proves(each, settings.id, command)]
    if not fitting:
        raise RefusedError(
            Result.BAD_CREDENTIALS, f"the Digest of {settings.id} fits no secret that counts"
        )
    return fitting[0]
