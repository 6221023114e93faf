"""Which commands there are, and how their errors end.

Exit status, one rule for all: 0 it is done, or what runs until it is stopped was stopped; 1 it
could not be done, or what was looked at does not hold (one line on stderr for each problem); 2 the
command line is wrong, and nothing was tried; 130 interrupted by Ctrl-C before its end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from linkage import __version__

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count."""

CONFIG_BEFORE: Final = "linkage.cli.config"
"""Where a context keeps the `-c FILE` that was given before the command."""

Table = Mapping[str, tuple[str, str]]
"""Command → (`module:attribute` in `linkage.cli`, the line that `--help` shows)."""

COMMANDS: Final[Table] = {
    "init": ("init:init", "Write a configuration that is ready to serve."),
    "serve": ("serve:serve", "Run the middleware until it is stopped."),
    "demo": ("demo.demo:demo", "Show both of the patent's embodiments, live."),
    "event": ("commands:event", "Find events, and look after them."),
    "journal": ("commands:journal", "Read, check and export the journal."),
    "peer": ("commands:peer", "Look after one peer: add, show, remove it."),
    "keys": ("keys:keys", "Make the keys for parts on several hosts."),
    "peers": (
        "peer.list_peers:peers",
        "List the peers: who is connected, what waits.",
    ),
    "top": ("top.top:top", "Watch a serving linkage: rates, queues, adapters."),
    "simulate": ("commands:simulate", "Play a platform, an application or a screen."),
    "conformance": (
        "conformance:conformance",
        "Hold a vendor's program to the specification.",
    ),
    "backup": ("backup:backup", "Copy the store while it serves."),
    "restore": ("backup:restore", "Put a backup in place of the store."),
    "doctor": ("doctor:doctor", "Say what is installed, reachable, writable."),
}
EVENT: Final[Table] = {
    "list": ("event.show:list_events", "List events, the latest first."),
    "show": ("event.show:show", "Show an event's operations, files and entries."),
    "timeline": ("event.timeline:timeline", "Draw who told whom what, and when."),
    "create": (
        "event.operator_commands:create",
        "Open an event, for a call that is there or none.",
    ),
    "close": ("event.operator_commands:close", "Close an event."),
    "reopen": ("event.operator_commands:reopen", "Open a closed event again."),
    "bind": (
        "event.operator_commands:bind",
        "Say that an operation belongs to an event.",
    ),
    "unbind": (
        "event.operator_commands:unbind",
        "Say that an operation does not belong to it.",
    ),
    "move": (
        "event.operator_commands:move",
        "Say that it belongs here, and no longer there.",
    ),
    "merge": ("event.link_commands:merge", "Merge an event into another."),
    "unmerge": ("event.link_commands:unmerge", "Undo that, exactly."),
    "split": (
        "event.link_commands:split",
        "Take operations out of an event into another.",
    ),
    "link": ("event.link_commands:link", "Tie an event to another."),
    "unlink": ("event.link_commands:unlink", "Undo that."),
}
JOURNAL: Final[Table] = {
    "tail": ("journal:tail", "Show the last entries, and those to come."),
    "verify": ("journal:verify", "Check the chain of hashes."),
    "export": ("journal:export", "Write entries as JSON Lines or CSV."),
}
PEER: Final[Table] = {
    "show": ("peer.show:show", "Show a peer: its settings, its link, its queue."),
    "add": ("peer.add_remove:add", "Add a peer to the configuration, with a secret."),
    "remove": ("peer.add_remove:remove", "Take a peer out of the configuration."),
    "rotate": ("peer.rotate:rotate", "Give a peer a new secret."),
}
SIMULATE: Final[Table] = {
    "run": ("simulate.judge:run", "Play a scenario and judge what it expects."),
    "platform": ("simulate.play:platform", "Play a communication platform."),
    "application": ("simulate.play:application", "Play the duty desk."),
    "screen": ("simulate.play:screen", "Play a screen."),
    "sms-centre": ("simulate.sms_centre:sms_centre", "Be an SMS centre, by SMPP."),
    "load": ("simulate.load:load", "Send notices at a rate, and measure the answers."),
    "fault": (
        "simulate.fault:fault",
        "Play a bad network between a program and linkage.",
    ),
}


