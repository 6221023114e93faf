"""Which types a peer names in element `No` (291, 294): `110`, or `1xx` for a direction."""

from __future__ import annotations

from collections.abc import Iterable

from linkage.core.rights.refusal import RefusedError
from protocol.results import Result


def types_asked(numbers: Iterable[str]) -> list[int]:
    """The types; none: all.

    Raises:
        RefusedError: 103, one is neither.
    """
    types: list[int] = []
    for written in numbers:
        if written.isascii() and written.isdigit():
            types.append(int(written))
        elif written[:1].isdecimal() and written[1:].lower() == "xx":
            types += range(int(written[0]) * 100, int(written[0]) * 100 + 100)
        else:
            raise RefusedError(Result.BAD_VALUE, f"No: {written} is no type, such as 110 or 1xx")
    return types
