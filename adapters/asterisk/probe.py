"""What `linkage doctor` can say of an Asterisk, beside a linkage that serves with it.

Requests of ARI alone, and only such as change nothing: the event stream is left to whoever has it,
because Asterisk would give the application to the newcomer (decision 0091).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from adapters.asterisk.client import AriClient, AriError, segment
from adapters.asterisk.settings import Settings
from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from linkage.ports.probe import Finding, State

SUPPORTED: Final = range(18, 23)
"""Major versions that are tested."""
NEEDED: Final[Mapping[str, str]] = {
    "chan_pjsip.so": "dialling telephones by PJSIP/…",
    "res_ari_bridges.so": "talks and conferences",
    "res_ari_channels.so": "calls",
    "res_ari_events.so": "hearing of calls at all",
    "res_ari_playbacks.so": "announcements (203, 209)",
    "res_ari_recordings.so": "recordings",
    "res_musiconhold.so": "music on hold",
}
"""Module → what is not possible without it."""


async def probe(name: str, settings: Settings) -> AsyncIterator[Finding]:
    """Reached, let in, which version, what it can do, whose the application is.

    Args:
        name: what the findings are about, such as `adapter pbx`.
        settings: where it is, and who we are there.
    """
    try:
        async with AriClient(settings) as ari:
            yield _version(name, await ari.request("GET", "/asterisk/info", {"only": "system"}))
            async for finding in _abilities(name, ari):
                yield finding
            yield await _application(name, settings, ari)
    except AdapterRefusedError as error:
        yield Finding(
            name, State.BROKEN, str(error),
            "make `user` and `password` those of a [user] in ari.conf",
        )  # fmt: skip
    except AdapterUnavailableError as error:
        yield Finding(
            name, State.WARNING, str(error),
            "start the platform, or correct the settings; linkage goes on trying",
        )  # fmt: skip
    except AriError as error:
        yield Finding(
            name, State.BROKEN, f"{settings.base_url} answers, but not as ARI does: {error}",
            "switch ARI on (`enabled = yes` in http.conf and ari.conf), or correct `url`",
        )  # fmt: skip


def _version(name: str, info: Any) -> Finding:
    system = info.get("system") if isinstance(info, dict) else None
    version = str(system.get("version", "")) if isinstance(system, dict) else ""
    major = re.match(r"(?:certified[/-])?(\d+)", version)
    if major is None or int(major[1]) not in SUPPORTED:
        return Finding(
            name, State.NOTE, f"credentials accepted; version {version or 'unknown'} is untested",
            f"linkage is tested with {SUPPORTED.start} to {SUPPORTED.stop - 1}",
        )  # fmt: skip
    return Finding(name, State.OK, f"Asterisk {version} accepted the credentials")


async def _abilities(name: str, ari: AriClient) -> AsyncIterator[Finding]:
    try:
        listed = await ari.request("GET", "/asterisk/modules")
    except AriError as error:
        if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
            yield Finding(name, State.NOTE, f"modules cannot be listed: {error}")
            return
        raise
    modules = {
        str(each.get("name")): each.get("status")
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    }
    missing = [module for module in NEEDED if modules.get(module) != "Running"]
    for module in missing:
        yield Finding(
            name, State.WARNING, f"{module} is not loaded: without it no {NEEDED[module]}",
            f"asterisk -rx 'module load {module}', and in modules.conf for good",
        )  # fmt: skip
    if not missing:
        yield Finding(name, State.OK, "calls, conferences, announcements and recordings")


async def _application(name: str, settings: Settings, ari: AriClient) -> Finding:
    if await ari.find(f"/applications/{segment(settings.app)}") is None:
        return Finding(name, State.OK, f"the application {settings.app} is free")
    return Finding(
        name, State.NOTE,
        f"the application {settings.app} is in use: by linkage, if it is running",
    )  # fmt: skip
