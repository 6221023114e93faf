"""Signed links to files: for one file and one receiver, for a while.

```
https://host/files/<base64url of: key id (4 bytes) | HMAC-SHA256 (32 bytes) | what it says (UTF-8)>
```
Keys are drawn by lot, one a day, and kept (`links.keys`, for linkage's user alone) until the last
link that one signed has ended. They are no part of a backup: a restore ends all links.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from linkage.durable import replace_file
from linkage.ports import Clock
from linkage.ports.file_links import FileLink, GivenLink

logger = logging.getLogger("linkage.files")

ROTATE_S: Final = 24 * 3600
LINK_MAX_S: Final = 7 * 24 * 3600
ID_BYTES: Final = 4
MAC_BYTES: Final = 32
PREFIX: Final = "/files/"
_TOKEN: Final = re.compile("[A-Za-z0-9_-]{60,800}", re.ASCII)
_FIELDS: Final = 6


class LinkRefusedError(Exception):
    """A link opens nothing; `expired`: it did once, and was not changed."""

    def __init__(self, text: str, *, expired: bool = False) -> None:
        super().__init__(text)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class _Key:
    id: bytes
    secret: bytes
    made: int

    def sign(self, said: bytes) -> bytes:
        return hmac.digest(self.secret, self.id + b"linkage file link 1\n" + said, "sha256")


_NOBODYS: Final = _Key(b"\0" * ID_BYTES, secrets.token_bytes(MAC_BYTES), 0)
"""Checked against where a key is not known: it takes the same time."""


class FileLinks:
    """Makes links and reads them; in any thread. Implements `LinksPort`.

    Args:
        path: where the keys are kept.
        link_s: for how long a link is good; at most `LINK_MAX_S`.
        clock: the wall clock.

    Raises:
        OSError: the keys cannot be read or written.
    """

    def __init__(self, path: Path, link_s: int, clock: Clock) -> None:
        self._path = path
        self.url = ""
        """Of the HTTP server, as receivers see it, without `/` at its end; set before use."""
        self._link_s = link_s
        self._clock = clock
        self._keys = _read_keys(path)
        self.rotate()

    def make(
        self, *, platform: str, file_id: str, receiver: str, owner: str, asked_seq: int
    ) -> GivenLink:
        """See `LinksPort.make`."""
        until = self._now() + self._link_s
        said = "\n".join((platform, file_id, receiver, owner, f"{asked_seq}", f"{until}")).encode()
        key = self._keys[-1]
        token = base64.urlsafe_b64encode(key.id + key.sign(said) + said).decode().rstrip("=")
        return GivenLink(f"{self.url}{PREFIX}{token}", datetime.fromtimestamp(until, UTC))

    def read(self, path: str) -> FileLink:
        """What a link says that somebody opens, of whose URL `path` is all behind the host.

        Raises:
            LinkRefusedError: it was not made here, was changed, or has expired.
        """
        token = path.removeprefix(PREFIX)
        if token == path or _TOKEN.fullmatch(token) is None:
            raise LinkRefusedError("no link to a file")
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except binascii.Error:
            raise LinkRefusedError("no link to a file") from None
        key_id, mac, said = raw[:ID_BYTES], raw[ID_BYTES:][:MAC_BYTES], raw[ID_BYTES + MAC_BYTES :]
        key = next((key for key in self._keys if key.id == key_id), _NOBODYS)
        is_ours = hmac.compare_digest(key.sign(said), mac) and key is not _NOBODYS
        # What base64 leaves unused at the end says nothing; a link is one text all the same.
        is_exact = base64.urlsafe_b64encode(raw).decode().rstrip("=") == token
        if not (is_ours and is_exact):
            raise LinkRefusedError("a link to a file that was not made here, or was changed")
        link = _link_of(said)
        if link.until <= self._now():
            raise LinkRefusedError(
                f"the link to FileId {link.file_id} has expired: ask again by 285", expired=True
            )
        return link

    def rotate(self) -> None:
        """See to it that the newest key is one of today; to be called now and then.

        Raises:
            OSError: the keys cannot be written; those that there are go on.
        """
        now = self._now()
        if self._keys and now - self._keys[-1].made < ROTATE_S:
            return
        kept = [key for key in self._keys if now - key.made < ROTATE_S + LINK_MAX_S]
        fresh = _Key(secrets.token_bytes(ID_BYTES), secrets.token_bytes(MAC_BYTES), now)
        keys = [*kept, fresh]
        _write_keys(self._path, keys)
        self._keys = keys

    def _now(self) -> int:
        return int(self._clock.utc().timestamp())


def _link_of(said: bytes) -> FileLink:
    fields = said.decode().split("\n")
    if len(fields) != _FIELDS:
        raise LinkRefusedError("a link of another linkage")
    platform, file_id, receiver, owner, asked_seq, until = fields
    return FileLink(
        platform=platform, file_id=file_id, receiver=receiver, owner=owner,
        asked_seq=int(asked_seq), until=int(until),
    )  # fmt: skip


def _read_keys(path: Path) -> list[_Key]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        keys = [
            _Key(bytes.fromhex(one["id"]), bytes.fromhex(one["secret"]), int(one["made"]))
            for one in value["keys"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        logger.warning("%s: is damaged (%s): links that were given out open nothing", path, error)
        return []
    return [key for key in keys if len(key.id) == ID_BYTES and len(key.secret) == MAC_BYTES]


def _write_keys(path: Path, keys: list[_Key]) -> None:
    path.with_name(path.name + ".new").unlink(missing_ok=True)  # of a process that was killed
    text = json.dumps(
        {
            "keys": [
                {"id": key.id.hex(), "secret": key.secret.hex(), "made": key.made} for key in keys
            ]
        }
    )
    replace_file(path, text)
