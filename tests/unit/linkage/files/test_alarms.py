"""A damaged file is an alarm, told once, and over when the file is whole again."""

from __future__ import annotations

import asyncio

from linkage.files.alarms import FileAlarms
from linkage.ports import Absent, EntryKind
from linkage.supervision import TaskSet
from tests.fakes.core import FakeCore


async def noted(core: FakeCore) -> list[tuple[EntryKind, str]]:
    for _ in range(5):
        await asyncio.sleep(0)
    return [(note.kind, note.detail) for note in core.notes]


async def test_damage_is_an_alarm_once_and_ends_when_the_file_is_whole() -> None:
    core = FakeCore()
    alarms = FileAlarms(core, TaskSet("test"))
    alarms.tell("ab12", None)
    for _ in range(2):
        await asyncio.to_thread(alarms.tell, "ab12", "FileId ab12 is not what was saved")
    raised = await noted(core)
    for _ in range(2):
        await asyncio.to_thread(alarms.tell, "ab12", None)

    assert raised == [(EntryKind.ALARM, "FileId ab12 is not what was saved")]
    assert (await noted(core))[1:] == [
        (EntryKind.ALARM_CLEARED, "FileId ab12 is not damaged on disk any more")
    ]


async def test_what_an_earlier_process_raised_ends_too() -> None:
    core = FakeCore()
    await core.note(Absent("file.ab12"), EntryKind.ALARM, "damaged")
    alarms = FileAlarms(core, TaskSet("test"))
    alarms.know(["file.ab12"])

    alarms.tell("ab12", "still damaged: no news")
    alarms.tell("ab12", None)

    assert [kind for kind, _ in await noted(core)] == [
        EntryKind.ALARM, EntryKind.ALARM_CLEARED,
    ]  # fmt: skip
