"""What the commands share: options, opening the store, output for people and for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from linkage.cli.commands import CONFIG_BEFORE
from linkage.cli.shared.terminal import is_unicode, screen_width
from linkage.times import full_time

if TYPE_CHECKING:
    from rich.console import Console

    from linkage.config.file import Config
    from linkage.store.read.reader import StoreReader

F = TypeVar("F", bound=Callable[..., Any])

_UNSAFE: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def config_option(function: F) -> F:
    """`-c FILE`: the configuration, here or before the command."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=_config_file,
        help="Configuration; default $LINKAGE_CONFIG, else ./linkage.toml.",
    )(function)


def named_config(
    context: click.Context, _option: click.Parameter, value: Path | None
) -> Path | None:
    """The file named nearest to the command; else that of the environment, else none."""
    in_environment = os.environ.get("LINKAGE_CONFIG")
    found = value or config_before(context)
    return found or (Path(in_environment) if in_environment else None)


def _config_file(context: click.Context, option: click.Parameter, value: Path | None) -> Path:
    """The same, else the usual one."""
    return named_config(context, option, value) or Path("linkage.toml")


def config_is_named(context: click.Context) -> bool:
    """Whether somebody said which configuration it is: by `-c`, or by the environment."""
    here = context.get_parameter_source("config_file") is click.core.ParameterSource.COMMANDLINE
    return here or config_before(context) is not None or bool(os.environ.get("LINKAGE_CONFIG"))


def config_before(context: click.Context) -> Path | None:
    """The `-c FILE` that stands before the command, such as in `linkage -c FILE peers`."""
    written: str | None = context.meta.get(CONFIG_BEFORE)
    return None if written is None else Path(written)


def similar(written: str, there: Iterable[str]) -> str:
    """`: did you mean X?`, where there is something like what was written."""
    from difflib import get_close_matches

    from linkage.timeline.cells import harmless

    found = get_close_matches(written, list(there), 3, 0.6)
    return f"; did you mean {harmless(' or '.join(found))}?" if found else ""


def json_option(function: F) -> F:
    """`--json`: output for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(
        function
    )


def read_config(path: Path) -> Config:
    """The configuration, but for what adapters make of their settings: most need none of it.

    Raises:
        ConfigError: with every problem.
    """
    from linkage.config.file import read_config as read

    return read(path)


def open_reader(path: Path) -> StoreReader:
    """The read side of the store that a configuration names.

    Raises:
        ConfigError: the configuration cannot be used.
        StoreError: there is no store yet, or it cannot be read.
    """
    from linkage.reader import reader_of

    return reader_of(read_config(path))


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Write a value as JSON on stdout; characters that a terminal would obey are escaped."""
    written = json.dumps(value, ensure_ascii=not is_unicode(sys.stdout), indent=indent)
    click.echo(_UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", written))


def console() -> Console:
    """Where people read: as wide as the terminal is now; see `screen_width`."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else screen_width()
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def local_time(moment: datetime | None) -> str:
    """`full_time`; empty where there is none."""
    return "" if moment is None else full_time(moment)


def size_text(size_bytes: int | None) -> str:
    """`32.0 kB`: decimal multiples."""
    if size_bytes is None:
        return ""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - a thousand is a thousand
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
