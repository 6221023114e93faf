"""TLS 1.2 and later, both ways: the contexts, made of files and made again when those change.

A renewed certificate is taken up without a restart: the files are looked at, at most every few
seconds, when a connection is made. If the new ones cannot be used, the old ones stay.
"""

from __future__ import annotations

import logging
import os
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.errors import ListenError
from gateway.transport.certificate import Validity, read_validity
from linkage.config.gateway import TlsFiles
from linkage.ports import Clock

logger = logging.getLogger("linkage.gateway")

LOOK_EVERY_S: Final = 5.0
WARN_BEFORE: Final = timedelta(days=21)
State = tuple[tuple[int, int] | None, ...]
MAKE_ONE: Final = "make them with `linkage init DIR --tls`, or set the path of yours"


class Tls:
    """The contexts for listening and for dialling.

    Raises:
        ListenError: on construction: a file is missing, unreadable, expired or does not fit. One
            line that names the setting, the file and the remedy.
    """

    def __init__(self, files: TlsFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._looked_at = clock.now()
        self._state: State | None = _state(files)
        self._failure: str | None = None
        self._server, self._client, self._until = self._load()

    def server(self) -> ssl.SSLContext:
        """For a connection that was accepted."""
        self._refresh()
        return self._server

    def client(self) -> ssl.SSLContext:
        """For a connection that is dialled."""
        self._refresh()
        return self._client

    def problem(self) -> str | None:
        """What is wrong with the certificate that is shown, or with the one that is to follow."""
        self._refresh()
        if self._until is None or self._clock.utc() <= self._until:
            return self._failure
        return f"tls.certificate: {self._files.certificate}: {_expired(self._until)}"

    def _refresh(self) -> None:
        now = self._clock.now()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        state = _state(self._files)
        if state == self._state:
            return
        self._state = state
        try:
            self._server, self._client, self._until = self._load()
        except (ListenError, OSError) as error:  # a file may go between one look and the next
            self._failure = f"{error}; the certificate from before stays in use"
            if isinstance(error, _TooEarlyError):
                self._state = None  # it is mended by time, which changes no file
        else:
            self._failure = None
            logger.info("TLS: took up the changed files")

    def _load(self) -> tuple[ssl.SSLContext, ssl.SSLContext, datetime | None]:
        """For listening, for dialling, and how long our own certificate is valid."""
        files = self._files
        ends = {name: self._check_file(name, path) for name, path in files.paths().items()}
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.options |= ssl.OP_NO_RENEGOTIATION
            if files.certificate is not None:
                _load_own(context, files.certificate, files.key)
        if files.client_ca is not None:
            _load_ca(server, "client_ca", files.client_ca)
            is_required = files.require_client_certificate
            server.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
        if files.dial_ca is not None:
            _load_ca(client, "dial_ca", files.dial_ca)
        else:
            client.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return server, client, ends.get("certificate")

    def _check_file(self, name: str, path: Path) -> datetime | None:
        """Whether it can be used, and, for a certificate, how long."""
        try:
            text = path.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            raise ListenError(f"tls.{name}: {path}: no such file: {MAKE_ONE}") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise ListenError(f"tls.{name}: {path}: cannot be read: {reason}") from None
        if name == "key":
            if path.stat().st_mode & 0o007:
                logger.warning("tls.key: %s: everybody can read it: chmod 600 it", path)
            return None
        try:
            validity = read_validity(text)
        except ValueError as error:
            raise ListenError(f"tls.{name}: {path}: no certificate: {error}: {MAKE_ONE}") from None
        self._check_validity(name, path, validity)
        return validity.until

    def _check_validity(self, name: str, path: Path, validity: Validity) -> None:
        utc = self._clock.utc()
        if utc > validity.until:
            raise ListenError(f"tls.{name}: {path}: {_expired(validity.until)}")
        if utc < validity.since:
            raise _TooEarlyError(
                f"tls.{name}: {path}: valid only from {validity.since:%Y-%m-%d %H:%M} UTC: "
                "set the clock, or use another"
            )
        if validity.until - utc < WARN_BEFORE:
            logger.warning("tls.%s: %s: expires on %s: renew it", name, path, validity.until)


class _TooEarlyError(ListenError):
    """A certificate is not valid yet."""


def _expired(until: datetime) -> str:
    return f"expired on {until:%Y-%m-%d}: renew it"


def _load_own(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            raise ListenError(
                f"tls.key: {key}: is not the key of {certificate}: set the one made with it"
            ) from None
        raise ListenError(
            f"tls.key: {key or certificate}: no private key in PEM, or a damaged certificate in "
            f"{certificate}: {MAKE_ONE}"
        ) from None
    except _EncryptedError:
        raise ListenError(
            f"tls.key: {key}: is encrypted: linkage has nobody to ask; store it without a "
            "passphrase, readable by its user only"
        ) from None


class _EncryptedError(Exception):
    """OpenSSL wants a passphrase."""


def _no_password() -> str:
    # Without this, OpenSSL would ask the terminal.
    raise _EncryptedError


def _load_ca(context: ssl.SSLContext, name: str, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ListenError(
            f"tls.{name}: {path}: no certificates of an authority: {error.reason}: {MAKE_ONE}"
        ) from None


def _state(files: TlsFiles) -> State:
    """What tells that a file was changed, replaced or may be read now; None: it is not there."""
    return tuple(_stamp(path) for path in files.paths().values())


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - the same as Path.stat
    except OSError:
        return None
    return found.st_ctime_ns, found.st_ino
