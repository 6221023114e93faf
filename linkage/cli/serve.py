"""`linkage serve`: the whole middleware in one process, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkage import __version__
from linkage.cli.common import config_option, print_json, read_config

if TYPE_CHECKING:
    from linkage.config import Config

logger = logging.getLogger("linkage.serve")

LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    help="Least level; else that of `[log]`.",
)
@click.option("--json", "as_json", is_flag=True, help="Log and print JSON, one object to a line.")
@config_option
def serve(log_level: str | None, as_json: bool, config_file: Path) -> None:
    """Run the middleware until Ctrl-C or SIGTERM.

    Prints where it listens once it is ready; logs go to stderr.
    """
    from linkage.cli.running import run, until_stopped
    from linkage.logs.setup import log_as_configured

    config = read_config(config_file)
    log_as_configured(config, level=log_level, as_json=as_json)

    async def work() -> None:
        await _serve(config, as_json=as_json)

    run(until_stopped(work))
    logger.info("stopped")


async def _serve(config: Config, *, as_json: bool) -> None:
    from linkage.app import Server

    async with Server(config) as server:
        _announce(config, server.addresses, as_json=as_json)
        await asyncio.Event().wait()  # until cancelled


def _announce(config: Config, addresses: tuple[tuple[str, int], ...], *, as_json: bool) -> None:
    places = [address_text(host, port) for host, port in addresses]
    if as_json:
        print_json({"event": "listening", "addresses": places}, indent=None)
        return
    click.echo(f"linkage {__version__} listens on {', '.join(places)}")
    adapters = "".join(f", adapter {item.id} ({item.kind})" for item in config.adapter)
    click.echo(f"{len(config.peer)} peers{adapters}; data in {config.data_path}; Ctrl-C stops it")


def address_text(host: str, port: int) -> str:
    """`127.0.0.1:7700`, `[::1]:7700`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
