"""The EventId in a mail: in its Message-ID, which answers name, and in the subject.

| where | how |
|---|---|
| Message-ID | `<TOKEN+EVENTID@domain>`, where the EventId has no sign that cannot stand there |
| Subject | `… [#EVENTID]` (`subject_tag`) |

Some programs and gateways drop In-Reply-To and References, hardly any drops the subject.
"""

from __future__ import annotations

import re
from typing import Final

from adapters.mail.settings import EVENT

ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*/=?^_`{|}~-]+)*")
"""RFC 5322, dot-atom-text, without the `+` that separates the EventId."""
EVENT_MAX: Final = 20


def message_id(token: str, event_id: str | None, domain: str) -> str:
    """A new Message-ID, with its brackets."""
    tag = f"+{event_id}" if event_id and ATOM.fullmatch(event_id) else ""
    return f"<{token}{tag}@{domain}>"


def tagged(subject: str, event_id: str | None, template: str) -> str:
    """A subject with its event; one that has it already stays as it is."""
    if not event_id or not template:
        return subject
    tag = template.replace(EVENT, event_id)
    return subject if tag in subject else f"{subject} {tag}".strip()


def event_in(subject: str, template: str) -> str | None:
    """The EventId that a subject names, the last of several; None: it names none."""
    if not template:
        return None
    before, _, after = template.partition(EVENT)
    stop = re.escape(after[0]) if after else r"\s"
    shape = re.escape(before) + rf"([^{stop}]{{1,{EVENT_MAX}}})" + re.escape(after)
    found = re.findall(shape, subject[-1000:])
    return found[-1].strip() or None if found else None


def reference(event_id: str, domain: str) -> str:
    """A Message-ID that says of what the subject said: no mail has it, the event is in it."""
    return f"<subject+{event_id}@{domain}>"
