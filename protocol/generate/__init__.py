"""The reference pages, schemas and the AsyncAPI document, made from the message classes.

`python -m protocol.generate docs/reference` writes them; with `--check` it says which are stale.
"""

from __future__ import annotations

from protocol.generate.files import render, stale, write

__all__ = ["render", "stale", "write"]
