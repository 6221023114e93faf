"""Trees of messages with names that nobody knows, without a trace of those names.

libxml2 keeps every name that it has ever read (of elements, attributes, instructions, namespaces)
and every long run of blanks in one table that lives as long as the process, and lxml offers no way
to empty it: a message of 60 KB with a thousand names that were never used before costs 40 KB for
good, whoever sends it. So a payload goes to lxml only when all that could be a name in it is one
of the catalogue's; any other is read by expat, whose names die with it, and becomes a tree in
which the foreign ones stand as `UNKNOWN`. To the reader that is the same: it passes over them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final
from xml.parsers import expat

from lxml import etree

UNKNOWN: Final = "unknown"
ROOTS: Final = ("request", "response")

_NAME: Final = re.compile(
    rb"""</?([^\s<>/='"]++)                      # an element, also <!DOCTYPE and <?pi
    | (?<![^\s<>/='"])([^\s<>/='"]++)\s*+=     # an attribute, or what looks like one
    | &([^\s;<&]*+)                              # an entity""",
    re.VERBOSE,
)
"""Everything that a parser could take for a name: rather too much (a text such as `a=b`) than too
little. Where the two disagree on where a name ends, ours is longer, and so unknown. Each word is
looked at once, from its first character on: one of 60 KB must not cost its square."""
_BLANKS: Final = re.compile(rb">\s{16,}+<")
"""Runs that libxml2 keeps; shorter ones stand in the node itself."""
_HARMLESS: Final = (b"", b"?xml", b"version", b"encoding", b"standalone", b"request", b"response")
_ENTITIES: Final = (b"amp", b"lt", b"gt", b"quot", b"apos")


class UnreadableError(Exception):
    """It is no XML, or XML of a kind that is not allowed; the text says why."""


class Vocabulary:
    """The names that a reader knows.

    Args:
        names: as they are written, and folded.
        fold: what a tolerant reader makes of a name; what is known folded is kept folded.
    """

    def __init__(self, names: Collection[str], fold: Callable[[str], str]) -> None:
        self._names = frozenset(names)
        self._fold = fold
        self._harmless = frozenset(name.encode() for name in names).union(_HARMLESS, _ENTITIES)

    def covers(self, payload: bytes) -> bool:
        """Whether nothing in a payload could be a name that is not known."""
        if _BLANKS.search(payload) is not None:
            return False
        found: set[bytes] = set()
        found.update(*_NAME.findall(payload))
        return found <= self._harmless

    def known(self, name: str) -> str | None:
        """The name under which the reader will find it; None: it would not."""
        if name in self._names:
            return name
        folded = self._fold(name)
        return folded if folded in self._names else None


def tree_without_unknown_names(
    payload: bytes, encoding: str, vocabulary: Vocabulary, depth_max: int
) -> etree._Element:
    """The tree of a payload, foreign names replaced, foreign attributes left out.

    Raises:
        UnreadableError: not well-formed, a DTD, too deep, or neither request nor response.
    """
    builder = _Builder(vocabulary, depth_max)
    parser = expat.ParserCreate(None, "}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.tree.data
    try:
        # A text and no bytes: expat would believe what they say of their encoding.
        parser.Parse(payload.decode(encoding), True)  # noqa: FBT003 - positional in the library
    except (expat.ExpatError, ValueError) as error:
        raise UnreadableError(f"XML is not well-formed: {error}") from None
    return builder.tree.close()


class _Builder:
    """Builds the tree as expat goes."""

    def __init__(self, vocabulary: Vocabulary, depth_max: int) -> None:
        self.tree = etree.TreeBuilder()
        self._vocabulary = vocabulary
        self._depth_max = depth_max
        self._open: list[str] = []

    def doctype(self, *_: object) -> None:
        """Comes before anything of it is read: no entity is ever declared."""
        raise UnreadableError("a document type declaration is not allowed")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if len(self._open) >= self._depth_max:
            raise UnreadableError(f"nested deeper than {self._depth_max} levels")
        if not self._open and name.lower() not in ROOTS:
            raise UnreadableError(f"<{name[:40].lower()}> is neither request nor response")
        known = self._vocabulary.known(name) or UNKNOWN if self._open else name.lower()
        kept: dict[str | bytes, str | bytes] = {}
        for key, value in attributes.items():
            found = self._vocabulary.known(key)
            if found is not None:
                kept.setdefault(found, value)  # two ways to write one: the first counts
        self.tree.start(known, kept)
        self._open.append(known)

    def end(self, _name: str) -> None:
        """The element ends."""
        self.tree.end(self._open.pop())
