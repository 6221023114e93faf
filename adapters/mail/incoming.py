"""A mail that came in, as octets → what it says, by whomever it was made.

Nothing that a mail holds raises anything here. What is over a limit is left out and said so
(`problems`); whoever takes it keeps the octets as they came, then.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree, html

from adapters.mail import charsets, event_tags, headers, report_reader
from adapters.mail.message_ids import ids_in
from adapters.mail.mime import Part, Parts
from adapters.mail.reports import Report
from protocol.fields import CONTROL, FREE_TEXT_MAX, NULL_TOKENS

LINE_MAX: Final = 1_000
NAME_MAX: Final = 120
HTML_MAX: Final = 2_000_000
TEXT_MAX: Final = 4_000_000
IDS_MAX: Final = 20
_SPACES: Final = re.compile(r"[ \t\xa0]+")
_BLANKS: Final = re.compile(r"\n{3,}")
_SAFE: Final = re.compile(r"[^\w.()+@ -]")


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a mail becomes a file."""

    name: str
    octets: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """What a mail says; texts are such as a notice can hold them."""

    message_id: str | None = None
    answers: Sequence[str] = ()
    """Message-IDs with their brackets: In-Reply-To, then References, the last ones first."""
    sender: str | None = None
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    subject: str | None = None
    text: str | None = None
    files: Sequence[Kept] = ()
    report: Report | None = None
    problems: Sequence[str] = field(default=())


def read(mail: bytes, *, subject_tag: str = "", domain: str = "") -> Incoming:
    """Read a mail.

    Args:
        mail: as it came.
        subject_tag: how our subjects name an event (`event_tags`).
        domain: of our own Message-IDs.
    """
    parts = Parts(mail)
    fields = parts.fields
    subject = fields.text("subject")
    text, files = _bodies(parts)
    answers = _answers(fields)
    event_id = event_tags.event_in(subject, subject_tag)
    if event_id is not None and event_tags.ATOM.fullmatch(event_id):
        answers.append(event_tags.reference(event_id, domain))
    return Incoming(
        message_id=_message_id(fields),
        answers=answers,
        sender=next(iter(headers.addresses(fields.raw("from"))), None),
        to=headers.addresses(fields.raw("to")),
        cc=headers.addresses(fields.raw("cc")),
        subject=one_line(subject),
        text=text,
        files=files,
        report=report_reader.report_in(parts),
        problems=parts.problems,
    )


def digest(mail: bytes) -> str:
    """By which a mail that comes twice is known, whatever servers wrote above it meanwhile."""
    parts = re.split(rb"\r?\n\r?\n", mail, maxsplit=1)
    fields = dict(reversed(list(headers.read_fields(parts[0][:200_000]))))
    told = hashlib.sha256()
    for name in ("message-id", "date", "from", "subject"):
        told.update(fields.get(name, b"") + b"\0")
    body = parts[1] if len(parts) > 1 else parts[0]
    told.update(body.replace(b"\r\n", b"\n").rstrip(b"\n"))
    return told.hexdigest()[:32]


# --- headers -------------------------------------------------------------------------------------
def one_line(text: str, size: int = LINE_MAX) -> str | None:
    """A text as an element of one line can hold it; None: there is nothing in it."""
    found = CONTROL.sub(" ", text)[:size].strip()
    return None if found in NULL_TOKENS else found


def _message_id(fields: headers.Fields) -> str | None:
    found = ids_in(headers.words(fields.raw("message-id")))
    return one_line(f"<{found[0]}>") if found else None


def _answers(fields: headers.Fields) -> list[str]:
    """Encoded words are read first: programs make them of long ids."""
    named = [ids_in(headers.words(fields.raw(each))) for each in ("in-reply-to", "references")]
    ordered = [*named[0], *reversed(named[1])]
    return [f"<{each}>" for each in dict.fromkeys(ordered)][:IDS_MAX]


# --- bodies --------------------------------------------------------------------------------------
def _bodies(parts: Parts) -> tuple[str | None, list[Kept]]:
    """The text that people read, and what becomes files."""
    texts: list[str] = []
    pages: list[str] = []
    files: list[Kept] = []
    for part in parts:
        content = part.content
        is_body = not content.is_attachment and content.name is None
        if is_body and content.type == "text/plain":
            texts.append(_text(parts, part))
        elif is_body and content.type == "text/html":
            octets = parts.octets(part)
            label = content.charset or _label_of_html(octets)
            pages.append(charsets.decode(octets[:TEXT_MAX], label))
            files.append(Kept("message.html", octets))
        else:
            files.append(Kept(_name(content.type, content.name, len(files)), parts.octets(part)))
    text = "\n".join(each.strip("\n") for each in texts)
    if not text.strip() and pages:
        text = "\n".join(map(text_of_html, pages))
    if len(text) > FREE_TEXT_MAX:
        files.append(Kept("text.txt", text.encode("utf-8", "replace")))
        text = text[:FREE_TEXT_MAX]
    return free_text(text), files


def _text(parts: Parts, part: Part) -> str:
    octets = parts.octets(part)[:TEXT_MAX]
    return charsets.decode(octets, part.content.charset).replace("\r\n", "\n")


def free_text(text: str) -> str | None:
    """A text as an element `Text` can hold it; None: there is nothing in it."""
    found = charsets.clean(text)[:FREE_TEXT_MAX].rstrip()
    if found.strip() in NULL_TOKENS:
        return f'"{found.strip()}"' if found.strip() else None  # who writes NULL has written it
    return found


def _label_of_html(octets: bytes) -> str | None:
    found = re.search(
        rb"<meta[^>]{0,200}charset=[\"']?([A-Za-z0-9_-]{1,40})", octets[:4096], re.IGNORECASE
    )
    return found[1].decode("ascii") if found else None


def text_of_html(page: str) -> str:
    """What of a page people read. It raises nothing."""
    if not page.strip():
        return ""
    try:
        parser = html.HTMLParser(encoding="utf-8", huge_tree=False, remove_comments=True)
        tree = html.document_fromstring(page[:HTML_MAX].encode("utf-8"), parser=parser)
        etree.strip_elements(tree, "script", "style", "head", with_tail=False)
        for each in tree.iter("p", "div", "br", "tr", "li", "h1", "h2"):
            each.tail = "\n" + (each.tail or "")
        found = "".join(map(str, tree.itertext()))
    except (etree.LxmlError, ValueError, AssertionError, RecursionError):
        found = re.sub(r"<[^>]{0,2000}>", " ", page[:HTML_MAX])
    lines = (_SPACES.sub(" ", line).strip() for line in found.splitlines())
    return _BLANKS.sub("\n\n", "\n".join(lines)).strip()


def _name(kind: str, name: str | None, number: int) -> str:
    """A name for a file, without any path in it."""
    written = (name or "").replace("\\", "/").rpartition("/")[2]
    safe = _SAFE.sub("_", written).strip(" .")
    if safe:
        stem, dot, ending = safe.rpartition(".")
        return f"{stem[: NAME_MAX - 20]}.{ending[:19]}" if dot else safe[:NAME_MAX]
    ending = ".eml" if kind == "message/rfc822" else mimetypes.guess_extension(kind) or ".bin"
    return f"part-{number + 1}{ending}"