class FailureError(click.ClickException):
    """It cannot be done; each line of the message is one problem, in words for people."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """One line for each problem, on stderr."""
        from linkage.timeline.terminal_text import harmless

        for line in self.message.splitlines() or [""]:
            click.echo(f"linkage: {harmless(line)}", err=True, file=file)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def __init__(self, *args: Any, table: Table, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table
        self.params.append(_config_before())

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which a newcomer meets them."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, imported."""
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"linkage.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named; for one that is not there, those that are like it."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            from linkage.cli.shared.options import similar

            near = similar(name, self._table) or f"; see {ctx.command_path} --help"
            ctx.fail(f"No such command {name!r}{near}")
        takes_it = isinstance(command, click.Group) or any(
            parameter.name == "config_file" for parameter in command.params
        )
        if CONFIG_BEFORE in ctx.meta and not takes_it:
            ctx.fail(f"-c has no effect for {name!r}: leave it out")
        return name, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Commands with their lines from the table: nothing is imported for that."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._table.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what users can bring about ends in one line instead of a traceback."""
        try:
            return super().invoke(ctx)
        except click.ClickException:
            raise
        except BrokenPipeError:
            # The reader of our output (`| head`) has seen enough. What is still buffered would
            # raise again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(0) from None
        except KeyboardInterrupt:
            click.echo(err=True)
            raise SystemExit(INTERRUPTED) from None
        except UnicodeEncodeError as error:
            if not has_unreadable_arguments():
                raise
            raise click.UsageError(
                "an argument is no text in the encoding of this terminal "
                f"({sys.getfilesystemencoding()}): set LANG to its locale, such as C.UTF-8"
            ) from error
        except Exception as error:
            if isinstance(error, OSError) or type(error).__name__ in EXPECTED:
                raise FailureError(_words(error)) from error
            raise


def _config_before() -> click.Option:
    """`-c FILE` before the command, such as in `linkage -c FILE peers`."""

    def keep(context: click.Context, _option: click.Parameter, value: Any) -> None:
        if value is not None:
            context.meta[CONFIG_BEFORE] = value

    return click.Option(
        ["-c", "--config"],
        metavar="FILE",
        callback=keep,
        expose_value=False,
        help="Configuration; may stand here or behind the command.",
    )


EXPECTED: Final = frozenset(
    {
        "AdapterLoadError",
        "AdapterRefusedError",
        "AmbiguousEventError",
        "ArchiveError",
        "BackupError",
        "BusError",
        "ClientError",
        "ConfigError",
        "ControlError",
        "EventNotFoundError",
        "HeadError",
        "KeyFileError",
        "KeyringError",
        "ListenError",
        "NotServingError",
        "PartError",
        "RegistrationRefusedError",
        "ReplacedError",
        "ScenarioError",
        "SettingsError",
        "SimulatorError",
        "StoreError",
        "TopError",
        "TraceError",
        "UnreachableError",
    }
)
"""Errors whose texts are written for users. By name: their modules need not be loaded for that."""


def has_unreadable_arguments() -> bool:
    """Whether the command line has bytes that are no characters of the locale."""
    return any(
        "\udc80" <= character <= "\udcff" for argument in sys.argv for character in argument
    )


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)


SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


@click.group(cls=LazyGroup, table=COMMANDS, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="linkage")
def cli() -> None:
    """Link telephone calls, conferences and messages to business events.

    Start with `linkage demo`, or with `linkage init DIR` and `linkage serve`.
    """


@click.group(cls=LazyGroup, table=EVENT, context_settings=SETTINGS)
def event() -> None:
    """Find events and all that belongs to them, and look after them.

    list, show and timeline read beside a serving linkage, or without one. The others have it done
    by the linkage that serves, in the name of the application whose event it is.
    """


@click.group(cls=LazyGroup, table=JOURNAL, context_settings=SETTINGS)
def journal() -> None:
    """Read, check and export the journal."""


@click.group(cls=LazyGroup, table=PEER, context_settings=SETTINGS)
def peer() -> None:
    """Look after one peer."""


@click.group(cls=LazyGroup, table=SIMULATE, context_settings=SETTINGS)
def simulate() -> None:
    """Play a platform, an application or a screen."""
