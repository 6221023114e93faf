"""SMS, MMS, fax and mail on a ladder: what passes between the platform and who writes or reads.

```
 who wrote ──▶ platform    120, 123, 130, 140    a message came in
 platform ──▶ who reads    121, 131, 141         it was sent, or refused: ✗
 who reads ──▶ platform    122, 142              it was delivered, read, or came back: ✗
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from protocol.reasons import REASON_TEXT

SHOWN: Final = 24
"""Characters of a text that its arrow shows."""
Party = Callable[[str | None], str | None]
"""The column of who has a number or an address."""
Passed = tuple[str | None, bool, str]
"""A person's column, whether the arrow goes towards the platform, and what it says."""

FAILED: Final = frozenset({"FAILED", "UNDELIVERABLE", "EXPIRED", "REJECTED", "BOUNCED"})
"""What came to nothing, by the names of the outcomes."""


def written_by(message: Any) -> str | None:
    """Who wrote a message that came in; None: it is none."""
    if message.number not in RECEIVED:
        return None
    return getattr(message, "phone_num", None) or getattr(message, "sender", None)


def written_to(message: Any) -> str | None:
    """To whom a message went of which a notice tells; None: it tells of none."""
    if message.number not in SENT:
        return None
    return getattr(message, "phone_num", None) or getattr(message, "recipient", None)


def _quoted(text: str | None) -> str:
    line = " ".join((text or "").split())
    return f" “{line[: SHOWN - 1]}…”" if len(line) > SHOWN else f" “{line}”" if line else ""


def _of(pages: int | None, all_of_them: int | None) -> str:
    if pages is None:
        return "" if all_of_them is None else f", {all_of_them} pages"
    return f", {pages} of {all_of_them} pages" if all_of_them else f", {pages} pages"


def _came(kind: str, text: Callable[[Any], str]) -> Callable[[Party, Any], Iterator[Passed]]:
    def show(party: Party, message: Any) -> Iterator[Passed]:
        yield party(written_by(message)), True, f"{kind}{text(message)}"

    return show


def _went(kind: str, *, heard: bool) -> Callable[[Party, Any], Iterator[Passed]]:
    """What became of a message; `heard`: word of it comes from the other side."""

    def show(party: Party, message: Any) -> Iterator[Passed]:
        status = message.status
        if status is None:
            return
        said = kind if status.name == "ACCEPTED" else f"{kind} {_word(status)}"
        pages = _of(getattr(message, "pages_sent", None), getattr(message, "pages", None))
        label = f"✗ {said}{_why(message)}" if status.name in FAILED else said + pages
        yield party(written_to(message)), heard or status.name in FAILED, label

    return show


def _word(status: Any) -> str:
    return str(status.name).lower().replace("_", " ")


def _why(message: Any) -> str:
    reason = getattr(message, "reason", None)
    if reason is not None:
        english, _ = REASON_TEXT.get(int(reason), ("failed", ""))
        return f": {english} ({int(reason)})"
    code = getattr(message, "enhanced_code", None)
    return "" if code is None else f": {code}"


RECEIVED: Final[dict[int, Callable[[Party, Any], Iterator[Passed]]]] = {
    120: _came("SMS", lambda message: _quoted(message.content)),
    123: _came("MMS", lambda message: _quoted(message.text)),
    130: _came("fax", lambda message: _of(message.pages, None)),
    140: _came("mail", lambda message: _quoted(message.subject or message.text)),
}
SENT: Final[dict[int, Callable[[Party, Any], Iterator[Passed]]]] = {
    121: _went("SMS", heard=False),
    122: _went("SMS", heard=True),
    131: _went("fax", heard=False),
    141: _went("mail", heard=False),
    142: _went("mail", heard=True),
}
PASSED: Final = {**RECEIVED, **SENT}
"""Notices that tell of a message that passed between the platform and a person."""
