#!/usr/bin/env bash
# A reply sent by aiosmtplib does not name the mail that it answers, if that one's id is long.
#
# In-Reply-To and References are lists of ids, not text. An id that makes the line longer than 78
# characters is sent as an encoded word (=?utf-8?q?=3C…), which RFC 2047 forbids there and mail
# programs compare as it is. Senders with such ids are the large mailing services. A policy of the
# message that allows long lines changes nothing: the library writes the message anew by its own.
# For a desk: the citizen sees the answer as a new conversation, and his next mail comes without a
# reference to the event. Send octets that you made yourself, and read those headers decoded.
set -euo pipefail
source "$(dirname "$0")/lib-common.sh"
python_with aiosmtplib==5.1.3 aiosmtpd==1.4.6

guess 'ids go out as they are (a header may have 998 octets), or at least the policy of the message holds'
"$PYTHON" - <<'PY'
import asyncio
import socket
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
from aiosmtpd.controller import Controller
from lib_seen import seen

LONG = f"<{'0102019ad3c4' * 5}-000000@eu-west-1.mail.example>"
SHORT = "<a1@mail.example>"


class Inbox:
    async def handle_DATA(self, server, session, envelope):
        self.mail = envelope.content
        return "250 taken"


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
inbox = Inbox()
server = Controller(inbox, hostname="127.0.0.1", port=port)
server.start()


def arrives(answered: str, policy, *, octets: bool = False) -> bool:
    """Whether In-Reply-To has the id that was set, by the octets on the wire."""
    mail = EmailMessage(policy=policy)
    mail["From"], mail["To"], mail["In-Reply-To"] = "desk@mail.example", "citizen@mail.example", answered
    mail.set_content("We are on our way.\n")
    who = {"sender": mail["From"], "recipients": [mail["To"]]} if octets else {}
    asyncio.run(aiosmtplib.send(bytes(mail) if octets else mail, hostname="127.0.0.1", port=port, **who))
    return message_from_bytes(inbox.mail)["In-Reply-To"] == answered


wide = SMTP.clone(max_line_length=998)
seen(f"id of {len(SHORT)} characters arrives", arrives(SHORT, SMTP), True)
seen(f"id of {len(LONG)} characters arrives", arrives(LONG, SMTP), False)
seen("with a policy of 998 characters a line", arrives(LONG, wide), False)
seen("the same as octets", arrives(LONG, wide, octets=True), True)
server.stop()
PY
