"""Sessions end with the secret that opened them, wherever they were opened."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from linkage.config.keyring import rotate
from linkage.config.secrets import Secret
from linkage.core.sessions.credential_expiry import Credential, CredentialExpiry
from linkage.core.sessions.registration import Admitted
from linkage.ports import EXPIRED, EntryKind, LinkPort
from protocol.envelope import Response
from protocol.messages import CallDirection, Diagnose, IncomingCallNotice
from protocol.results import Result
from tests.fakes.core_bench import peer
from tests.fakes.core_links import FakeLink, Site

HOUR = timedelta(hours=1)
WORD = "a-secret-without-blanks"
CALL = IncomingCallNotice(call_id="c1", direction=CallDirection.IN, to_num="2222")
OURS = (
    peer("desk", "application", numbers=["2222"], secret=WORD),
    peer("pbx", "platform"),
    peer("biz", "application", dial="127.0.0.1:9", numbers=["9"], secret=WORD),
)


def rotated(site: Site, peer_id: str = "desk", grace: timedelta = HOUR) -> str:
    settings = site.config.find_peer(peer_id)
    assert settings is not None
    assert settings.secret_path is not None
    return rotate(settings.secret_path, peer_id, settings.keys(), grace, site.clock.utc())


async def connected(site: Site) -> FakeLink:
    desk = FakeLink(site.core, "desk")
    response = await site.core.register(desk, site.registration("desk", secret=WORD))
    assert response.result == 0
    site.core.begin(desk)
    await site.settled()
    return desk


async def looked(site: Site) -> None:
    await site.core.credential_expiry.look()
    await site.settled()


def closings(site: Site, peer_id: str) -> list[str | None]:
    return [
        row.detail
        for row in site.journal()
        if (row.kind, row.source) == (EntryKind.SESSION_CLOSED.value, peer_id)
    ]


async def test_a_session_ends_when_the_grace_of_its_secret_is_over(tmp_path: Path) -> None:
    async with Site(tmp_path, OURS) as site:
        desk, pbx = await connected(site), await site.connect("pbx")
        new = rotated(site)
        await looked(site)
        site.clock.advance(3600)
        await looked(site)
        assert desk.reasons == [], "until the very end of its grace"
        site.clock.advance(1)
        await looked(site)
        assert (desk.reasons, pbx.reasons) == ([EXPIRED], [])
        assert closings(site, "desk") == [EXPIRED]
        assert (await site.say(desk, Diagnose(echo_text="x"))).result == Result.SESSION_EXPIRED
        again = FakeLink(site.core, "desk")
        assert (
            await site.core.register(again, site.registration("desk", secret=WORD))
        ).result == 201
        response = await site.core.register(again, site.registration("desk", secret=new))
        assert response.result == 0
        await looked(site)
        assert again.reasons == []


async def test_what_was_not_acknowledged_when_it_ended_goes_to_the_next_session(
    tmp_path: Path,
) -> None:
    async with Site(tmp_path, OURS) as site:
        desk, pbx = await connected(site), await site.connect("pbx")
        new = rotated(site, grace=timedelta())
        await site.say(pbx, CALL)
        await desk.heard(1)
        await looked(site)
        assert desk.reasons == [EXPIRED]
        again = FakeLink(site.core, "desk")
        await site.core.register(again, site.registration("desk", secret=new))
        site.core.begin(again)
        (request,) = await again.heard(1)
        assert (request.type, request.resend) == (100, True)


async def test_a_session_that_came_in_with_the_new_secret_stays(tmp_path: Path) -> None:
    async with Site(tmp_path, OURS) as site:
        new = rotated(site)
        desk = FakeLink(site.core, "desk")
        await site.core.register(desk, site.registration("desk", secret=new))
        site.clock.advance(7200)
        await looked(site)
        await looked(site)
        assert desk.reasons == []


async def test_a_file_that_cannot_be_read_ends_sessions_at_the_second_look(
    tmp_path: Path,
) -> None:
    async with Site(tmp_path, OURS) as site:
        rotated(site)
        desk = await connected(site)
        path = tmp_path / "secrets" / "desk"
        text = path.read_text()
        path.write_text("in the middle of")
        await looked(site)
        path.write_text(text)
        await looked(site)
        path.write_text("in the middle of")
        await looked(site)
        assert desk.reasons == []
        await looked(site)
        assert desk.reasons == [EXPIRED], "which names no file of ours"
        (detail,) = closings(site, "desk")
        assert str(path) in (detail or "")


async def test_a_session_that_a_later_core_has_taken_over_ends_the_same(tmp_path: Path) -> None:
    async with Site(tmp_path, OURS) as site:
        registration, came_at = site.registration("desk", secret=WORD), site.clock.utc()
        desk, pbx = FakeLink(site.core, "desk"), FakeLink(site.core, "pbx")
        assert await site.core.resume(desk, "desk", ((registration, came_at),))
        assert await site.core.resume(pbx, "pbx", ((site.registration("pbx"), came_at),))
        await looked(site)
        rotated(site, grace=timedelta())
        await looked(site)
        assert (desk.reasons, pbx.reasons) == ([EXPIRED], [])


async def test_where_linkage_dials_it_introduces_itself_anew(tmp_path: Path) -> None:
    async with Site(tmp_path, OURS) as site:
        biz = FakeLink(site.core, "biz")
        await site.core.introduce("biz")
        await site.core.adopt(biz, "biz")
        rotated(site, "biz")
        await looked(site)
        assert biz.reasons == []
        site.clock.advance(3601)
        await looked(site)
        assert biz.reasons == [EXPIRED]


async def test_a_look_that_fails_ends_nobody_and_is_not_the_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("linkage.core.sessions.credential_expiry.LOOK_EVERY_S", 0.0)
    async with Site(tmp_path, OURS) as site:
        desk = await connected(site)
        first, second = asyncio.Event(), asyncio.Event()

        def credentials() -> dict[LinkPort, Credential]:
            (second if first.is_set() else first).set()
            raise RuntimeError("a bug")

        credential_expiry = CredentialExpiry(credentials, site.core.closed, site.clock)
        credential_expiry.start()
        await asyncio.wait_for(second.wait(), 10)
        await credential_expiry.stop()
        assert "were not looked for; retrying" in caplog.text
        assert desk.reasons == []


def test_what_was_admitted_does_not_show_its_secret() -> None:
    assert WORD not in repr(
        Admitted(Response(request_id="1", type=290, result=0), "desk", Secret(WORD))
    )
