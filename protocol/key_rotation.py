"""295: a peer's next secret, which both ends make of the present one (protocol.md#rotation).

```
next secret = hex HMAC-SHA256(present secret, "key" LF PeerId LF KeyId)
Digest      = hex HMAC-SHA256(next secret,    "295" LF PeerId LF KeyId)
```
Neither travels. `KeyId` is drawn at random by the sender; the digest proves that both ends made
the same of it.
"""

from __future__ import annotations

import hmac

from protocol.messages import RotateKey
from protocol.registration import check_nonce


def next_secret(present: str, peer_id: str, key_id: str) -> str:
    """The secret that follows: 64 lower-case hexadecimal digits, itself a text like any secret."""
    return _hex(present, "key", peer_id, key_id)


def rotation_digest(following: str, peer_id: str, key_id: str) -> str:
    """The `Digest` of a 295, by which its sender shows that it has the secret that follows."""
    return _hex(following, f"{RotateKey.number}", peer_id, key_id)


def proves(following: str, peer_id: str, message: RotateKey) -> bool:
    """Whether a 295 was made by who has this secret; every wrong one takes the same time."""
    wanted = rotation_digest(following, peer_id, message.key_id)
    return hmac.compare_digest(wanted.encode(), message.digest.encode())


def check_key_id(key_id: str) -> bool:
    """True for 8–64 characters, as of a nonce."""
    return check_nonce(key_id)


def make_rotation(present: str, peer_id: str, key_id: str) -> tuple[RotateKey, str]:
    """The 295 that begins another secret, and that secret; `key_id` as of `check_key_id`."""
    following = next_secret(present, peer_id, key_id)
    digest = rotation_digest(following, peer_id, key_id)
    return RotateKey(key_id=key_id, digest=digest), following


def _hex(key: str, *texts: str) -> str:
    return hmac.new(key.encode(), "\n".join(texts).encode(), "sha256").hexdigest()
