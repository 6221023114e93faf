"""`python -m linkage.cli.reference [--check] FILE`: write the reference of the commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from linkage.cli.commands import cli
from linkage.generated import keep_page

WIDTH: Final = 80
HEAD: Final = """\
# Command line

Written by `make generate` from the commands themselves.

Exit status: 0 done; 1 it could not be done, with one line for each problem on stderr; 2 misuse;
130 interrupted. Every command that needs the configuration takes `-c FILE`, whose default is
`$LINKAGE_CONFIG`, else `./linkage.toml`. With `--json` the output is for programs: times are
ISO 8601 in UTC, OpIds and EventIds are texts, and names stay as they are from version to version.
"""


def reference_text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sections(cli, _context(cli, None, "linkage"))])


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    settings: dict[str, Any] = {**command.context_settings, "terminal_width": WIDTH}
    return click.Context(command, parent, info_name=name, **settings)


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _sections(found, _context(found, context, name))


def main(arguments: Sequence[str]) -> int:
    """See `keep_page`."""
    return keep_page(reference_text, arguments)


if __name__ == "__main__":  # pragma: no cover - the test calls main
    sys.exit(main(sys.argv[1:]))
