"""How the simulators of `linkage simulate -c FILE` speak TLS with the linkage of that file."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from linkage.cli.commands import FailureError

if TYPE_CHECKING:
    from linkage.config.file import Config


def client_context(config: Config, peer_id: str) -> ssl.SSLContext:
    """Trusts the authority of the file; shows `peers/ID.pem` beside linkage's own certificate.

    That is where `linkage init --tls` puts the certificates of the peers; where there is none,
    none is shown.

    Raises:
        FailureError: the files cannot be used.
    """
    authority = config.tls.dial_ca or config.tls.client_ca
    own = config.tls.certificate
    try:
        context = ssl.create_default_context(cafile=authority)
        if own is not None:
            folder = own.parent / "peers"
            certificate, key = folder / f"{peer_id}.pem", folder / f"{peer_id}.key"
            if certificate.exists():
                context.load_cert_chain(certificate, key)
    except OSError as error:
        raise FailureError(f"TLS: {error.filename or authority or own}: {error}") from None
    return context
