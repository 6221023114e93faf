"""Authorities, certificates and the files of TLS, as tests need them."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import Gateway, TlsFiles
from linkage.config.certificates import Authority, Issued
from tests.fakes.far_socket import Far

NOW = datetime.now(UTC)  # noqa: TID251 - OpenSSL looks at the machine's clock


AUTHORITY = Authority("authority of the tests", NOW)


STRANGE_AUTHORITY = Authority("another authority", NOW)


SERVER = AUTHORITY.server(["localhost", "127.0.0.1"])


StartTls = Callable[..., Awaitable[Gateway]]


ConnectTls = Callable[..., Awaitable[Far]]


@dataclass
class Files:
    """A directory with the material of one linkage."""

    directory: Path

    def __post_init__(self) -> None:
        self.write("server", SERVER)
        self.write("ca", AUTHORITY.issued)

    def write(self, name: str, issued: Issued) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        for path, content in (
            (certificate, issued.certificate),
            (key, issued.key.get_secret_value().encode()),
        ):
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.chmod(0o600)
            part.replace(path)
        return certificate, key

    def tls(self, *, clients: bool = False, required: bool = False) -> TlsFiles:
        return TlsFiles(
            certificate=self.directory / "server.pem",
            key=self.directory / "server.key",
            client_ca=self.directory / "ca.pem" if clients or required else None,
            require_client_certificate=required,
            dial_ca=self.directory / "ca.pem",
        )

    def client(self, issued: Issued | None = None) -> ssl.SSLContext:
        """What a peer has: our authority, and a certificate of its own."""
        context = ssl.create_default_context(cafile=self.directory / "ca.pem")
        if issued is not None:
            context.load_cert_chain(*self.write("peer", issued))
        return context
