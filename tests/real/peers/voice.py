"""What a telephone says and hears: RTP with a tone of its own, and a look at whose tone comes in.

A telephone's tone is a multiple of 50 Hz: every frame of 20 ms is the same then, and none clicks.
What arrives is judged in tenths of a second: one late packet spoils one of them, not the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from tests.real.peers.audio import AMPLITUDE, FRAME, PIECE, RATE_HZ, loudness, mu_law, share_of
from tests.real.peers.ports import LOOPBACK
from tests.real.peers.sip import KEYS

KEYPAD: Final = "0123456789*#ABCD"
KEY_FRAMES: Final = 8
"""A key is held for so many frames, of which the last three say that it was let go."""
KEY_PAUSE: Final = 5
MARKER: Final = 0x80
LET_GO: Final = 0x80
FRAME_S: Final = FRAME / RATE_HZ
HEADER: Final = struct.Struct(">BBHII")
PCMU: Final = 0
LOUD: Final = 100.0
"""Music is louder than this; comfort noise is not."""
HEARD: Final = 0.1
"""Share of a tenth of a second that a tone must have: of three who speak at once each has more."""
PIECES_KEPT: Final = 50
WAIT_S: Final = 20.0
SILENCE: Final = bytes([0xFF]) * FRAME


def _linear(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)
    return 0x84 - magnitude if code & 0x80 else magnitude - 0x84


LINEAR: Final = tuple(_linear(code) for code in range(256))
MU_LAW: Final = {sample: mu_law(sample) for sample in range(-32_768, 32_768, 4)}


def tone(frequency_hz: int) -> bytes:
    """One frame of a tone, as µ-law."""
    return bytes(
        mu_law(round(AMPLITUDE * math.sin(2 * math.pi * frequency_hz * n / RATE_HZ)))
        for n in range(FRAME)
    )


def mixed(*frames: bytes) -> bytes:
    """Several frames as one: what a telephone does that makes a conference by itself."""
    sums = (sum(LINEAR[code] for code in codes) // 2 for codes in zip(*frames, strict=True))
    return bytes(MU_LAW[max(-32_768, min(32_764, each)) & ~3] for each in sums)


class Voice(asyncio.DatagramProtocol):
    """The sound of one call of a telephone. `says` gives each frame, None for silence."""

    def __init__(self, says: Callable[[], bytes | None]) -> None:
        """Say nothing before `open`, and nothing before it is known to where (`towards`)."""
        self.towards: tuple[str, int] | None = None
        self.last = SILENCE
        self._keys: deque[tuple[int, int]] = deque()
        self._says = says
        self._pieces: deque[list[int]] = deque(maxlen=PIECES_KEPT)
        self._count = 0
        self._piece: list[int] = []
        self._arrived = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self._clock: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Bind a port; returns it."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(LOOPBACK, 0)
        )
        self._clock = loop.create_task(self._speak())
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def close(self) -> None:
        """Say and hear nothing more."""
        if self._clock is not None:
            self._clock.cancel()
        if self._transport is not None:
            self._transport.close()

    def press(self, digits: str) -> None:
        """Press keys, told within the sound (RFC 4733), as nearly all telephones do."""
        for digit in digits:
            code = KEYPAD.index(digit)
            self._keys.extend((code, frame) for frame in range(KEY_FRAMES + KEY_PAUSE))

    async def hears_music(self, *but_hz: int, for_tenths: int = 5) -> None:
        """Return when there is sound, so many tenths in a row, with none of these tones in it."""
        found, seen = 0, self._count
        async with asyncio.timeout(WAIT_S):
            while found < for_tenths:
                pieces = await self._more(seen)
                seen += len(pieces)
                for piece in pieces:
                    tones = any(share_of(piece, hz) >= HEARD for hz in but_hz)
                    found = found + 1 if loudness(piece) > LOUD and not tones else 0

    async def hears(self, *tones_hz: int, for_tenths: int = 3) -> None:
        """Return when all these tones are heard, in so many tenths of a second from now on.

        Raises:
            AssertionError: they are not, for a long time.
        """
        found = dict.fromkeys(tones_hz, 0)
        shares: list[dict[int, float]] = []
        seen = self._count
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while min(found.values()) < for_tenths:
                    for piece in await self._more(seen):
                        seen += 1
                        shares.append({hz: round(share_of(piece, hz), 2) for hz in tones_hz})
                        for hz in tones_hz:
                            found[hz] += shares[-1][hz] >= HEARD
                return
        message = f"not heard: {[hz for hz in found if found[hz] < for_tenths]}; {shares[-10:]}"
        raise AssertionError(message)

    async def never_hears(self, *tones_hz: int, for_tenths: int = 5) -> None:
        """Return when so many tenths of a second, one after the other, held none of these tones.

        What comes of a party that just left may still be on its way, so it waits for such a time.
        Silence is no packets, too: what is not sent counts by the clock of what we send ourselves.
        """
        quiet, seen = 0, self._count
        async with asyncio.timeout(WAIT_S):
            while quiet < for_tenths:
                pieces = await self._more(seen, patience_s=0.1)
                seen += len(pieces)
                for piece in pieces:
                    quiet = (
                        0 if any(share_of(piece, hz) >= HEARD for hz in tones_hz) else quiet + 1
                    )
                quiet += not pieces

    async def _more(self, seen: int, patience_s: float = WAIT_S) -> Sequence[list[int]]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._count <= seen:
                    self._arrived.clear()
                    await self._arrived.wait()
        fresh = min(self._count - seen, len(self._pieces))
        return list(self._pieces)[len(self._pieces) - fresh :]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take in a packet."""
        if len(data) != HEADER.size + FRAME or data[1] & 0x7F != PCMU or addr != self.towards:
            return
        self.last = data[HEADER.size :]
        self._piece += (LINEAR[code] for code in self.last)
        if len(self._piece) >= PIECE:
            self._pieces.append(self._piece)
            self._count += 1
            self._piece = []
            self._arrived.set()

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        source, number, stamp = random.getrandbits(32), random.getrandbits(15), 0
        due = loop.time()
        while True:
            due += FRAME_S
            await asyncio.sleep(due - loop.time())
            number, stamp = number + 1 & 0xFFFF, stamp + FRAME & 0xFFFFFFFF
            if self._keys and self._key(number, stamp, source):
                continue
            frame = self._says()
            if frame is not None and self.towards is not None and self._transport is not None:
                head = HEADER.pack(0x80, PCMU, number, stamp, source)
                self._transport.sendto(head + frame, self.towards)

    def _key(self, number: int, stamp: int, source: int) -> bool:
        """Send a frame of the key that is held; False in the pause after it."""
        code, frame = self._keys.popleft()
        if frame >= KEY_FRAMES or self.towards is None or self._transport is None:
            return False
        began = stamp - frame * FRAME & 0xFFFFFFFF
        marker = MARKER if frame == 0 else 0
        let_go = LET_GO if frame >= KEY_FRAMES - 3 else 0
        head = HEADER.pack(0x80, marker | KEYS, number, began, source)
        body = struct.pack(">BBH", code, let_go | 10, FRAME * min(frame + 1, KEY_FRAMES - 2))
        self._transport.sendto(head + body, self.towards)
        return True
