"""`linkage init DIR`: a configuration that is ready to serve, with generated secrets."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.shared.common import json_option, print_json
from linkage.cli.shared.toml_editing import quoted

ROLES: Final = {
    "application": "application",
    "monitor": "monitor",
    "platform": "platform",
    "screen": "communication-screen",
    "communication-screen": "communication-screen",
    "business-screen": "business-screen",
}
DEFAULT_LISTEN: Final = "127.0.0.1:7700"
DEFAULT_PEERS: Final = ("application:desk", "platform:pbx", "screen:screen1")
SECRET_BYTES: Final = 24

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


def _check_peer(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for written in values or DEFAULT_PEERS:
        role, colon, peer_id = written.partition(":")
        if not colon or role not in ROLES or not peer_id:
            raise click.BadParameter(
                f"{written!r}: write ROLE:ID with ROLE one of {', '.join(ROLES)}"
            )
        found.append((ROLES[role], peer_id))
    return found


def _check_listen(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    from linkage.config.fields import parse_address

    for written in values:
        try:
            parse_address(written)
        except ValueError as error:
            raise click.BadParameter(f"{written!r}: {error}") from None
    return values or (DEFAULT_LISTEN,)


def _check_bus(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from linkage.config.fields import parse_address

    try:
        parse_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}") from None
    return f"tcp://{value}"


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--listen",
    "listen",
    multiple=True,
    metavar="HOST:PORT",
    callback=_check_listen,
    help=f"Where to listen; may be repeated. Default {DEFAULT_LISTEN}.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="ROLE:ID",
    callback=_check_peer,
    help=f"A peer; may be repeated. Default {', '.join(DEFAULT_PEERS)}.",
)
@click.option("--tls", is_flag=True, help="Listen with TLS, with a test authority in tls/.")
@click.option(
    "--bus",
    metavar="HOST:PORT",
    callback=_check_bus,
    help="Join the parts of `serve --only` over TCP, with keys in keys/.",
)
@json_option
def init(
    directory: Path,
    listen: tuple[str, ...],
    peers: list[tuple[str, str]],
    tls: bool,
    bus: str | None,
    as_json: bool,
) -> None:
    """Write DIRECTORY/linkage.toml, ready to serve.

    Every peer gets a secret of its own. ROLE is application, monitor, platform, screen
    (communication-screen) or business-screen.
    """
    path = directory / "linkage.toml"
    made = [(role, peer_id, secrets.token_urlsafe(SECRET_BYTES)) for role, peer_id in peers]
    text = configuration_text(listen, made, tls=tls, bus=bus)
    _check(text, path)
    if tls:
        # Before the file that names them: half of it would not serve.
        _refuse_existing(path)
        _make_certificates(directory / "tls", listen, [peer_id for _, peer_id in peers])
    if bus is not None:
        _refuse_existing(path)
        _make_keys(directory / "keys")
    directory.mkdir(parents=True, exist_ok=True)
    write_configuration(path, text)
    if as_json:
        print_json(_described(path, listen, made))
    else:
        _tell(path, made)


def _make_certificates(directory: Path, listen: Sequence[str], peers: Sequence[str]) -> None:
    from linkage.clock import SystemClock
    from linkage.config.certificates import CertificateError, make_test_files
    from linkage.config.fields import parse_address

    hosts = [parse_address(written)[0] for written in listen]
    try:
        make_test_files(directory, hosts, peers, SystemClock().utc())
    except CertificateError as error:
        raise FailureError(str(error)) from None
    except FileExistsError:
        raise FailureError(
            f"{directory} exists already and is left as it is; remove it, or choose another "
            "directory"
        ) from None


def _make_keys(directory: Path) -> None:
    from linkage.bus.keys import make_keys

    make_keys(directory, ["core", "gateway"])


def configuration_text(
    listen: Sequence[str],
    peers: Sequence[tuple[str, str, str]],
    *,
    tls: bool = False,
    bus: str | None = None,
) -> str:
    """The file's text; `peers` are (role, id, secret), `bus` is `tcp://HOST:PORT`."""
    application = next((peer_id for role, peer_id, _ in peers if role == "application"), None)
    parts = [_head(listen, tls=tls)]
    if bus is not None:
        parts.append(_BUS.format(address=quoted(bus)))
    for role, peer_id, secret in peers:
        parts.append(
            f"\n[[peer]]\nid = {quoted(peer_id)}\nrole = {quoted(role)}\n"
            f"secret = {quoted(secret)}\n"
        )
        note = _NOTES[role]
        if note and (application is not None or "{application}" not in note):
            parts.append(note.format(application=application) + "\n")
    return "".join([*parts, _TAIL])


def _head(listen: Sequence[str], *, tls: bool) -> str:
    if not tls:
        addresses = ", ".join(quoted(address) for address in listen)
        return _HEAD.format(listen=f"listen = [{addresses}]")
    listeners = "".join(
        f"\n[[listener]]\naddress = {quoted(address)}\ntls = true\n" for address in listen
    )
    note = "listen = []                    # without TLS: nowhere"
    return _HEAD.format(listen=note) + listeners + _TLS


def _check(text: str, path: Path) -> None:
    """Never write what `linkage serve` would refuse."""
    import tomllib

    from pydantic import ValidationError

    from linkage.config.file import Config

    try:
        Config.model_validate({**tomllib.loads(text), "source": path})
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(step) for step in item['loc']) or 'peers'}: "
            f"{str(item['msg']).removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise FailureError("\n".join(problems)) from None


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise _exists(path)


def _exists(path: Path) -> FailureError:
    return FailureError(
        f"{path} exists already and is left as it is; remove it, or choose another directory"
    )


def write_configuration(path: Path, text: str) -> None:
    """Write a new file for its user only.

    Raises:
        FailureError: there is one already.
    """
    # O_EXCL: two of us at once, or a file that appeared since, lose nothing. 600: secrets.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _exists(path) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _described(
    path: Path, listen: Sequence[str], peers: Sequence[tuple[str, str, str]]
) -> dict[str, Any]:
    return {
        "config": str(path.resolve()),
        "data": str((path.parent / "data").resolve()),
        "listen": list(listen),
        "peers": [
            {"id": peer_id, "role": role, "secret": secret} for role, peer_id, secret in peers
        ],
    }


def _tell(path: Path, peers: Sequence[tuple[str, str, str]]) -> None:
    click.echo(f"Wrote {path} with {len(peers)} peers, each with a secret of its own:")
    width = max(len(peer_id) for _, peer_id, _ in peers)
    for role, peer_id, _ in peers:
        click.echo(f"  {peer_id:<{width}}  {role}")
    click.echo("\nNext:")
    click.echo(f"  linkage serve -c {path}")
    simulated = {"application": "application", "platform": "platform"}
    for role, peer_id, _ in peers:
        if role in simulated:
            click.echo(f"  linkage simulate {simulated[role]} -c {path} --id {peer_id}")
    click.echo(f"  linkage event list -c {path}")
