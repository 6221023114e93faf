"""SMS, mail and fax on a ladder, each with its cause; events that were merged and split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkage.store.read.reader import StoreReader
from linkage.timeline import Kind, Ladder, Style, build_ladder, render_svg, render_text
from protocol import messages as m
from tests.fakes.core_bench import Bench
from tests.fakes.said import create, incoming

CALLER = "13900000001"
HOSPITAL = "icu@hospital.example"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def ladder(bench: Bench, event_id: str = "E1", *, brief: bool = False) -> Ladder:
    with StoreReader.open(bench.config.database_path) as reader:
        return build_ladder(reader.history(event_id), brief=brief)


def told(drawn: Ladder) -> list[tuple[str, str, str]]:
    """What passed outside: from whom, to whom, what."""
    names = {item.key: item.name for item in drawn.participants}
    return [
        (names[rung.source], names[rung.target], rung.label)
        for rung in drawn.rungs
        if rung.style is Style.TELEPHONE
    ]


def details(drawn: Ladder, type_: int) -> list[str]:
    return [rung.detail for rung in drawn.rungs if rung.label.startswith(f"{type_} ")]


def asked(bench: Bench) -> str:
    return bench.heard("pbx")[-1].request.id


def test_a_text_with_receipt_and_reply_is_drawn_between_the_platform_and_the_caller(
    bench: Bench,
) -> None:
    bench.say("pbx", incoming(phone_num=CALLER))
    bench.say("desk", create("E1"))
    text = m.SendSms(event_id="E1", receivers=(m.Receiver(phone_num=CALLER),), content="wait")
    bench.say("desk", text)
    took = m.SmsSendResultNotice(
        sms_id="S1", phone_num=f"+86{CALLER}", status=m.SmsSendStatus.ACCEPTED,
        request_id=asked(bench),
    )  # fmt: skip
    bench.say("pbx", took)
    report = m.SmsReportStatus.DELIVERED
    bench.say("pbx", m.SmsReportNotice(sms_id="S1", phone_num=f"+86{CALLER}", status=report))
    bench.say("pbx", m.SmsReceivedNotice(sms_id="R1", phone_num=f"0086{CALLER}", content="3 楼"))

    drawn = ladder(bench)

    assert told(drawn)[-3:] == [
        ("pbx", CALLER, "SMS"),
        (CALLER, "pbx", "SMS delivered"),
        (CALLER, "pbx", "SMS “3 楼”"),
    ]
    assert [item.name for item in drawn.participants if item.kind is Kind.CALLER] == [CALLER]
    assert details(drawn, 201) == ["E1 · cause: created"]
    assert details(drawn, 121) == [f"S1 accepted +86{CALLER} · cause: command"]
    assert details(drawn, 122) == [f"S1 delivered +86{CALLER}"]
    assert details(drawn, 120) == [f"0086{CALLER} 3 楼 · cause: reply"]


def test_a_mail_thread_with_a_bounce(bench: Bench) -> None:
    bench.say("desk", create("E1", None))
    mail = m.SendMail(
        event_id="E1", to=(HOSPITAL, "gone@x.example"), subject="火灾 [#E1]", text="x"
    )
    bench.say("desk", mail)
    request_id = asked(bench)
    for recipient in mail.to:
        took = m.MailResultNotice(
            mail_id="M1", message_id="<1+E1@desk>", recipient=recipient,
            status=m.MailStatus.ACCEPTED, request_id=request_id,
        )  # fmt: skip
        bench.say("pbx", took)
    bounced = m.MailReportNotice(
        mail_id="M1", recipient="gone@x.example", status=m.MailReportStatus.BOUNCED,
        enhanced_code="5.1.1",
    )  # fmt: skip
    bench.say("pbx", bounced)
    answer = m.MailReceivedNotice(
        mail_id="R1", sender=HOSPITAL, subject="Re: 火灾", in_reply_to="<1+E1@desk>"
    )
    bench.say("pbx", answer)
    first = m.MailReceivedNotice(
        mail_id="R2", sender="citizen@x.example", subject="smoke", event_id="E1"
    )
    bench.say("pbx", first)

    drawn = ladder(bench)

    assert told(drawn) == [
        ("pbx", HOSPITAL, "mail"),
        ("pbx", "gone@x.example", "mail"),
        ("gone@x.example", "pbx", "✗ mail bounced: 5.1.1"),
        (HOSPITAL, "pbx", "mail “Re: 火灾”"),
        ("citizen@x.example", "pbx", "mail “smoke”"),
    ]
    kinds = {item.name: item.kind for item in drawn.participants}
    assert (kinds[HOSPITAL], kinds["citizen@x.example"]) == (Kind.PARTY, Kind.CALLER)
    assert [each.rpartition(" · ")[2] for each in details(drawn, 140)] == [
        "cause: reply", "cause: explicit",
    ]  # fmt: skip


def test_a_fax_by_its_pages_which_a_brief_ladder_leaves_out(bench: Bench) -> None:
    bench.say("desk", create("E1", None))
    for page in (1, 2):
        bench.say("pbx", m.FaxProgressNotice(fax_id="F1", page=page, event_id="E1"))
    done = m.FaxResultNotice(
        fax_id="F1", phone_num="87001234", status=m.FaxStatus.PARTIAL, pages_sent=2, pages=3
    )
    bench.say("pbx", done)
    failed = m.FaxResultNotice(
        fax_id="F2", phone_num="87001234", status=m.FaxStatus.FAILED, reason=220, event_id="E1"
    )
    bench.say("pbx", failed)
    bench.say("pbx", m.FaxReceivedNotice(phone_num="87005678", pages=1, event_id="E1"))

    assert details(ladder(bench), 132) == ["page 1 · cause: explicit", "page 2"]
    assert details(ladder(bench, brief=True), 132) == []
    assert told(ladder(bench)) == [
        ("pbx", "87001234", "fax partial, 2 of 3 pages"),
        ("87001234", "pbx", "✗ fax failed: no fax carrier (220)"),
        ("87005678", "pbx", "fax, 1 pages"),
    ]


def test_merged_and_split_events_are_drawn_as_such(bench: Bench) -> None:
    bench.say("pbx", incoming(phone_num=CALLER))
    bench.say("desk", create("E1"))
    bench.say("desk", create("E2", None))
    bench.say("desk", m.LinkEvent(event_id="E1", other_event_id="E2", action=m.LinkAction.MERGE))
    split = m.LinkEvent(
        event_id="E2", other_event_id="E3", action=m.LinkAction.SPLIT, op_ids=("1",)
    )
    bench.say("desk", split)

    assert details(ladder(bench, "E2"), 283) == ["E1 merged into E2", "E2 split into E3"]
    assert details(ladder(bench, "E2"), 183) == [
        "E1 merged into E2, 1 operations", "E2 split into E3, 1 operations",
    ]  # fmt: skip


def test_hostile_texts_stay_texts(bench: Bench) -> None:
    bench.say("desk", create("E1", None))
    hostile = "\x9b2J</text><script>alert(1)</script>\u202e"
    bench.say("pbx", m.SmsReceivedNotice(phone_num="1<b>", content=hostile, event_id="E1"))

    drawn = ladder(bench)

    assert "<script>" not in render_svg(drawn)
    assert "\x9b" not in render_text(drawn)
    assert "\u202e" not in render_text(drawn)
