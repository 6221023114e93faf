"""Who may come in, and what a session begins with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from linkage.ports import EntryKind, Role
from protocol import messages as m
from protocol.envelope import Request
from tests.fakes.core_bench import PEERS, SECRET, peer
from tests.fakes.core_links import FakeLink, Site, as_sent
from tests.fakes.said import hangup, incoming, transfer


async def test_a_right_registration_is_welcome(site: Site) -> None:
    link = FakeLink(site.core, "desk")

    response = await site.core.register(link, site.registration("desk"))

    assert (response.result, response.last_seq) == (0, 0)
    row = site.journal()[-1]
    assert (row.kind, row.source, row.result) == (EntryKind.SESSION_OPENED, "desk", 0)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"secret": "another secret of it"}, 201),
        ({"ahead_s": 301.0}, 201),
        ({"ahead_s": -301.0}, 201),
        ({"ahead_s": 299.0}, 0),
        ({"proto_ver": 2}, 105),
    ],
)
async def test_a_registration_is_judged(site: Site, changes: dict[str, Any], result: int) -> None:
    link = FakeLink(site.core, "desk")

    response = await site.core.register(link, site.registration("desk", **changes))

    assert response.result == result
    if result:
        assert SECRET not in str(response)
        row = site.journal()[-1]
        assert (row.kind, row.source, row.result) == (EntryKind.STRANGER, "desk", result)
        assert (await site.say(link, m.SnapshotRequest())).result == 204


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MONITOR])
@pytest.mark.parametrize(
    ("encoding", "dialect"),
    [
        ("utf-8", "gbk"),
        ("gbk", "gbk"),
        ("gb18030", "gb18030"),
        ("utf-8", "utf-8"),
    ],
)
async def test_a_registration_of_a_dialect_peer_may_be_chinese(
    tmp_path: Path, role: Role, encoding: str, dialect: str
) -> None:
    """It comes in the dialect of its peer, or, from nobody's address, in the default one."""
    old = peer("old", role.value, dialect={"encoding": dialect})
    async with Site(tmp_path, (*PEERS, old)) as site:
        signed = site.registration("old", role=role)
        name = "<AppName>中文</AppName><Vendor>中文</Vendor></request>".encode(encoding)
        named = replace(signed, raw=signed.raw.replace(b"</request>", name))

        response = await site.core.register(FakeLink(site.core, "old"), named)

    assert response.result == 0


async def test_strangers_do_not_fill_the_disk(site: Site) -> None:
    signed = site.registration("desk", secret="another secret of it")
    padded = replace(signed, raw=signed.raw.replace(b"</request>", b" " * 90_000 + b"</request>"))

    assert (await site.core.register(FakeLink(site.core, "desk"), padded)).result == 201

    assert len(site.journal()[-1].body) == 4096


async def test_unknown_peers_and_wrong_roles_get_the_same_answer(site: Site) -> None:
    for peer_id, role in (("nobody", "desk"), ("pbx", "desk"), ("desk", "pbx")):
        from tests.fakes.core_links import ROLES

        request = site.registration(peer_id, role=ROLES[role])
        response = await site.core.register(FakeLink(site.core, peer_id), request)
        assert response.result == 201
        assert peer_id not in str(response.detail)


async def test_each_reason_of_a_refusal_is_logged_as_what_it_is_and_told_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = {"id": "old", "role": "application", "legacy": True, "address": "10.1.1.1"}
    async with Site(tmp_path, (*PEERS, old)) as site:
        used = site.registration("desk", nonce="the-same-nonce")
        await site.core.register(FakeLink(site.core, "desk"), used)
        await site.core.take_up(site.config, {"other"})
        refused = {
            "no peer 'nobody' is configured": site.registration("nobody", role=Role.APPLICATION),
            "'old' is `legacy`": site.registration("old", role=Role.APPLICATION),
            "'other' was taken out": site.registration("other"),
            "is platform, not what 290": site.registration("pbx", role=Role.APPLICATION),
            "does not fit its secret": site.registration("desk", secret="another secret of it"),
            "its clock is 400 s ahead of ours": site.registration("desk", ahead_s=400),
            "its clock is 301 s behind ours": site.registration("desk", ahead_s=-301),
            "this Nonce was used before": as_sent(Request(id="x", message=used.message)),
        }
        answers = set()
        for reason, request in refused.items():
            caplog.clear()
            link = FakeLink(site.core, "a stranger")
            response = await site.core.register(link, request)
            answers.add((response.result, response.detail, response.retry_after_s))
            assert [line for line in caplog.messages if reason in line], (reason, caplog.messages)
    assert len(answers) == 1


