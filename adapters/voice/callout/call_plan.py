"""Whom a 210 or 204 is to call: each number as it is dialled, or why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from adapters.voice.addressee import no_number
from adapters.voice.dialplan import known, number_target
from adapters.voice.model import Target
from adapters.voice.settings import VoiceSettings
from linkage.convening.people import Person, Race, Try
from linkage.ports import CommandError
from protocol.messages import CallMode, Group, Staff
from protocol.reasons import Reason
from protocol.results import Result

TRIES_MAX: Final = 2000
"""Calls that one command may lead to; more is a mistake, and no longer one call's work."""


def plan(settings: VoiceSettings, groups: Iterable[Group], retry: int) -> list[Race]:
    """The groups of a 210 as races; `retry` is how often all of a person's numbers are repeated.

    Raises:
        CommandError: nobody of them can be dialled at all, or there are too many.
    """
    races = [
        Race(
            group_id=group.group_id,
            mode=group.call_mode or CallMode.ALL,
            wanted=(group.wanted or 1) if group.call_mode is CallMode.N_OF_GROUP else 1,
            persons=[_person(settings, staff, retry) for staff in group.staff],
        )
        for group in groups
    ]
    tries = [each for race in races for person in race.persons for each in person.tries]
    if len(tries) > TRIES_MAX:
        raise CommandError(Result.OVERLOAD, f"this would be more than {TRIES_MAX} calls")
    if all(each.obstacle is not None for each in tries):
        no_trunk = any(each.obstacle == Reason.NO_TRUNK for each in tries)
        if not no_trunk:
            raise no_number("PhoneNum", tries[0].written)
        raise CommandError(
            Result.NO_TRUNK,
            "none of these numbers can be dialled: none is an officer's, and there is no trunk",
        )
    return races


def _person(settings: VoiceSettings, staff: Staff, retry: int) -> Person:
    # 01 before 02, as listed among equals; those without a type last.
    phones = sorted(
        staff.phone_nums, key=lambda each: (each.num_type is None, each.num_type or "")
    )
    # Checked before it is multiplied: `Retry` is a number from outside.
    rounds = 1 + min(retry, TRIES_MAX)
    tries = [each for phone in phones for each in tries_of(settings, phone.number, phone.num_type)]
    if len(tries) * rounds > TRIES_MAX:
        raise CommandError(Result.OVERLOAD, f"this would be more than {TRIES_MAX} calls")
    return Person(
        tries=[each for _ in range(rounds) for each in tries],
        number=tries[0].written,
        num_type=tries[0].num_type,
        staff_id=staff.staff_id,
        staff_name=staff.staff_name,
    )


def tries_of(settings: VoiceSettings, written: str, num_type: str | None = None) -> list[Try]:
    """How a number is dialled, or why it cannot be; a hotline's is those of its officers."""
    dialled = known(settings, written)
    target = number_target(settings, written)
    if dialled is None or target is None:
        obstacle = Reason.INVALID_FORMAT if dialled is None else Reason.NO_TRUNK
        return [Try(number=written, written=written, num_type=num_type, obstacle=obstacle)]
    return [one_try(each, written, num_type) for each in target.each]


def one_try(target: Target, written: str, num_type: str | None = None) -> Try:
    """How a telephone is dialled."""
    return Try(
        number=target.number,
        written=written,
        num_type=num_type,
        endpoint=target.endpoint,
        login=target.login,
    )
