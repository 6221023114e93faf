"""IMAP4rev1 as the server speaks it, as far as who reads one folder needs it.

LOGIN, SELECT, EXAMINE, UID SEARCH, FETCH, STORE and EXPUNGE, NOOP, IDLE, LOGOUT.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from simulators.mail_server.folder import Folder, Held

CAPABILITY: Final = "IMAP4rev1 UIDPLUS IDLE"
_BODY: Final = re.compile(r"BODY(?:\.PEEK)?\[(HEADER)?\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE)
OPEN_VERBS: Final = frozenset({"CAPABILITY", "LOGIN"})
LOOK_S: Final = 0.02


class ImapSession:
    """One connection; `run` talks until it is over."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        accounts: Mapping[str, str],
        folder: Folder,
        flows: asyncio.Event,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._accounts, self._folder, self._flows = accounts, folder, flows
        self._is_known = False
        self._shown: list[Held] = []
        self._verbs: dict[str, Callable[[str], str]] = {
            "CAPABILITY": self._capability, "LOGIN": self._login, "SELECT": self._select,
            "EXAMINE": self._select, "NOOP": self._noop, "UID SEARCH": self._search,
            "UID FETCH": self._fetch, "UID STORE": self._store, "UID EXPUNGE": self._expunge,
            "EXPUNGE": self._expunge,
        }  # fmt: skip

    async def run(self) -> None:
        """Answer one command after the other."""
        self._say(f"* OK [CAPABILITY {CAPABILITY}] mail.example")
        while line := (await self._reader.readline()).decode("utf-8", "replace").strip():
            await self._flows.wait()
            tag, _, rest = line.partition(" ")
            verb, _, arguments = rest.partition(" ")
            verb = verb.upper()
            if verb == "UID":
                further, _, arguments = arguments.partition(" ")
                verb = f"UID {further.upper()}"
            if verb == "IDLE":
                await self._idle(tag)
            elif verb == "LOGOUT":
                self._say("* BYE", f"{tag} OK bye")
                return
            elif verb not in self._verbs or not (
                self._is_known or verb in {"LOGIN", "CAPABILITY"}
            ):
                self._say(f"{tag} BAD not so")
            else:
                self._say(f"{tag} {self._verbs[verb](arguments)}")

    def _say(self, *lines: str) -> None:
        if not self._writer.is_closing():
            self._writer.write("".join(f"{each}\r\n" for each in lines).encode())

    def _capability(self, _: str) -> str:
        self._say(f"* CAPABILITY {CAPABILITY}")
        return "OK done"

    def _login(self, arguments: str) -> str:
        given = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', arguments)
        name, password = (*given, ("", ""), ("", ""))[:2]
        self._is_known = self._accounts.get("".join(name)) == "".join(password)
        return "OK done" if self._is_known else "NO [AUTHENTICATIONFAILED] wrong name or password"

    def _select(self, arguments: str) -> str:
        if arguments.strip('"').upper() != "INBOX":
            return "NO [NONEXISTENT] there is none"
        folder = self._folder
        self._shown = list(folder.mails)
        self._say(
            f"* {len(self._shown)} EXISTS",
            "* 0 RECENT",
            "* FLAGS (\\Seen \\Deleted)",
            f"* OK [UIDVALIDITY {folder.validity}] valid",
            f"* OK [UIDNEXT {folder.next_uid}] next",
        )
        return "OK [READ-WRITE] done"

    def _noop(self, _: str) -> str:
        self._tell_new()
        return "OK done"

    def _tell_new(self) -> None:
        if [each for each in self._folder.mails if each not in self._shown]:
            self._shown = list(self._folder.mails)
            self._say(f"* {len(self._shown)} EXISTS")

    async def _idle(self, tag: str) -> None:
        self._say("+ idling")
        done = asyncio.get_running_loop().create_task(self._reader.readline())
        while not done.done():
            if self._flows.is_set():
                self._tell_new()
            await asyncio.wait({done}, timeout=LOOK_S)
        await self._flows.wait()
        self._say(f"{tag} OK done" if done.result().strip().upper() == b"DONE" else f"{tag} BAD")

    # --- mails -----------------------------------------------------------------------------------
    def _search(self, arguments: str) -> str:
        if arguments.upper().startswith("CHARSET"):
            arguments = arguments.partition(" ")[2].partition(" ")[2]
        key, _, value = arguments.partition(" ")
        match key.strip("()").upper():
            case "UNSEEN":
                found = [each for each in self._folder.mails if "\\Seen" not in each.flags]
            case "UID":
                found = list(self._named(value))
            case "SINCE":
                since = datetime.strptime(value.strip('"()'), "%d-%b-%Y")  # noqa: DTZ007 - a day
                day = since.date()
                found = [each for each in self._folder.mails if each.at.date() >= day]
            case _:
                return "BAD what is that?"
        self._say(f"* SEARCH {' '.join(str(each.uid) for each in found)}".rstrip())
        return "OK done"

    def _named(self, written: str) -> Iterator[Held]:
        """`7`, `3:5`, `4:*`: the last mail is always in the last of these."""
        last = max((each.uid for each in self._folder.mails), default=0)
        for part in written.strip("()").split(","):
            begin, _, end = part.partition(":")
            low, high = (last if each == "*" else int(each) for each in (begin, end or begin))
            low, high = min(low, high), max(low, high)
            yield from (each for each in self._folder.mails if low <= each.uid <= high)

    def _fetch(self, arguments: str) -> str:
        named, _, wanted = arguments.partition(" ")
        for held in self._named(named):
            number = self._folder.mails.index(held) + 1
            parts = [f"UID {held.uid}".encode()]
            if "RFC822.SIZE" in wanted.upper():
                parts.append(f"RFC822.SIZE {len(held.octets)}".encode())
            if "INTERNALDATE" in wanted.upper():
                parts.append(f'INTERNALDATE "{held.at:%d-%b-%Y %H:%M:%S %z}"'.encode())
            body = _BODY.search(wanted)
            if body is not None:
                parts.append(_literal(held.octets, body))
            self._writer.write(b"* %d FETCH (%s)\r\n" % (number, b" ".join(parts)))
        return "OK done"

    def _store(self, arguments: str) -> str:
        named, _, rest = arguments.partition(" ")
        for held in self._named(named):
            held.flags |= set(re.findall(r"\\\w+", rest))
        return "OK done"

    def _expunge(self, _: str) -> str:
        for held in [each for each in self._folder.mails if "\\Deleted" in each.flags]:
            self._say(f"* {self._folder.mails.index(held) + 1} EXPUNGE")
            self._folder.mails.remove(held)
        self._shown = [each for each in self._shown if each in self._folder.mails]
        self._tell_new()
        return "OK done"


def _literal(octets: bytes, wanted: re.Match[str]) -> bytes:
    head, begin, size = wanted.groups()
    shown = octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if head else octets
    label = f"BODY[{head or ''}]"
    if begin is not None:
        label += f"<{begin}>"
        shown = shown[int(begin) : int(begin) + int(size)]
    return f"{label} {{{len(shown)}}}\r\n".encode() + shown