async def test_who_speaks_another_version_learns_nothing_of_who_is_known(site: Site) -> None:
    for peer_id, role in (("nobody", Role.APPLICATION), ("desk", Role.APPLICATION)):
        request = site.registration(peer_id, role=role, proto_ver=2, secret="not that of anybody")
        link = FakeLink(site.core, peer_id)
        assert (await site.core.register(link, request)).result == 105


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_nonce_serves_once(site: Site, restarts: bool) -> None:
    first = site.registration("desk", nonce="the-same-nonce")
    assert (await site.core.register(FakeLink(site.core, "desk"), first)).result == 0
    if restarts:
        await site.kill()
    site.clock.advance(250)

    overheard = as_sent(Request(id="other", message=first.message))
    assert (await site.core.register(FakeLink(site.core, "desk"), overheard)).result == 201
    fresh = site.registration("other", nonce="the-same-nonce")
    assert (await site.core.register(FakeLink(site.core, "other"), fresh)).result == 0


async def test_a_newer_session_replaces_the_older(site: Site) -> None:
    pbx, old = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    await old.heard(1)

    new = await site.connect("desk")
    old.answer(old.pushed[0])
    assert (await site.say(old, m.SnapshotRequest())).result == 204
    assert [each.address for each in site.core.present] == [pbx.address, new.address]
    site.core.closed(old, "replaced")
    old.answer(old.pushed[0])

    assert old.reasons == ["replaced"]
    (again,) = await new.heard(1)
    assert again.resend
    assert (await site.say(old, m.SnapshotRequest())).result == 204
    assert site.core.peers.by_id["desk"].connected, "the end of the old link is not the peer's"
    await site.say(pbx, hangup())
    await new.heard(2)
    assert old.types == [100]


async def test_linkage_introduces_itself_where_it_dials(site: Site) -> None:
    from protocol.registration import signed_fields, verify

    one, two = [await site.core.introduce("desk") for _ in range(2)]

    assert verify(SECRET, signed_fields(as_sent(one)))
    assert one.message.number == 190
    assert getattr(one.message, "nonce") != getattr(two.message, "nonce")  # noqa: B009 - every registration has one
    with pytest.raises(KeyError):
        await site.core.introduce("nobody")


async def test_capabilities_count_once_they_are_taken(site: Site) -> None:
    pbx, desk = await site.connect("pbx"), await site.connect("desk")
    await site.say(pbx, incoming())
    capabilities = (m.Capability.of(202),)

    await site.say(desk, m.SnapshotRequest())
    await site.say(pbx, m.CapabilityNotice(capabilities=capabilities))

    assert (await site.say(desk, transfer())).result == 501
    await site.core.register(
        FakeLink(site.core, "pbx"),
        site.registration("pbx", capabilities=(m.Capability.of(205, [1]),)),
    )
    assert (await site.say(desk, transfer())).result == 1


async def shut_out(site: Site, peer_id: str) -> None:
    """Shut a peer out once the batch is on disk in which its link came."""
    await site.settled()
    await site.core.take_up(site.config, {peer_id})


async def test_who_is_shut_out_while_a_registration_is_written_does_not_come_in(
    site: Site,
) -> None:
    link = FakeLink(site.core, "other")

    _, response = await asyncio.gather(
        shut_out(site, "other"), site.core.register(link, site.registration("other"))
    )

    assert response.result == 201
    assert site.core.present == []


async def test_who_is_shut_out_while_its_link_is_adopted_does_not_come_in(site: Site) -> None:
    link = FakeLink(site.core, "pbx")
    for taking in (site.core.adopt(link, "pbx"), site.core.resume(link, "pbx", ())):
        with pytest.raises(KeyError):
            await asyncio.gather(shut_out(site, "pbx"), taking)
        assert site.core.present == []
        await site.core.take_up(site.config, ())
