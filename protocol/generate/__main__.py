"""`python -m protocol.generate [--check] DIR`: write the reference, or say what is stale in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from protocol.generate.files import stale, write


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is well, 1 when `--check` found stale files, which it names on stderr."""
    parser = argparse.ArgumentParser(prog="python -m protocol.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    parser.add_argument("directory", type=Path, metavar="DIR", help="such as docs/reference")
    options = parser.parse_args(arguments)
    if not options.check:
        written = write(options.directory)
        sys.stdout.write(f"{len(written)} files changed in {options.directory}\n")
        return 0
    old = stale(options.directory)
    for path in old:
        sys.stderr.write(f"stale: {options.directory / path}\n")
    if old:
        sys.stderr.write(f"run: python -m protocol.generate {options.directory}\n")
    return 1 if old else 0


if __name__ == "__main__":  # pragma: no cover - the test calls main
    sys.exit(main())
