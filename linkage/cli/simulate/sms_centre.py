"""`linkage simulate sms-centre`: an SMPP server on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import click

from linkage.addresses import address_text
from linkage.cli.commands import FailureError
from linkage.cli.shared.options import ADDRESS
from linkage.timeline.terminal_text import harmless


@click.command("sms-centre")
@click.option(
    "--listen",
    default="127.0.0.1:2775",
    show_default=True,
    type=ADDRESS,
    help="Where it takes connections.",
)
@click.option("--system-id", default="linkage", show_default=True, help="Its one account.")
@click.option("--password", default="secret", show_default=True, help="The password of that.")
@click.option(
    "--ids",
    type=click.Choice(["same", "decimal", "hex", "upper", "padded"]),
    default="same",
    show_default=True,
    help="How receipts write the id of a text, beside the answer to it.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.1, 1000),
    default=1.0,
    show_default=True,
    help="Times faster than life.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object to a line.")
def sms_centre(
    listen: tuple[str, int],
    *,
    system_id: str,
    password: str,
    ids: str,
    speed: float,
    as_json: bool,
) -> None:
    """Be an SMS centre with SMPP 3.4, and tell what comes.

    The last two digits of a number say what becomes of a text to it; it lists them when it starts.

    \b
    linkage simulate sms-centre --speed 10
    """  # noqa: D301 - \b is click's
    from linkage.cli.shared.loop import run, until_stopped

    def tell(what: str) -> None:
        click.echo(json.dumps({"event": what}) if as_json else harmless(what))

    accounts = {system_id: password}
    try:
        run(until_stopped(lambda: _serve(listen, accounts, ids, speed, tell, as_json=as_json)))
    except OSError as error:
        raise FailureError(f"{listen[0]}:{listen[1]}: cannot listen there: {error}") from error


async def _serve(
    listen: tuple[str, int],
    accounts: dict[str, str],
    ids: str,
    speed: float,
    tell: Callable[[str], None],
    *,
    as_json: bool,
) -> None:
    from simulators.clock import RealClock
    from simulators.sms_centre import BEHAVIOURS, IdForm, SmsCentre

    centre = SmsCentre(
        *listen,
        accounts=accounts,
        clock=RealClock(speed=speed),
        id_form=IdForm(ids),
        on_event=tell,
    )
    async with centre:
        where = address_text(*centre.address)
        if as_json:
            click.echo(json.dumps({"event": "listening", "address": where}))
        else:
            click.echo(f"an SMS centre at {where}; texts are delivered, but to a number that ends")
            for digits, behaviour in BEHAVIOURS.items():
                click.echo(f"  …{digits}  {behaviour.meaning}")
            click.echo("Ctrl-C stops it")
        await asyncio.Event().wait()
