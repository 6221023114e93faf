"""The reference of the commands, as they explain themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from linkage.cli.commands import cli

WIDTH: Final = 80
HEAD: Final = """\
# Command line

Written by `make generate` from the commands themselves.

## What holds for all of them

**Exit status**, one rule for every command:

| status | means |
|---|---|
| 0 | it is done; or it runs until it is stopped, and was stopped |
| 1 | it could not be done, or what was looked at does not hold |
| 2 | the command line is wrong, and nothing was tried |
| 130 | Ctrl-C before its end |

With status 1 and 2 stderr has a line for each problem. What runs until it is stopped: `serve`,
`simulate` but for `load`, `top`, `journal tail -f`. Ctrl-C leaves what was measured, which
`simulate load` and `conformance` show. A signal that is not caught counts as everywhere: 128 and
its number.

**Configuration.** Every command that needs it takes `-c FILE`, behind it or before it
(`linkage -c FILE peers`); else it is `$LINKAGE_CONFIG`, else `./linkage.toml`. A secret of the
configuration goes before `$LINKAGE_SECRET`, and `--secret` before both.

**For programs.** With `--json` times are ISO 8601 in UTC, OpIds and EventIds are texts, and names
stay as they are from version to version. CSV, SVG and Mermaid are UTF-8, whatever the terminal is.

**For people.** Output is as wide as the terminal, as `$COLUMNS` says, or 80 where it is piped;
EventIds are never cut. Every time names its zone. A terminal that cannot show a character, such as
one of GBK or of ASCII, gets a question mark for it.

**Who is connected, and changes.** `peers` and `peer show` ask the linkage that serves who is
connected; `event create`, `close`, `reopen`, `bind`, `unbind`, `merge` and `unmerge` have it do
what they say, with `operator:USER` as the author in the journal. They find it at `control.sock` in
its data directory, which its own user and root alone can open
([why so](../decisions/0034-the-command-line-asks-a-serving-linkage-by-a-socket-in-its-data-directory.md)).

**Completion** of commands and options by the Tab key:

```sh
eval "$(_LINKAGE_COMPLETE=bash_source linkage)"             # in ~/.bashrc
eval "$(_LINKAGE_COMPLETE=zsh_source linkage)"              # in ~/.zshrc
_LINKAGE_COMPLETE=fish_source linkage | source              # in ~/.config/fish/config.fish
```
"""  # noqa: E501 - a link is not broken


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
