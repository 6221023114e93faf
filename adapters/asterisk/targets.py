"""Which telephone a number is: an officer's, or one outside by the trunk."""

from __future__ import annotations

from adapters.asterisk.events import Channel
from adapters.asterisk.model import Target
from adapters.asterisk.settings import Settings


def officer_target(settings: Settings, number: str, ring_s: float) -> Target:
    """An officer's telephone as somebody to ring."""
    officer = settings.officer[number]
    return Target(number=number, endpoint=officer.endpoint, login=officer.login, ring_s=ring_s)


def number_target(settings: Settings, number: str) -> Target | None:
    """Whoever has this number: an officer, or somebody outside; None: there is no way out."""
    if number in settings.officer:
        return officer_target(settings, number, settings.ring_s)
    if settings.trunk is None:
        return None
    endpoint = settings.trunk.replace("{number}", number)
    return Target(number=number, endpoint=endpoint, ring_s=settings.ring_s)


def officer_of_channel(settings: Settings, channel: Channel) -> str | None:
    """The number of the officer whose telephone a channel is, None where it is nobody's."""
    if channel.number in settings.officer:
        return channel.number
    endpoint = channel.name.rpartition("-")[0]
    return next(
        (each for each, one in settings.officer.items() if endpoint in one.endpoint.split("&")),
        None,
    )


def targets_of(settings: Settings, dialled: str) -> tuple[list[Target], bool, bool]:
    """Who is rung for a dialled number, whether all at once, and whether it is recorded."""
    hotline = settings.hotline.get(dialled)
    if hotline is not None:
        found = [officer_target(settings, each, hotline.ring_s) for each in hotline.officers]
        return found, hotline.strategy == "all", hotline.record
    if dialled in settings.officer:
        return [officer_target(settings, dialled, settings.ring_s)], False, False
    return [], False, False
