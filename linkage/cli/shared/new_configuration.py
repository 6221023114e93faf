"""A new configuration: its text, and writing it for its user only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from linkage.addresses import address_text
from linkage.cli.commands import FailureError
from linkage.cli.shared.toml_editing import quoted

_HEAD: Final = """\
# Configuration of linkage; every setting: docs/reference/configuration.md
# The secrets below are this installation's own: keep the file readable by its user only.

id = "linkage"                 # the PeerId under which linkage dials
data = "data"                  # journal, events and files; relative to this file
{listen}
"""
_TLS: Final = """
[tls]                          # made by this command, for tests
certificate = "tls/server.pem"
key = "tls/server.key"
client_ca = "tls/ca.pem"       # a client certificate must name the peer that shows it
require_client_certificate = false
# dial_ca = "tls/ca.pem"       # verifies the peers that are dialled with `dial_tls`
"""
_BUS: Final = """
[messaging]                    # for `linkage serve --only`, over TCP with the keys in keys/
address = {address}
keys = "keys"
"""
_NOTES: Final = {
    "application": 'numbers = ["*"]                # called numbers whose calls it gets; * is any',
    "platform": "",
    "communication-screen": "",
    "business-screen": 'application = "{application}"           # whose screen it is',
    "monitor": "",
}
_TAIL: Final = """
# Metrics and health for Prometheus, probes and `linkage top`:
#
# [watch]
# listen = "127.0.0.1:9464"
#
# A telephone system behind one of linkage's own adapters:
#
# [[adapter]]
# id = "asterisk1"
# kind = "asterisk"
#
# [adapter.settings]
# url = "http://127.0.0.1:8088"
# user = "linkage"             # a [user] of Asterisk's ari.conf
# password = "..."
#
# [adapter.settings.hotline.12345]
# officers = ["1001"]
#
# [adapter.settings.officer.1001]
# login = "23"
# endpoint = "PJSIP/1001"
"""


def configuration_text(
    listen: Sequence[tuple[str, int]],
    peers: Sequence[tuple[str, str, str]],
    *,
    tls: bool = False,
    bus: tuple[str, int] | None = None,
) -> str:
    """The file's text.

    Args:
        listen: where linkage listens.
        peers: role, id and secret of each.
        tls: listen with TLS only, with the files that `init --tls` makes.
        bus: where the core waits for its parts; None: for those of this host only.
    """
    application = next((peer_id for role, peer_id, _ in peers if role == "application"), None)
    parts = [_head(listen, tls=tls)]
    if bus is not None:
        parts.append(_BUS.format(address=quoted(f"tcp://{address_text(*bus)}")))
    for role, peer_id, secret in peers:
        parts.append(
            f"\n[[peer]]\nid = {quoted(peer_id)}\nrole = {quoted(role)}\n"
            f"secret = {quoted(secret)}\n"
        )
        note = _NOTES[role]
        if note and (application is not None or "{application}" not in note):
            parts.append(note.format(application=application) + "\n")
    return "".join([*parts, _TAIL])


def _head(listen: Sequence[tuple[str, int]], *, tls: bool) -> str:
    if not tls:
        addresses = ", ".join(quoted(address_text(*address)) for address in listen)
        return _HEAD.format(listen=f"listen = [{addresses}]")
    listeners = "".join(
        f"\n[[listener]]\naddress = {quoted(address_text(*address))}\ntls = true\n"
        for address in listen
    )
    note = "listen = []                    # without TLS: nowhere"
    return _HEAD.format(listen=note) + listeners + _TLS


def refuse_existing(path: Path) -> None:
    """Nothing that is there is written over.

    Raises:
        FailureError: there is such a file.
    """
    if path.exists():
        raise _exists(path)


def _exists(path: Path) -> FailureError:
    return FailureError(
        f"{path} exists already and was not changed: remove it, or choose another directory"
    )


def write_configuration(path: Path, text: str) -> None:
    """Write a new file for its user only.

    Raises:
        FailureError: there is one already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # O_EXCL: two of us at once, or a file that appeared since, lose nothing. 600: secrets.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
