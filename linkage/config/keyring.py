"""The secrets of a peer in a file of their own: two may be valid while one replaces the other.

```
# Secrets of peer desk. `linkage peer rotate desk` writes a new one.
h5Zl2mT0…                                     the newest, valid without end
Qy81cAv4… until 2026-11-23T08:00:00+00:00     from before, valid until then
Wd0pX2vv… until 2026-11-23T08:00:00+00:00 or use    and no longer than until the newest is used
```
The file is read again when it has changed, so a serving linkage takes up a new secret without a
restart. HMAC needs the secret itself, no verifier of it: the file's mode is what protects it.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from linkage.config.secrets import Secret
from linkage.durable import replace_file

SECRET_MIN: Final = 16
"""Characters; HMAC-SHA256 is as strong as what it is keyed with."""
SECRET_BYTES: Final = 24
SIZE_MAX: Final = 64 * 1024
_UNTIL: Final = "until"
_OR_USE: Final = ["or", "use"]


class KeyringError(Exception):
    """A file of secrets cannot be used, or not be written.

    One line that names the file and the remedy, never what stands in it.
    """


@dataclass(frozen=True, slots=True, init=False)
class Key:
    """A secret, and until when it is valid; None: without end.

    `until_used`: also no longer than until its peer registers with the newest.
    """

    secret: Secret
    until: datetime | None = None
    until_used: bool = False

    def __init__(
        self, secret: str | Secret, until: datetime | None = None, *, until_used: bool = False
    ) -> None:
        object.__setattr__(self, "secret", Secret(secret))
        object.__setattr__(self, "until", until)
        object.__setattr__(self, "until_used", until_used)

    def is_valid(self, now: datetime) -> bool:
        """Whether the peer may still use it."""
        return self.until is None or now <= self.until


class Keyring:
    """The file, as it stands now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_as: tuple[tuple[int, int, int, int], tuple[Key, ...]] | None = None
        """What it was when it was read, and the keys; set at once, for it is asked in threads."""

    def exists(self) -> bool:
        """Whether there is such a file."""
        return self.path.exists()

    def keys(self) -> tuple[Key, ...]:
        """All that stand in it, the newest first.

        Raises:
            KeyringError: it is missing, unreadable, damaged, or others may read it.
        """
        try:
            stamp = _stamp(self.path.stat())
            known = self._read_as
            if known is None or known[0] != stamp:
                known = self._read_as = (stamp, self._read())
        except FileNotFoundError:
            raise KeyringError(f"{self.path}: no such file: write the secret into it") from None
        except OSError as error:
            raise KeyringError(f"{self.path}: cannot be read: {error.strerror}") from None
        return known[1]

    def valid(self, now: datetime) -> tuple[Secret, ...]:
        """The secrets that count now, the newest first.

        Raises:
            KeyringError: as of `keys`.
        """
        return tuple(key.secret for key in self.keys() if key.is_valid(now))

    def _read(self) -> tuple[Key, ...]:
        keys = tuple(self._parse(_text_of(self.path)))
        if not keys:
            raise KeyringError(f"{self.path}: has no secret in it: write one on a line of its own")
        return keys

    def _parse(self, text: str) -> Iterator[Key]:
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words[0]) < SECRET_MIN:
                raise KeyringError(
                    f"{self.path}: line {number}: shorter than {SECRET_MIN} characters: make "
                    "one with `linkage peer rotate`"
                )
            until_used = words[3:] == _OR_USE
            end = words[1:3] if until_used else words[1:]
            yield Key(words[0], self._until(end, number), until_used=until_used)

    def _until(self, words: Sequence[str], number: int) -> datetime | None:
        if not words:
            return None
        try:
            word, written = words
            until = datetime.fromisoformat(written)
        except ValueError:
            word, until = "", None
        if word != _UNTIL or until is None or until.tzinfo is None:
            raise KeyringError(
                f"{self.path}: line {number}: write SECRET, or SECRET until TIME with TIME as "
                "2026-11-23T08:00:00+00:00"
            )
        return until


def new_secret() -> str:
    """A secret for a peer."""
    return secrets.token_urlsafe(SECRET_BYTES)


def read_secret(path: Path) -> Secret:
    """A secret of somebody else's, alone in a file: its first line that is no comment.

    Raises:
        KeyringError: it is missing, unreadable, empty, or others may read it.
    """
    try:
        lines = [line.strip() for line in _text_of(path).splitlines()]
    except FileNotFoundError:
        raise KeyringError(f"{path}: no such file: write the secret into it") from None
    except OSError as error:
        raise KeyringError(f"{path}: cannot be read: {error.strerror}") from None
    found = next((line for line in lines if line and not line.startswith("#")), None)
    if found is None:
        raise KeyringError(f"{path}: has no secret in it: write it on a line of its own")
    return Secret(found)


