"""SIP messages (RFC 3261) as a telephone on loopback needs them: read, and written."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from tests.real.peers.ports import LOOPBACK

END: Final = "\r\n"
COPIED: Final = frozenset({"via", "from", "to", "call-id", "cseq", "record-route"})
"""What a response repeats of its request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sip:
    """A request or a response: its first line, headers in their order, and the body."""

    first: str
    headers: tuple[tuple[str, str], ...] = field(default=())
    body: str = ""

    @property
    def status(self) -> int | None:
        """Of a response."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else None

    @property
    def method(self) -> str:
        """Of a request, or of what a response answers."""
        return self.get("cseq").split()[1]

    @property
    def cseq(self) -> int:
        """The number of the request."""
        return int(self.get("cseq").split()[0])

    def get(self, name: str) -> str:
        """The first header of that name (lower case), or nothing."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def encode(self) -> bytes:
        """As it is sent."""
        length = ("Content-Length", str(len(self.body.encode())))
        lines = [self.first, *(f"{key}: {value}" for key, value in (*self.headers, length))]
        return (END.join(lines) + END + END + self.body).encode()


def read(data: bytes) -> Sip:
    """A message as it came."""
    head, _, body = data.decode(errors="replace").partition(END + END)
    first, *lines = head.split(END)
    pairs = (line.partition(":") for line in lines)
    headers = tuple((key.strip(), value.strip()) for key, _, value in pairs)
    return Sip(first=first, headers=headers, body=body)


def answer(
    request: Sip,
    status: str,
    *,
    tag: str = "",
    more: tuple[tuple[str, str], ...] = (),
    body: str = "",
) -> Sip:
    """A response; `tag` is put behind the To where it has none."""
    copied = tuple(
        (
            key,
            f"{value};tag={tag}"
            if key.lower() == "to" and tag and ";tag=" not in value
            else value,
        )
        for key, value in request.headers
        if key.lower() in COPIED
    )
    kind = (("Content-Type", "application/sdp"),) if body else ()
    return Sip(first=f"SIP/2.0 {status}", headers=(*copied, *more, *kind), body=body)


KEYS: Final = 101
"""The payload type under which keys are sent."""


def sdp(port: int, version: int, direction: str = "sendrecv") -> str:
    """What we offer and accept: PCMU, and keys within the sound (RFC 4733)."""
    lines = (
        "v=0",
        f"o=- 1 {version} IN IP4 {LOOPBACK}",
        "s=-",
        f"c=IN IP4 {LOOPBACK}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 {KEYS}",
        "a=rtpmap:0 PCMU/8000",
        f"a=rtpmap:{KEYS} telephone-event/8000",
        f"a=fmtp:{KEYS} 0-15",
        f"a={direction}",
    )
    return END.join(lines) + END


def media_port(body: str) -> int | None:
    """Where the other side wants its sound."""
    found = re.search(r"m=audio (\d+)", body)
    return int(found[1]) if found else None


def uri_of(address: str) -> str:
    """The address between the angle brackets."""
    found = re.search(r"<([^>]+)>", address)
    return found[1] if found else address.partition(";")[0].strip()


def tag_of(address: str) -> str:
    """The tag behind an address."""
    found = re.search(r";tag=([^;\s]+)", address)
    return found[1] if found else ""


def new_id() -> str:
    """A tag, a Call-ID, a branch."""
    return secrets.token_hex(8)
