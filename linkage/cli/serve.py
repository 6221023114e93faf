"""`linkage serve`: the whole middleware in one process, until it is stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkage import __version__
from linkage.addresses import address_text
from linkage.cli.shared.options import ADDRESS, config_option, read_config
from linkage.cli.shared.output import print_json

if TYPE_CHECKING:
    import asyncio

    from linkage.config.file import Config
    from linkage.logs.redaction import SecretsOf
    from linkage.server.part import LinkagePart

Read = Callable[[], "Config"]
logger = logging.getLogger("linkage.serve")

NOT_RELOADED = (
    "the configuration file was changed and cannot be used: the settings from before stay in "
    "force; the log says what is wrong with it"
)
LEVELS = ("debug", "info", "warning", "error")


@click.command()
@click.option(
    "--only",
    "part",
    metavar="PART",
    help="Run one part alone: core, gateway, gateway:NAME or adapter:ID.",
)
@click.option(
    "--listen",
    "listen",
    multiple=True,
    type=ADDRESS,
    help="Where a gateway listens, instead of `listen` in the file; may be repeated.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    help="Least level; else that of `[log]`.",
)
@click.option("--json", "as_json", is_flag=True, help="Log and print JSON, one object to a line.")
@config_option
def serve(
    part: str | None,
    listen: tuple[tuple[str, int], ...],
    log_level: str | None,
    as_json: bool,
    config_file: Path,
) -> None:
    """Run the middleware until Ctrl-C or SIGTERM.

    Prints where it listens once it is ready; logs go to stderr. SIGHUP has it read the file again:
    who may come in (sessions that would not any more are closed) and the settings of adapters, of
    which those that are refused try again at once. With --only, one part of it: each can be
    started, stopped, killed and told by SIGHUP alone, in any order.
    """
    from linkage.cli.shared.loop import run, until_stopped
    from linkage.logs.setup import log_as_configured

    read = partial(_read, config_file, part)
    config = read()
    if listen:
        config = config.model_copy(update={"listen": listen})
    hidden = log_as_configured(config, level=log_level, as_json=as_json)

    async def work() -> None:
        if part is None:
            await _serve(config, read, hidden, as_json=as_json)
        else:
            await _serve_part(config, read, part, hidden, as_json=as_json)

    run(until_stopped(work))
    logger.info("stopped")


def _read(config_file: Path, part: str | None) -> Config:
    """The file, with the settings of those adapters that run in this process."""
    from linkage.config.load import load_for

    if part is None:
        return load_for(config_file, None)
    own = part.removeprefix("adapter:")
    return read_config(config_file) if own == part else load_for(config_file, own)


async def _serve(config: Config, read: Read, hidden: SecretsOf, *, as_json: bool) -> None:
    from linkage.cli.shared.loop import hung_up, settled_in
    from linkage.server.server import Server

    # SIGHUP ends a process that does not catch it, also one that is still starting or stopping.
    with hung_up() as hangup:
        async with Server(config) as server:
            with settled_in():
                _announce(config, server.addresses, as_json=as_json)
                await _reload_at_each(hangup, server, read, hidden)


async def _reload(served: LinkagePart, read: Read, hidden: SecretsOf) -> list[str]:
    """SIGHUP, or asked for by the control socket: settings that are wrong change nothing."""
    from linkage.config.problems import ConfigError

    try:
        config = read()
    except ConfigError as error:
        logger.error("settings not reloaded: %s", error)  # noqa: TRY400 - a person's mistake, no bug
        served.tell_settings(NOT_RELOADED)
        return [f"settings not reloaded: {problem}" for problem in error.problems]
    except Exception:
        logger.exception("settings not reloaded")  # such as an adapter that cannot be imported
        served.tell_settings(NOT_RELOADED)
        return ["settings not reloaded, see the log"]
    served.tell_settings(None)
    hidden.add(config)
    # `--listen` is no change of the file's.
    config = config.model_copy(update={"listen": served.config.listen})
    try:
        lines = await served.reload(config)
    except Exception:
        logger.exception("reload failed; serving with what was applied so far")
        return ["reload failed, see the log; serving with what was applied so far"]
    for line in lines or ["nothing to be done"]:
        logger.warning("reload: %s", line)
    return lines


async def _reload_at_each(
    hangup: asyncio.Event, served: LinkagePart, read: Read, hidden: SecretsOf
) -> None:
    from asyncio import Lock

    lock = Lock()

    async def reload() -> list[str]:
        async with lock:  # one at a time, whoever asks
            return await _reload(served, read, hidden)

    if served.door is not None:
        served.door.reload = reload
    while True:  # until cancelled
        await hangup.wait()
        hangup.clear()
        await reload()


async def _serve_part(
    config: Config, read: Read, name: str, hidden: SecretsOf, *, as_json: bool
) -> None:
    import asyncio

    from linkage.cli.shared.loop import hung_up, settled_in
    from linkage.server.process import open_part

    async def served(part: LinkagePart, hangup: asyncio.Event) -> None:
        places = [address_text(host, port) for host, port in part.addresses]
        if as_json:
            event = "listening" if places else "serving"
            print_json({"event": event, "part": name, "addresses": places}, indent=None)
        else:
            where = f", listens on {', '.join(places)}" if places else ""
            click.echo(f"linkage {__version__}: {name}{where}; Ctrl-C stops it")
        reloading = asyncio.get_running_loop().create_task(
            _reload_at_each(hangup, part, read, hidden)
        )
        try:
            await part.wait()
        finally:
            reloading.cancel()
            await asyncio.wait({reloading})

    with hung_up() as hangup:
        async with open_part(config, name) as part:
            with settled_in():
                await served(part, hangup)


def _announce(config: Config, addresses: tuple[tuple[str, int], ...], *, as_json: bool) -> None:
    places = [address_text(host, port) for host, port in addresses]
    if as_json:
        print_json({"event": "listening", "addresses": places}, indent=None)
        return
    click.echo(f"linkage {__version__} listens on {', '.join(places)}")
    adapters = "".join(f", adapter {item.id} ({item.kind})" for item in config.adapter)
    click.echo(f"{len(config.peer)} peers{adapters}; data in {config.data_path}; Ctrl-C stops it")