def _foreign(owner: int, user: int) -> int:
    """The bits of a mode by which others reach a file.

    What is root's may be read by a group, for that is how a secret is handed to who serves:
    credentials of systemd and secrets of Kubernetes are so.
    """
    handed = owner == 0 and user != 0
    return stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO if handed else stat.S_IRWXG | stat.S_IRWXO


def _text_of(path: Path) -> str:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if os.name == "posix" and found.st_mode & _foreign(found.st_uid, os.geteuid()):
            raise KeyringError(
                f"{path}: others may read or write it: run chmod 600 {path}, and rotate the "
                "secret if anybody has"
            )
        data = file.read(SIZE_MAX + 1)
    if len(data) > SIZE_MAX:
        raise KeyringError(f"{path}: has more than {SIZE_MAX} bytes: it is no file of secrets")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise KeyringError(f"{path}: is no text in UTF-8") from None


def rotate(
    path: Path,
    peer_id: str,
    keys: Sequence[Key],
    grace: timedelta,
    now: datetime,
    *,
    like: Path | None = None,
    secret: str | None = None,
    until_used: bool = False,
) -> str:
    """Write a file with a new secret, those from before being valid for the grace time only.

    Whoever reads meanwhile sees the old file or the new one, never a part. A secret that was to
    end earlier than that still does.

    Args:
        path: the file; its directory is made, for its user only.
        peer_id: whose.
        keys: what counted until now, the newest first.
        grace: how long those stay valid; 0 ends them all.
        now: the wall clock.
        like: a file whose owner shall own this one, too: root may write it for who serves.
        secret: the new one; None: it is drawn here.
        until_used: the one that counted without end until now ends sooner where the new one is
            used (`end_replaced`).

    Returns:
        The new secret.

    Raises:
        KeyringError: another rotation is at work or was since, the file cannot be written, or it
            cannot hold a secret that is to stay valid.
    """
    new = Key(secret or new_secret())
    end = (now + grace).replace(microsecond=0)
    older = [
        Key(
            key.secret,
            end if key.until is None else min(key.until, end),
            until_used=key.until_used or (until_used and key.until is None),
        )
        for key in keys
        if grace and key.is_valid(now)
    ]
    for key in older:
        # From `linkage.toml`, where any text is one; in the file it would shut the peer out.
        text = key.secret.get_secret_value()
        if text.split() != [text] or text.startswith("#"):
            raise KeyringError(
                f"{path}: the secret from before has blanks in it or begins with #, so it cannot "
                "stand in a file: end it at once with --grace 0"
            )
    _write_keys(path, peer_id, (new, *older), like, keys)
    return new.secret.get_secret_value()


def end_replaced(path: Path, peer_id: str, keys: Sequence[Key]) -> None:
    """The newest of these keys was used: those that counted only until then are taken out.

    Raises:
        KeyringError: the file was changed meanwhile, or cannot be written.
    """
    _write_keys(path, peer_id, [key for key in keys if not key.until_used], None, keys)


def _write_keys(
    path: Path, peer_id: str, keys: Sequence[Key], like: Path | None, before: Sequence[Key]
) -> None:
    lines = [f"# Secrets of peer {peer_id}. `linkage peer rotate {peer_id}` writes a new one."]
    for key in keys:
        line = key.secret.get_secret_value()
        if key.until is not None:
            line += f" {_UNTIL} {key.until.isoformat()}"
            line += f" {' '.join(_OR_USE)}" if key.until_used else ""
        lines.append(line)
    try:
        _write(path, "\n".join(lines) + "\n", like, before)
    except OSError as error:
        raise KeyringError(f"{path}: cannot be written: {error.strerror}") from None


def give_like(descriptor: int, like: Path | None) -> None:
    """Give an open file or directory to the owner of another file, where we may: as root."""
    if like is not None and hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = like.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write(path: Path, text: str, like: Path | None, before: Sequence[Key]) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
        made = os.open(path.parent, os.O_RDONLY)
        try:
            give_like(made, like)
        finally:
            os.close(made)

    # Exclusive, and from what stands there: of two rotations at once, one would lose the secret
    # that it has handed out.
    def prepare(descriptor: int) -> None:
        if path.exists() and Keyring(path).keys() != tuple(before):
            raise KeyringError(f"{path}: another rotation has just written it: try again")
        give_like(descriptor, like)

    try:
        replace_file(path, text, prepare)
    except FileExistsError:
        raise KeyringError(
            f"{path}.new: another rotation is under way, or one was interrupted: if none is, "
            "remove that file"
        ) from None


def _stamp(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
