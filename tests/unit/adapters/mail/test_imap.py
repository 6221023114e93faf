"""A folder that is read by IMAP, at the simulated server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from linkage.ports import AdapterRefusedError, AdapterUnavailableError
from linkage.ports.probe import State
from protocol import messages as m
from simulators.clock import RealClock
from simulators.mail_server import MailServer, reports
from tests.fakes.mail_scene import DESK, SPEED, MailScene


@asynccontextmanager
async def imap_scene(folder: Path, **settings: Any) -> AsyncIterator[MailScene]:
    async with MailServer(clock=RealClock(speed=SPEED)) as server:
        host, port = server.imap_address
        given = {"imap": f"{host}:{port}", "imap_tls": "none", "listen": None, **settings}
        yield MailScene(server, folder, **given)


def put(scene: MailScene, subject: str, *, days_ago: int = 0, **fields: Any) -> Any:
    at = scene.server.clock.utc() - timedelta(days=days_ago)
    octets = reports.mail("a@b.example", DESK, subject, "text", at)
    return scene.server.folder.append(octets, at, **fields)


def subjects(scene: MailScene) -> list[str | None]:
    return [each.subject for each in scene.received]


async def test_mails_are_told_as_they_come_and_nothing_is_changed_there(tmp_path: Path) -> None:
    async with imap_scene(tmp_path) as scene, scene.running():
        scene.server.receive("a@b.example", DESK, "one", "text")
        await scene.came(1)
        scene.server.receive("a@b.example", DESK, "two", "text")
        await scene.came(2)
        assert subjects(scene) == ["one", "two"]
        assert [each.flags for each in scene.server.folder.mails] == [set(), set()]


async def test_reports_come_by_it_too(tmp_path: Path) -> None:
    async with imap_scene(tmp_path) as scene, scene.running():
        await scene.send("bounced@h.example")
        (report,) = await scene.reported()
        assert report.status == m.MailReportStatus.BOUNCED


async def test_first_the_unread_ones_then_all_that_come(tmp_path: Path) -> None:
    async with imap_scene(tmp_path) as scene:
        put(scene, "read before", flags={"\\Seen"})
        put(scene, "unread")
        async with scene.running():
            await scene.came()
        put(scene, "read elsewhere", flags={"\\Seen"})
        async with scene.running():
            await scene.came(2)
            put(scene, "later")
            await scene.came(3)
        assert subjects(scene) == ["unread", "read elsewhere", "later"]


async def test_a_mail_that_is_moved_out_and_back_is_told_once(tmp_path: Path) -> None:
    async with imap_scene(tmp_path) as scene, scene.running():
        held = put(scene, "one")
        await scene.came()
        scene.server.folder.move_away_and_back(held)
        put(scene, "two")
        await scene.came(2)
        assert subjects(scene) == ["one", "two"]


async def test_a_folder_that_is_made_anew_is_looked_through_for_what_is_new(
    tmp_path: Path,
) -> None:
    async with imap_scene(tmp_path) as scene:
        async with scene.running():
            put(scene, "one")
            await scene.came()
        put(scene, "missed", flags={"\\Seen"})
        old = put(scene, "ages ago", days_ago=30)
        scene.server.folder.mails.remove(old)
        scene.server.folder.mails.insert(0, old)
        scene.server.folder.make_anew()
        async with scene.running():
            await scene.came(2)
            put(scene, "new")
            await scene.came(3)
        assert subjects(scene) == ["one", "missed", "new"]
        made_up = [
            each.reconstructed
            for each in scene.disk.notices
            if isinstance(each.message, m.MailReceivedNotice)
        ]
        assert made_up == [False, True, False]


@pytest.mark.parametrize("done", ["seen", "delete"])
async def test_what_was_told_is_marked_or_deleted(tmp_path: Path, done: str) -> None:
    async with imap_scene(tmp_path, imap_done=done) as scene, scene.running():
        put(scene, "one")
        await scene.came(1)
        put(scene, "two")
        await scene.came(2)
        first = scene.server.folder.mails[0]
        is_deleted = "Subject: one" not in first.octets.decode()
        assert is_deleted if done == "delete" else first.flags == {"\\Seen"}


async def test_a_mail_that_is_too_large_is_told_by_its_headers_and_left(tmp_path: Path) -> None:
    async with (
        imap_scene(tmp_path, max_mail_bytes=65_536, imap_done="delete") as scene,
        scene.running(),
    ):
        at = scene.server.clock.utc()
        octets = reports.mail("a@b.example", DESK, "large", "x" * 70_000, at)
        scene.server.folder.append(octets, at)
        put(scene, "small")
        await scene.came(2)
        large, small = scene.received
        assert (large.subject, large.text, large.files) == ("large", None, ())
        assert small.subject == "small"
        (why,) = scene.told(m.VendorNotice)
        assert "larger than 65536 bytes: UID 1" in (why.body or "")
        assert scene.server.folder.mails[0].octets is octets


async def test_a_kill_between_two_mails_loses_and_doubles_none(tmp_path: Path) -> None:
    async with imap_scene(tmp_path) as scene:
        for number in range(5):
            put(scene, f"{number}")
        for write in range(1, 5):
            scene.disk.kill_at(write, committed=bool(write % 2))
            adapter = scene.make()
            task = asyncio.get_running_loop().create_task(adapter.run(scene.disk))
            await asyncio.wait({task}, timeout=2.0)
            task.cancel()
            await asyncio.wait({task})
            scene.disk.kill_at(None)
            gc.collect()
        async with scene.running():
            await scene.came(5)
            put(scene, "last")
            await scene.came(6)
        assert subjects(scene) == ["0", "1", "2", "3", "4", "last"]


async def test_a_server_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    async with imap_scene(tmp_path) as scene, scene.running():
        await scene.server.stop()
        assert scene.task is not None
        await asyncio.wait({scene.task})
        assert isinstance(scene.task.exception(), AdapterUnavailableError)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"imap_password": "wrong"}, "mend imap_username"), ({"imap_folder": "x"}, "no folder x")],
)
async def test_a_wrong_account_and_a_folder_that_is_not_there_are_told_as_that(
    tmp_path: Path, wrong: dict[str, str], words: str
) -> None:
    async with imap_scene(tmp_path, **wrong) as scene:
        with pytest.raises(AdapterRefusedError, match=words):
            await scene.make().run(scene.disk)
        adapter = scene.make()
        smtp, imap = await adapter.probe("adapter mail", adapter.context.settings)
    assert (smtp.state, imap.state) == (State.OK, State.BROKEN)
