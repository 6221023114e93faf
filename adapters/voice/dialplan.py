"""Who is rung for a number: an officer, a hotline's officers, or somebody outside by the trunk."""

from __future__ import annotations

from adapters.phone_numbers import dialable
from adapters.voice.model import Target
from adapters.voice.platform_events import Channel
from adapters.voice.settings import VoiceSettings


def officer_target(settings: VoiceSettings, number: str, ring_s: float) -> Target:
    """An officer's telephone as somebody to ring."""
    officer = settings.officer[number]
    return Target(number=number, endpoint=officer.endpoint, login=officer.login, ring_s=ring_s)


def hotline_target(settings: VoiceSettings, number: str, *, but: str | None = None) -> Target:
    """A hotline as somebody to ring: all its officers `but` the one who has the call already."""
    hotline = settings.hotline[number]
    officers = [each for each in hotline.officers if each != but] or hotline.officers
    return Target(
        number=number,
        endpoint="",
        officers=[officer_target(settings, each, hotline.ring_s) for each in officers],
        at_once=hotline.strategy == "all",
    )


def is_outside(target: Target) -> bool:
    """Whether it is reached by the trunk."""
    return target.login is None and not target.officers


def known(settings: VoiceSettings, number: str) -> str | None:
    """What is dialled for a number as it was written; None: it cannot be one.

    The numbers of officers and hotlines are as the settings have them.
    """
    if number in settings.officer or number in settings.hotline:
        return number
    return dialable(number, settings.prefixes)


def same(settings: VoiceSettings, one: str | None, other: str | None) -> bool:
    """Whether two writings are one number; either may be as it was dialled already."""
    if one is None or other is None:
        return False
    writings = {one, known(settings, one)} & {other, known(settings, other)}
    return bool(writings - {None})


def number_target(
    settings: VoiceSettings, number: str, *, but: str | None = None
) -> Target | None:
    """Whoever has this number, however it is written; None: it is none, or there is no way out."""
    dialled = known(settings, number)
    return None if dialled is None else dialled_target(settings, dialled, but=but)


def inside_target(settings: VoiceSettings, number: str | None) -> Target | None:
    """An officer or a hotline; who calls in from outside is not led out again at our expense."""
    target = None if number is None else number_target(settings, number)
    return None if target is None or is_outside(target) else target


def dialled_target(
    settings: VoiceSettings, dialled: str, *, but: str | None = None
) -> Target | None:
    """Whoever has a number that is as it is dialled; None: there is no way out."""
    if dialled in settings.hotline:
        return hotline_target(settings, dialled, but=but)
    if dialled in settings.officer:
        return officer_target(settings, dialled, settings.ring_s)
    if settings.trunk is None:
        return None
    endpoint = settings.trunk.replace("{number}", dialled)
    return Target(number=dialled, endpoint=endpoint, ring_s=settings.ring_s)


def officer_of_channel(settings: VoiceSettings, channel: Channel) -> str | None:
    """The number of the officer whose telephone a channel is, None where it is nobody's."""
    if channel.number in settings.officer:
        return channel.number
    return next(
        (
            each
            for each, one in settings.officer.items()
            if channel.endpoint in one.endpoint.split("&")
        ),
        None,
    )
