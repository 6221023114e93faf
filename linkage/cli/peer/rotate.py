"""`linkage peer rotate ID`: a new secret for a peer, the one from before for a while."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from linkage.cli.commands import FailureError
from linkage.cli.peer.show import configured
from linkage.cli.shared.options import config_option, json_option, read_config
from linkage.cli.shared.output import print_json

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
GRACE_MAX: Final = timedelta(days=366)


def parse_grace(
    _context: click.Context | None, _option: click.Parameter | None, written: str
) -> timedelta:
    """`24h`, `30m`, `7d`, `90s`, `0`."""
    found = re.fullmatch(r"(\d{1,9})([smhd]?)", written)
    if found is None or (found[2] == "" and int(found[1])):
        raise click.BadParameter(f"{written!r}: write a number and its unit, such as 24h or 30m")
    grace = timedelta(seconds=int(found[1]) * UNITS[found[2] or "s"])
    if grace > GRACE_MAX:
        raise click.BadParameter(f"{written!r}: more than a year is no grace")
    return grace


@click.command()
@click.argument("peer_id", metavar="ID")
@click.option(
    "--grace",
    default="24h",
    show_default=True,
    callback=parse_grace,
    help="How long the secret from before stays valid; 0: not at all.",
)
@json_option
@config_option
def rotate(peer_id: str, grace: timedelta, as_json: bool, config_file: Path) -> None:
    """Give a peer a new secret.

    A serving linkage takes it up at the peer's next registration. A session that the secret from
    before has opened is closed when that one is valid no more, and the peer registers again.
    """
    from linkage.clock import SystemClock
    from linkage.config.keyring import KeyringError
    from linkage.config.keyring import rotate as write
    from linkage.times import full_time

    peer = configured(read_config(config_file), peer_id, config_file)
    path = peer.secret_path
    if path is None:
        raise FailureError(f"peer {peer_id!r} is legacy: it has no secret, it does not register")
    now = SystemClock().utc()
    try:
        secret = write(path, peer_id, peer.keys(), grace, now, like=config_file)
    except KeyringError as error:
        raise FailureError(str(error)) from None
    ends = (now + grace).replace(microsecond=0)
    if as_json:
        until = ends.isoformat() if grace else None
        print_json({"peer": peer_id, "file": str(path), "secret": secret, "old_until": until})
        return
    click.echo(f"Wrote {path}: its first secret is the new one of {peer_id}.")
    click.echo(
        f"The one from before is valid until {full_time(ends, to='seconds')}: "
        "give the new one to the peer by then."
        if grace
        else "The one from before is not valid any more; a session that it opened ends in seconds."
    )
    if peer.inline_secret is not None:
        click.echo(
            f"{config_file} still has the old one as `secret`, which is not read any more: put "
            f'secret_file = "secrets/{peer_id}" in its place.'
        )
