"""Hands a mail to an LMTP server (RFC 2033), or to an SMTP server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

WITHIN_S: Final = 30.0
_DOT: Final = re.compile(rb"(?m)^\.")


class HandOverError(Exception):
    """It was not taken; `is_final`: and need not be offered again."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


async def hand_over(
    address: tuple[str, int],
    sender: str,
    recipients: Sequence[str],
    octets: bytes,
    *,
    greeting: str = "LHLO",
) -> list[str]:
    """Hand it over once; the answers to the text, one for each recipient that was taken.

    Raises:
        HandOverError: it was refused, or nobody knows.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            reader, writer = await asyncio.open_connection(*address)
            try:
                return await _talk(reader, writer, sender, recipients, octets, greeting)
            finally:
                writer.close()
    except (OSError, EOFError) as error:
        raise HandOverError(str(error) or type(error).__name__) from error


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    sender: str,
    recipients: Sequence[str],
    octets: bytes,
    greeting: str,
) -> list[str]:
    async def answer() -> str:
        while True:
            line = (await reader.readline()).decode("utf-8", "replace")
            if not line.endswith("\n"):
                raise EOFError("it hung up")
            if line[3:4] != "-":
                return line.strip()

    async def ask(line: str, expected: str) -> str:
        writer.write(f"{line}\r\n".encode())
        said = await answer()
        if not said.startswith(expected):
            raise HandOverError(said, is_final=said.startswith("5"))
        return said

    await answer()
    await ask(f"{greeting} mail.example", "2")
    await ask(f"MAIL FROM:<{sender}>", "2")
    for each in recipients:
        await ask(f"RCPT TO:<{each}>", "2")
    await ask("DATA", "354")
    body = _DOT.sub(b"..", octets)
    writer.write(body if body.endswith(b"\r\n") else body + b"\r\n")
    writer.write(b".\r\n")
    await writer.drain()
    answers = [await answer() for _ in (recipients if greeting == "LHLO" else recipients[:1])]
    for said in answers:
        if not said.startswith("2"):
            raise HandOverError(said, is_final=said.startswith("5"))
    writer.write(b"QUIT\r\n")
    return answers
