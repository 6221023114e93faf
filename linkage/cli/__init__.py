"""The command line: `linkage --help`.

Every command lives in a module of its own that is imported when it is called: help and misuse are
answered before the store, the codec or the sockets are loaded.
"""

from __future__ import annotations

from linkage.cli.commands import cli
from linkage.cli.shared.terminal import show_what_can_be_shown


def main() -> None:
    """Entry point of the console script `linkage`."""
    show_what_can_be_shown()
    cli()


__all__ = ["cli", "main"]
