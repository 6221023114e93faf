"""One SMTP connection as the server has it, without I/O: a line in, what to do and to say out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from simulators.mail_server.reports import Taken

SIZE_MAX: Final = 35_000_000
EXTENSIONS: Final = (f"SIZE {SIZE_MAX}", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")


@dataclass
class Said:
    """What the server answers; `taken`: a mail is whole; `closes`: it hangs up then."""

    lines: str = ""
    taken: Taken | None = None
    closes: bool = False


class SmtpSession:
    """Feed `line` with each line, its end cut off.

    Args:
        accounts: name → password; none: nobody need log in.
        refusal: address → the answer to its RCPT; empty: it is taken.
    """

    def __init__(self, accounts: Mapping[str, str], refusal: Callable[[str], str]) -> None:
        self._accounts, self._refusal = accounts, refusal
        self._is_known = not accounts
        self._greeted = False
        self._taking: Taken | None = None
        self._body: list[bytes] | None = None
        self._asked: list[str] | None = None
        self._verbs: dict[str, Callable[[str], Said]] = {
            "EHLO": self._ehlo, "AUTH": self._auth, "MAIL": self._from, "RCPT": self._rcpt,
            "DATA": self._data, "RSET": self._rset, "NOOP": self._noop, "QUIT": self._quit,
        }  # fmt: skip

    @property
    def in_data(self) -> bool:
        """Whether what comes is the text of a mail."""
        return self._body is not None

    def line(self, line: bytes) -> Said:
        """What comes of one line."""
        if self._body is not None:
            return self._text(line)
        if self._asked is not None:
            return self._login_step(line)
        verb, _, rest = line.decode("utf-8", "replace").partition(" ")
        handle = self._verbs.get(verb.upper())
        return handle(rest.strip()) if handle else Said("500 5.5.2 what is that?")

    # --- who -------------------------------------------------------------------------------------
    def _ehlo(self, _: str) -> Said:
        self._greeted = True
        extensions = [*EXTENSIONS, *(["AUTH PLAIN LOGIN"] if self._accounts else [])]
        lines = ["mail.example", *extensions]
        return Said("\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"]))

    def _auth(self, rest: str) -> Said:
        kind, _, given = rest.partition(" ")
        if kind.upper() == "PLAIN" and given:
            return self._check(_decoded(given).split("\0")[1:])
        if kind.upper() == "LOGIN":
            self._asked = [_decoded(given)] if given else []
            return Said("334 VXNlcm5hbWU6" if not given else "334 UGFzc3dvcmQ6")
        return Said("504 5.5.4 not so")

    def _login_step(self, line: bytes) -> Said:
        assert self._asked is not None
        self._asked.append(_decoded(line.decode("latin-1")))
        if len(self._asked) == 1:
            return Said("334 UGFzc3dvcmQ6")
        given, self._asked = self._asked, None
        return self._check(given)

    def _check(self, given: list[str]) -> Said:
        name, password = (*given, "", "")[:2]
        self._is_known = self._accounts.get(name) == password
        return Said("235 2.7.0 ok" if self._is_known else "535 5.7.8 wrong name or password")

    # --- a mail ----------------------------------------------------------------------------------
    def _from(self, rest: str) -> Said:
        path, options = _path(rest, "FROM:")
        if path is None:
            return Said("501 5.5.4 MAIL FROM:<…>")
        if not self._greeted or self._taking is not None:
            return Said("503 5.5.1 not now")
        if not self._is_known:
            return Said("530 5.7.0 log in first")
        size = options.get("SIZE", "")
        if size.isdigit() and int(size) > SIZE_MAX:
            return Said("552 5.3.4 too large")
        self._taking = Taken(path, envelope_id=options.get("ENVID", ""))
        return Said("250 2.1.0 ok")

    def _rcpt(self, rest: str) -> Said:
        if self._taking is None:
            return Said("503 5.5.1 MAIL first")
        path, options = _path(rest, "TO:")
        if path is None:
            return Said("501 5.5.4 RCPT TO:<…>")
        refusal = self._refusal(path)
        if refusal:
            return Said(refusal)
        self._taking.recipients.append(path)
        self._taking.notify[path] = options.get("NOTIFY", "FAILURE").upper()
        if "ORCPT" in options:
            self._taking.originals[path] = options["ORCPT"]
        return Said("250 2.1.5 ok")

    def _data(self, _: str) -> Said:
        if self._taking is None or not self._taking.recipients:
            return Said("503 5.5.1 RCPT first")
        self._body = []
        return Said("354 go on, end with a dot")

    def _text(self, line: bytes) -> Said:
        assert self._body is not None
        if line != b".":
            self._body.append(line[1:] if line.startswith(b".") else line)
            return Said()
        taken, self._taking = self._taking, None
        assert taken is not None
        taken.octets = b"\r\n".join([*self._body, b""])
        self._body = None
        return Said(taken=taken)

    def _rset(self, _: str) -> Said:
        self._taking = None
        return Said("250 2.0.0 ok")

    def _noop(self, _: str) -> Said:
        return Said("250 2.0.0 ok")

    def _quit(self, _: str) -> Said:
        return Said("221 2.0.0 bye", closes=True)


def _path(rest: str, begin: str) -> tuple[str | None, dict[str, str]]:
    """`FROM:<a@b> SIZE=1` → the address, and the options."""
    path, _, options = rest[len(begin) :].strip().partition(">")
    if rest[: len(begin)].upper() != begin or not path.startswith("<"):
        return None, {}
    pairs = (each.partition("=") for each in options.split())
    return path[1:], {name.upper(): value for name, _, value in pairs}


def _decoded(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
