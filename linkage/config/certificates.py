"""A certificate authority for tests: `linkage init --tls`.

It makes what TLS needs to be tried at once: an authority, linkage's own certificate and one for
each peer. Its key lies unencrypted beside them, which is fine for tests and wrong for anything
else: there, use the certificates of your organisation.

Needs the package `cryptography` (extra `tls`).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from linkage.config.secrets import Secret

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 825
BACKDATED: Final = timedelta(hours=1)
"""Peers whose clock is a little behind should not find a certificate of tomorrow."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - read, not bound
NAME_MAX: Final = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""


class CertificateError(Exception):
    """Certificates cannot be made. The text names the remedy."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: Secret


class Authority:
    """Signs certificates with a key of its own (ECDSA P-256).

    Raises:
        CertificateError: on construction: `cryptography` is not installed.
    """

    def __init__(self, name: str, now: datetime) -> None:
        _need_library()
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        usage = {"digital_signature": True, "key_cert_sign": True, "crl_sign": True}
        built = (
            _begin(self._name, self._name, self._key, now, now + timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(**usage), critical=True)
        )
        self.issued = _finish(built, self._key, self._key)

    def server(self, hosts: Iterable[str], *, until: datetime | None = None) -> Issued:
        """For who listens under these names and addresses."""
        from cryptography import x509

        names = [_host(host) for host in hosts]
        first = str(names[0].value)
        return self._issue(first, x509.SubjectAlternativeName(names), until)

    def client(self, peer_id: str, *, until: datetime | None = None) -> Issued:
        """For who connects: the common name is its PeerId."""
        return self._issue(peer_id, None, until)

    def _issue(self, name: str, alternatives: Any, until: datetime | None) -> Issued:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = ec.generate_private_key(ec.SECP256R1())
        end = until or self._now + timedelta(days=LEAF_DAYS)
        # Both uses: linkage shows its own where it listens and where it dials, and an application
        # that listens does so too.
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        built = (
            _begin(_name(name), self._name, key, self._now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        )
        if alternatives is not None:
            built = built.add_extension(alternatives, critical=False)
        return _finish(built, key, self._key)


def make_test_files(
    directory: Path, hosts: Iterable[str], peers: Iterable[str], now: datetime
) -> None:
    """Write `ca.pem`, `server.pem`, `peers/ID.pem` and their keys (`.key`, mode 600).

    Args:
        directory: must not exist yet, so that no key is overwritten.
        hosts: names and addresses of linkage beside those of this machine.
        peers: ids of the peers that get a client certificate.
        now: the wall clock.

    Raises:
        CertificateError: `cryptography` is not installed.
        OSError: the files cannot be written.
    """
    authority = Authority("linkage test CA", now)
    wanted = dict.fromkeys([*LOCAL, *(host for host in hosts if host not in ANYWHERE)])
    directory.mkdir(mode=0o755, parents=True)
    (directory / "peers").mkdir(mode=0o755)
    _write(directory / "ca", authority.issued)
    _write(directory / "server", authority.server(wanted))
    for peer_id in peers:
        _write(directory / "peers" / peer_id, authority.client(peer_id))


def _write(path: Path, issued: Issued) -> None:
    # A peer's id may have a dot in it: no `with_suffix` here.
    for ending, content, mode in (
        (".pem", issued.certificate, 0o644),
        (".key", issued.key.get_secret_value().encode("ascii"), 0o600),
    ):
        name = path.with_name(path.name + ending)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _need_library() -> None:
    try:
        import cryptography.x509  # noqa: F401 - only whether it is there
    except ImportError:
        raise CertificateError(
            "certificates are made by the package cryptography, which is not installed: "
            "pip install 'linkage[tls]'"
        ) from None


def _begin(subject: Any, issuer: Any, key: Any, since: datetime, until: datetime) -> Any:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(since, until) - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _finish(built: Any, key: Any, issuer_key: Any) -> Issued:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    signed = built.add_extension(issuer, critical=False).sign(issuer_key, hashes.SHA256())
    return Issued(
        signed.public_bytes(serialization.Encoding.PEM),
        Secret(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode("ascii")
        ),
    )


def _usage(**wanted: bool) -> Any:
    from cryptography import x509

    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in every})


def _name(name: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:NAME_MAX])])


def _host(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
