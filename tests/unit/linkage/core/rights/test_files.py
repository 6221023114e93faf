"""Whose a file is, whatever told of it, and what a 285 is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linkage.ports import StoredFile
from linkage.store.sql.unit import UnitOfWork
from protocol import messages as m
from protocol.message import Message
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, incoming

FILES = (m.FileRef(file_id="F1", name="a.pdf", size=3),)
SAVED = m.RecordingNoticeAction.SAVED
TOLD = [
    m.FaxReceivedNotice(fax_id="1", phone_num="87", to_num="3333", file_id="F1"),
    m.FaxReceivedNotice(phone_num="87", to_num="3333", file_id="F1"),
    m.MailReceivedNotice(mail_id="1", event_id="X1", files=FILES),
    m.ImMmsReceivedNotice(msg_id="1", event_id="X1", files=FILES),
    m.VideoAlarmNotice(alarm_id="1", event_id="X1", snapshot_file_id="F1"),
    m.VideoFileNotice(video_id="1", event_id="X1", file_id="F1"),
    m.VideoFileNotice(camera_id="7", event_id="X1", file_id="F1"),
    m.FileReadyNotice(file_id="F1", kind="Voicemail", call_id="C2"),
    m.ExportReadyNotice(file_id="F1", event_id="X1"),
    m.RecordingNotice(record_id="R1", file_id="F1", call_id="C2", action=SAVED),
    m.RecordingNotice(record_id="F1", call_id="C2", action=SAVED),
]


def ask(file_id: str = "F1") -> Message:
    return m.GetFile(file_id=file_id, purpose="evidence")


@pytest.fixture
def site(bench: Bench) -> Bench:
    """A call and an event of `other`, and an event of `desk`."""
    bench.say("pbx", incoming("C2", to_num="3333"))
    bench.say("other", create("X1", "C2"))
    bench.say("desk", create("E1", None))
    for receiver in bench.peers.by_id:
        bench.heard(receiver)
    return bench


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.english)
def test_a_file_of_any_kind_is_its_owner_s_alone(site: Bench, told: Message) -> None:
    assert site.say("pbx", told).result == 0
    site.heard("pbx")

    for message in (
        ask(),
        m.SendFax(phone_nums=(m.Phone(number="1"),), file_id="F1"),
        m.SendMail(to=("a@b.cn",), file_ids=("F1",)),
        m.SendImMms(receivers=(m.Receiver(phone_num="139"),), file_ids=("F1",)),
        m.VoiceNotify(phone_nums=(m.Phone(number="1"),), file_id="F1"),
    ):
        assert site.say("desk", message).result == 203, message
        assert site.heard("pbx") == []
    assert site.say("other", ask()).result == 1
    (sent,) = site.heard("pbx")
    assert sent.message == ask()


@pytest.mark.parametrize(
    "message",
    [
        ask("F9"),
        m.SendFax(phone_nums=(m.Phone(number="1"),), file_id="F9"),
        m.SendMail(to=("a@b.cn",), file_ids=("F9",)),
        m.SendImMms(receivers=(m.Receiver(phone_num="139"),), file_ids=("F9",)),
    ],
    ids=lambda message: message.english,
)
def test_a_file_that_nobody_told_of_leaves_the_house_for_nobody(
    site: Bench, message: Message
) -> None:
    assert site.say("desk", message).result == 305
    assert site.heard("pbx") == []


def test_a_sound_of_the_platform_s_own_may_be_played(site: Bench) -> None:
    sound = m.VoiceNotify(phone_nums=(m.Phone(number="1"),), file_id="F9")
    assert site.say("desk", sound).result == 1


def test_another_platform_s_file_is_no_way_round(site: Bench) -> None:
    site.say("pbx", m.FaxReceivedNotice(fax_id="1", to_num="3333", file_id="F1"))

    mail = m.SendMail(event_id="E1", to=("a@b.cn",), file_ids=("F1",))
    assert site.say("desk", mail).result == 203


def test_what_is_nobody_s_yet_is_not_given_out_until_it_is_bound(site: Bench) -> None:
    site.say("pbx", m.MailReceivedNotice(mail_id="1", files=FILES))
    assert site.say("desk", ask()).result == 203

    op_id = str(site.operations("mail")[0].op_id)
    bind = m.BindEvent(event_id="E1", action=m.BindAction.BIND, op_id=op_id)
    assert site.say("desk", bind).result == 0

    assert site.say("desk", ask()).result == 1
    assert site.say("other", ask()).result == 203


def test_an_attachment_is_an_operation_of_its_event(site: Bench) -> None:
    files = (*FILES, m.FileRef(file_id="F2", name="b.jpg"))
    site.say("pbx", m.MailReceivedNotice(mail_id="1", event_id="X1", files=files))

    (page,) = site.answers("other", m.QueryEventRecord(event_id="X1"))
    assert isinstance(page, m.EventRecordNotice)
    assert [(each.file_id, each.summary) for each in page.records if each.file_id] == [
        ("F1", "a.pdf"), ("F2", "b.jpg"),
    ]  # fmt: skip


def test_a_file_is_asked_for_where_it_is(site: Bench) -> None:
    site.say("pbx2", m.FaxReceivedNotice(fax_id="1", to_num="2222", file_id="F1"))

    assert site.say("desk", ask()).result == 1

    assert (site.types("pbx"), site.types("pbx2")) == ([], [285])


def test_one_id_of_two_platforms_is_not_guessed(site: Bench) -> None:
    for platform in ("pbx", "pbx2"):
        site.say(platform, m.FaxReceivedNotice(fax_id="1", to_num="2222", file_id="F1"))

    assert site.say("desk", ask()).result == 306


def test_a_181_that_answers_gives_a_file_to_nobody_else(site: Bench) -> None:
    site.say("pbx", m.FaxReceivedNotice(fax_id="1", to_num="2222", file_id="F1"))
    site.say("desk", ask())
    asked = site.heard("pbx")[-1].request.id
    site.say("pbx", m.FileReadyNotice(file_id="F1", request_id=asked, url="http://x/F1", size=3))

    assert site.say("other", ask()).result == 203
    # What its platform said of it is known from now on.
    (page,) = site.answers("desk", ask())
    assert isinstance(page, m.FileReadyNotice)
    assert (page.url, page.size) == ("http://x/F1", 3)


def test_a_181_that_nobody_asked_for_leaves_a_file_whose_it_is(site: Bench) -> None:
    site.say("pbx", m.FaxReceivedNotice(fax_id="1", to_num="3333", file_id="F1"))
    site.say("pbx", m.FileReadyNotice(file_id="F1", size=3))

    assert site.operations("file") == []
    assert site.say("desk", ask()).result == 203
    assert site.say("other", ask()).result == 1


def test_an_id_given_to_a_file_of_another_size_is_another_file(site: Bench) -> None:
    site.say("pbx", m.MailReceivedNotice(mail_id="1", event_id="X1", files=FILES))
    assert site.say("desk", ask()).result == 203

    site.say("pbx", m.FileReadyNotice(file_id="F1", size=9, event_id="E1"))

    assert site.say("desk", ask()).result == 1
    assert site.say("other", ask()).result == 203


def test_a_kept_file_is_answered_from_the_files_of_linkage(site: Bench, tmp_path: Path) -> None:
    kept = StoredFile(file_id="F1", path=tmp_path / "F1.wav", size_bytes=9)
    asked: list[str] = []

    def find(file_id: str) -> StoredFile | None:
        asked.append(file_id)
        return kept

    site.write_with(UnitOfWork(site.engine), find_file=find)
    recording: dict[str, Any] = {"record_id": "R1", "file_id": "F1", "sha256": "0" * 64}
    site.say("pbx", m.RecordingNotice(call_id="C2", action=SAVED, **recording))

    # A platform of others' names the files of its own, not ours.
    assert site.say("other", ask()).result == 1
    assert (asked, site.types("pbx")) == ([], [285])

    site.peers.by_id["pbx"].settings = None  # as an adapter's
    (page,) = site.answers("other", ask())
    assert isinstance(page, m.FileReadyNotice)
    assert (page.file_id, page.size, page.sha256) == ("F1", 9, "0" * 64)
    assert (page.url, page.event_id) == ((tmp_path / "F1.wav").as_uri(), "X1")
    assert site.heard("pbx") == []


def test_who_names_a_file_of_ours_as_his_has_it_sent_by_no_adapter(site: Bench) -> None:
    site.peers.by_id["pbx"].settings = None  # as an adapter's
    site.say("pbx", m.FaxReceivedNotice(fax_id="1", to_num="3333", file_id="F1"))
    # Another's platform has heard of the id, and says that it is of an event of its own people.
    site.say("pbx2", m.FaxReceivedNotice(fax_id="2", event_id="E1", file_id="F1"))

    for named in ("F1", "F2"):
        site.say("pbx2", m.FaxReceivedNotice(fax_id=f"3{named}", event_id="E1", file_id=named))
        fax = m.SendFax(phone_nums=(m.Phone(number="1"),), file_id=named)
        assert site.say("desk", fax).result == (203 if named == "F1" else 305)
    assert site.heard("pbx") == []


def test_a_recording_is_controlled_where_it_is(site: Bench) -> None:
    site.say("pbx2", incoming("C3"))
    site.say("pbx2", m.RecordingNotice(record_id="R7", call_id="C3", action=SAVED))
    fetch = m.RecordingControl(action=m.RecordingAction.FETCH, record_id="R7")

    assert site.say("other", fetch).result == 203
    assert site.say("desk", fetch).result == 1
    assert (site.types("pbx"), site.types("pbx2")) == ([], [208])
