"""The command line: `linkage --help`.

Every command lives in a module of its own that is imported when it is called: help and misuse are
answered before the store, the codec or the sockets are loaded.
"""

from __future__ import annotations

from linkage.cli.commands import cli


def main() -> None:
    """Entry point of the console script `linkage`."""
    cli()


__all__ = ["cli", "main"]
