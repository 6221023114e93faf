"""The demo on a real Asterisk: serve, say whom to call, show what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import click

from linkage.cli.shared.entry_lines import show_entry
from linkage.cli.shared.loop import run, until_stopped
from linkage.cli.shared.output import console
from linkage.config.file import Config
from linkage.server.server import Server
from linkage.store.read.reader import StoreReader
from linkage.store.read.views import EntryView
from linkage.timeline.terminal_text import harmless

LOOK_EVERY_S: Final = 0.25


def watch_asterisk(config: Config) -> None:
    """Serve until Ctrl-C, showing every entry of the journal as it is written."""

    async def work() -> None:
        await _watch(config)

    run(until_stopped(work))
    click.echo(f"\nLook around: linkage event list -c {config.source}")


async def _watch(config: Config) -> None:
    async with Server(config) as server:
        places = ", ".join(f"{host}:{port}" for host, port in server.addresses)
        click.echo(f"linkage listens on {places}")
        for adapter in config.adapter:
            if adapter.kind == "asterisk":
                _tell(adapter.id, adapter.settings)
        click.echo("Ctrl-C ends the demo.\n")
        await _follow(config)


def _tell(adapter_id: str, settings: Mapping[str, Any]) -> None:
    hotlines: dict[str, Any] = settings.get("hotline") or {}
    if not hotlines:
        click.echo(f"{adapter_id}: no hotline configured; add [adapter.settings.hotline.NUMBER]")
    for number, hotline in hotlines.items():
        officers = ", ".join(str(officer) for officer in hotline.get("officers", ()))
        click.echo(harmless(f"{adapter_id}: call {number}; it rings {officers}"))


async def _follow(config: Config) -> None:
    output = console()
    with StoreReader.open(config.database_path) as reader:
        newest = reader.last_seq()
        while True:
            for entry in await asyncio.to_thread(_entries_after, reader, newest):
                show_entry(entry, output, as_json=False)
                newest = entry.seq
            await asyncio.sleep(LOOK_EVERY_S)


def _entries_after(reader: StoreReader, seq: int) -> list[EntryView]:
    return list(reader.entries(seq + 1))
