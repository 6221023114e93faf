"""Options that several commands take, and what they lead to: a configuration, a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkage.cli.commands import CONFIG_BEFORE, FailureError

if TYPE_CHECKING:
    from linkage.config.file import Config
    from linkage.store.read.reader import StoreReader

F = TypeVar("F", bound=Callable[..., Any])


class _Address(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """`HOST:PORT`, as in the configuration."""

    name = "HOST:PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Host and port."""
        from linkage.config.fields import parse_address

        try:
            host, port = parse_address(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        return host, port


ADDRESS = _Address()


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

    from linkage.timeline.terminal_text import harmless

    found = get_close_matches(written, list(there), 3, 0.6)
    return f"; did you mean {harmless(' or '.join(found))}?" if found else ""


def none_such(where: Path, what: str, written: str, there: Iterable[str]) -> FailureError:
    """There is no such peer, platform …: those that are like it are named, and all."""
    known = list(there)
    return FailureError(
        f"{where}: no {what} {written!r}{similar(written, known)}; "
        f"there are: {', '.join(known) or 'none'}"
    )


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
