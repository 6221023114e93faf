"""What a 220 or 224 wants: which text, to whom, and who is sent nothing."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from adapters.phone_numbers import dialable
from linkage.ports import CommandError
from protocol.messages import Receiver, SendSms, SendSmsBatch
from protocol.reasons import Reason
from protocol.results import Result


def text_of(message: SendSms | SendSmsBatch, templates: Mapping[str, str]) -> str:
    """The text, or that of the template with its parameters.

    Raises:
        CommandError: there is none.
    """
    if message.template_id is None:
        if not message.content:
            raise CommandError(Result.MISSING_FIELD, "Content or TemplateId must say the text")
        return message.content
    template = templates.get(message.template_id)
    if template is None:
        raise CommandError(Result.BAD_VALUE, f"TemplateId {message.template_id} is not configured")
    try:
        return template.format_map({each.key: each.value or "" for each in message.params})
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        raise CommandError(
            Result.BAD_VALUE, f"TemplateId {message.template_id} lacks a parameter: {error}"
        ) from None


def receivers_of(message: SendSmsBatch, groups: Mapping[str, Sequence[str]]) -> Sequence[Receiver]:
    """All whom a batch goes to, each once.

    Raises:
        CommandError: a group is not configured.
    """
    receivers = list(message.receivers)
    for group in message.group_ids:
        if group not in groups:
            raise CommandError(Result.BAD_VALUE, f"GroupId {group} is not configured")
        receivers += [Receiver(phone_num=each) for each in groups[group]]
    return list({each.phone_num or each.staff_id: each for each in receivers}.values())


def refusal(number: str, blocked: Sequence[str]) -> Reason | None:
    """Why a number is sent nothing; None: it is."""
    dialled = dialable(number) if number else None
    if dialled is None or not dialled.removeprefix("+").isdigit():
        return Reason.SMS_BAD_NUMBER
    is_blocked = any(fnmatch.fnmatchcase(dialled, each) for each in blocked)
    return Reason.SMS_BLACKLIST if is_blocked else None
