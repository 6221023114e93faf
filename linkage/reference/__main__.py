"""`python -m linkage.reference [--check] FOLDER`: write the pages, or see if they are fresh."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from linkage.reference import command_line, library, metrics, settings

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "api.md": library.reference_text,
    "cli.md": command_line.reference_text,
    "configuration.md": settings.reference_text,
    "metrics.md": metrics.reference_text,
}


def main(arguments: Sequence[str]) -> int:
    """Write every page into a folder; with `--check`, only look whether it says what they do.

    Returns:
        0 when all is well, 1 when `--check` found a page stale, which stderr says.
    """
    (folder,) = (Path(argument) for argument in arguments if argument != "--check")
    stale = []
    for name, text in PAGES.items():
        path, written = folder / name, text()
        if "--check" not in arguments:
            path.write_text(written, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != written:
            stale.append(str(path))
    for each in stale:
        sys.stderr.write(f"stale: {each}; run: make generate\n")
    return 1 if stale else 0


if __name__ == "__main__":  # pragma: no cover - the test calls main
    sys.exit(main(sys.argv[1:]))
