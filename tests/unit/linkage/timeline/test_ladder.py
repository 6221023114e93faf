"""From a store to a ladder, and the ladder drawn in three ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest
from lxml import etree

from linkage.store.read.reader import StoreReader
from linkage.store.read.summary import summarise
from linkage.timeline import (
    Kind,
    Ladder,
    Participant,
    Style,
    build_ladder,
    render_mermaid,
    render_svg,
    render_text,
)
from linkage.timeline.detail import detail_of
from linkage.timeline.terminal_text import cells
from protocol import messages as m
from tests.fakes.embodiments import DESK, PBX, Writer, write_alarm

HOSTILE = "\x1b[2J</text><script>alert(1)</script>;end\r\n\u202e%%{init}%% \"'&#x26; 火"


def ladder_of(database: Path, event_id: str, *, brief: bool = False) -> Ladder:
    with StoreReader.open(database) as reader:
        return build_ladder(reader.history(event_id), brief=brief)


@pytest.fixture
def alarm(alarm_store: Path) -> Ladder:
    return ladder_of(alarm_store, "1213243")


@pytest.fixture
def conference(alarm_store: Path) -> Ladder:
    return ladder_of(alarm_store, "1213244")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "own" / "linkage.db")
    yield made
    made.close()


@pytest.fixture
def hostile(writer: Writer) -> Ladder:
    title = HOSTILE.replace("\x1b", "").replace("\r\n", "")
    writer.say(
        PBX,
        m.IncomingCallNotice(
            call_id="c1", login_id="<b>23", direction=m.CallDirection.IN, phone_num="1;2-->3: x"
        ),
    )
    writer.say(DESK, m.CreateEvent(call_id="c1", event_id="E<1>", title=title), target=PBX)
    writer.say(
        PBX, m.HangupNotice(call_id="c1", content=HOSTILE.replace("\x1b", "\x9b"), reason=100)
    )
    return ladder_of(writer.path, "E<1>")


def test_the_columns_stand_as_in_the_patents_figure(alarm: Ladder) -> None:
    assert [(item.kind, item.name) for item in alarm.participants] == [
        (Kind.CALLER, "139123444444"),
        (Kind.PLATFORM, PBX),
        (Kind.LINKAGE, "linkage"),
        (Kind.APPLICATION, DESK),
        (Kind.PARTY, "23"),
        (Kind.PARTY, "13"),
    ]


def test_the_first_embodiment_reads_from_the_call_to_its_end(alarm: Ladder) -> None:
    names = {item.key: item.name for item in alarm.participants}
    told = [
        (names[rung.source], rung.label.split(" ")[0], names[rung.target]) for rung in alarm.rungs
    ]

    assert told == [
        ("139123444444", "calls", PBX),
        (PBX, "rings", "23"),
        (PBX, "100", DESK),
        ("23", "answers", PBX),
        (PBX, "115", DESK),
        (DESK, "201", PBX),
        (PBX, "108", DESK),
        (DESK, "205", PBX),
        (PBX, "the", "13"),
        (PBX, "105", DESK),
        ("139123444444", "hangs", PBX),
        (PBX, "102", DESK),
        (PBX, "108", DESK),
    ]


def test_a_brief_ladder_leaves_out_the_steps_in_between(alarm_store: Path) -> None:
    brief = ladder_of(alarm_store, "1213243", brief=True)

    assert not [rung for rung in brief.rungs if rung.label.startswith("115")]
    assert [rung for rung in brief.rungs if rung.label.startswith("105")]


def test_people_who_are_called_out_have_their_names(conference: Ladder) -> None:
    people = [item.name for item in conference.participants if item.kind is Kind.PARTY]
    failed = [rung for rung in conference.rungs if rung.label.startswith("✗")]

    assert people == ["指挥大厅领导", "专职部门人员", "专家", "备选专家"]
    assert [rung.label for rung in failed] == ["✗ call failed (123)"]


def test_a_refused_command_ends_at_linkage_with_its_reason(writer: Writer) -> None:
    write_alarm(writer)
    writer.say(
        DESK, m.Hangup(call_id="82039239"), result=301, detail="CallId 82039239 has ended",
        event_pk=3,
    )  # fmt: skip

    rung = ladder_of(writer.path, "1213243").rungs[-1]

    assert (rung.style, rung.target, rung.via) == (Style.REFUSED, "linkage", None)
    assert rung.detail == "301 no such CallId 呼叫不存在: CallId 82039239 has ended"


def test_an_observation_is_a_note_at_linkage(writer: Writer) -> None:
    write_alarm(writer)
    writer.note("KeepAliveFailure", PBX, "silent for 30 s", event_pk=3)

    rung = ladder_of(writer.path, "1213243").rungs[-1]

    assert (rung.style, rung.source, rung.target) == (Style.NOTE, "linkage", "linkage")
    assert (rung.label, rung.detail) == ("KeepAliveFailure", "pbx: silent for 30 s")


def test_an_event_without_anything_is_drawn_all_the_same() -> None:
    ladder = Ladder("E1", "", (Participant("linkage", "linkage", Kind.LINKAGE),), ())

    assert "nothing has happened yet" in render_text(ladder)
    assert render_svg(ladder).endswith("</svg>\n")
    assert render_mermaid(ladder).startswith("sequenceDiagram\n")


def test_the_text_fits_eighty_cells_and_keeps_its_columns(alarm: Ladder) -> None:
    lines = render_text(alarm, zone=UTC).splitlines()

    assert max(cells(line) for line in lines) <= 80
    assert lines[0] == "EventId 1213243  化工厂火灾 fire at the plant"
    first = next(line for line in lines if "calls 2222" in line)
    assert first == "08:00:00.250  ├────▶│     │     │     │     │    calls 2222"
    assert next(line for line in lines if "201 CreateEvent" in line) == (
        "      +0.250  │     │◀════●═════╡     │     │    201 CreateEvent 创建事件"
    )


def test_the_mermaid_names_everybody_and_passes_by_linkage(alarm: Ladder) -> None:
    lines = render_mermaid(alarm).splitlines()

    assert lines[:3] == ["sequenceDiagram", "    autonumber", "    actor p0 as 139123444444"]
    assert "    participant p2 as linkage" in lines
    notice = next(index for index, line in enumerate(lines) if "100 IncomingCallNotice" in line)
    assert lines[notice].startswith("    p1->>p2: ")
    assert lines[notice + 1] == "    p2->>p3: 100"


def test_the_svg_is_well_formed_and_has_every_label(alarm: Ladder) -> None:
    root = etree.fromstring(render_svg(alarm, zone=UTC).encode())
    texts = [str(text) for text in root.itertext()]

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "100 IncomingCallNotice 呼入通知" in texts
    assert "2026-11-22 08:00:00+00:00   化工厂火灾 fire at the plant" in texts
    assert float(root.get("height", "0")) > 300


def test_hostile_text_stays_text_in_the_terminal(hostile: Ladder) -> None:
    drawn = render_text(hostile)

    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", drawn)
    assert "\\x9b[2J" in drawn


def test_hostile_text_stays_text_in_mermaid(hostile: Ladder) -> None:
    for line in render_mermaid(hostile).splitlines():
        assert "<" not in line
        assert "%%" not in line
        head, _, text = line.partition(": ")
        assert not re.search(r"#(?![0-9]+;)", text)
        assert ";" not in re.sub(r"#[0-9]+;", "", text), head


def test_hostile_text_stays_text_in_svg(hostile: Ladder) -> None:
    drawn = render_svg(hostile)
    root = etree.fromstring(drawn.encode())

    names = {etree.QName(element).localname for element in root.iter()}
    assert names == {"svg", "title", "style", "rect", "text", "line", "g", "path", "circle"}
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", drawn)


def test_a_reason_is_a_code_in_notices_and_a_sentence_in_commands() -> None:
    supervise = m.Supervise(
        target_call_id="C1", action=m.SupervisionAction.MONITOR, reason="a complaint"
    )
    assert "Reason a complaint" in summarise(supervise)
    assert "a complaint" in detail_of(supervise)
    assert detail_of(m.AppLeave(reason="maintenance")) == "Reason maintenance"
    assert "101 busy" in detail_of(m.HangupNotice(call_id="C1", reason=101))


# --- long ones -----------------------------------------------------------------------------------
MEMBERS = 40
CALLERS = 60


def write_convened(writer: Writer) -> None:
    """A call, and a conference of forty of whom some do not answer: 85 operations."""
    write_alarm(writer)
    event_id = "1213243"
    people = [(f"1390000{n:04d}", f"专家{n}") for n in range(MEMBERS)]
    writer.say(PBX, m.ConferenceNotice(conference_id="k1", event_id=event_id, action=CREATED))
    for n, (number, _) in enumerate(people):
        ringing = m.CallState.ALERTING
        writer.say(
            PBX,
            m.CallStateNotice(
                call_id=f"l{n}",
                event_id=event_id,
                conference_id="k1",
                to_num=number,
                state=ringing,
            ),
        )
    for n, (number, name) in enumerate(people):
        writer.say(
            PBX,
            m.CallOutResultNotice(
                call_id=f"l{n}", event_id=event_id, conference_id="k1", phone_num=number,
                staff_id=str(n), staff_name=name, reason=None if n % 7 else 102,
            ),
        )  # fmt: skip
        if n % 7:
            writer.say(PBX, member(n, number, m.MemberNoticeAction.JOINED))
    for n, (number, _) in enumerate(people):
        if n % 7:
            writer.say(PBX, member(n, number, m.MemberNoticeAction.LEFT))


CREATED = m.ConferenceNoticeAction.CREATED


def member(n: int, number: str, action: m.MemberNoticeAction) -> m.ConferenceMemberNotice:
    return m.ConferenceMemberNotice(
        conference_id="k1", event_id="1213243", member_id=str(n), phone_num=number, action=action
    )


def write_callers(writer: Writer) -> None:
    """Sixty people who call about the same fire."""
    for n in range(CALLERS):
        number, login = f"138000{n:05d}", str(20 + n % 3)
        writer.say(
            PBX,
            m.IncomingCallNotice(
                call_id=f"c{n}", login_id=login, direction=m.CallDirection.IN,
                phone_num=number, to_num="119",
            ),
        )  # fmt: skip
        writer.say(DESK, m.CreateEvent(call_id=f"c{n}", event_id="F60", title="山林火灾"))
        writer.say(
            PBX,
            m.HangupNotice(
                call_id=f"c{n}", phone_num=number, reason=100, side=m.HangupSide.CALLER
            ),
        )


@pytest.fixture
def convened(writer: Writer) -> Ladder:
    write_convened(writer)
    return ladder_of(writer.path, "1213243")


@pytest.fixture
def many_callers(writer: Writer) -> Ladder:
    write_callers(writer)
    return ladder_of(writer.path, "F60")


def test_a_long_story_fits_a_page(convened: Ladder, many_callers_lines: list[str]) -> None:
    lines = render_text(convened, zone=UTC).splitlines()
    root = etree.fromstring(render_svg(convened, zone=UTC).encode())

    assert len(convened.rungs) > 200
    assert len(lines) <= 66
    assert len(many_callers_lines) <= 66
    assert float(root.get("width", "0")) <= 1700
    assert float(root.get("height", "0")) <= 1.5 * float(root.get("width", "0"))


@pytest.fixture
def many_callers_lines(tmp_path: Path) -> list[str]:
    made = Writer(tmp_path / "callers" / "linkage.db")
    write_callers(made)
    made.close()
    return render_text(ladder_of(made.path, "F60"), zone=UTC).splitlines()


def test_who_shares_a_column_is_counted_and_named(convened: Ladder) -> None:
    drawn = render_text(convened, zone=UTC, width=120)

    assert f"×{MEMBERS} = {MEMBERS} members 成员: 专家0, 专家1" in drawn
    assert re.search(r"rings ×40 in \d", drawn)
    assert re.search(r"joins ×34 in \d", drawn)
    assert re.search(r"✗ no answer \(102\) ×6 in \d", drawn)
    assert re.search(r"leaves ×34 in \d", drawn)
    assert "23, 13" in drawn
    svg = render_svg(convened)
    assert f"{MEMBERS} members 成员" in svg
    assert "专家0, 专家7, 专家14, 专家21, 专家28, 专家35" in svg


def test_callers_share_a_column_and_officers_keep_theirs(many_callers: Ladder) -> None:
    drawn = render_text(many_callers, zone=UTC, width=120)

    assert f"×{CALLERS} = {CALLERS} callers 主叫: 13800000000" in drawn
    assert "called party 被叫: 20, 21, 22" in drawn
    assert f"calls 119 ×{CALLERS}" in drawn


def test_whoever_joins_is_said_to_join_once(convened: Ladder) -> None:
    assert sum(rung.label == "joins" for rung in convened.rungs) == 34
    assert sum(rung.label == "leaves" for rung in convened.rungs) == 34


def said(drawn: str) -> str:
    """What stands at the right of the lifelines, without the breaks of lines."""
    return " ".join(re.sub(r".*[│╡◀▶┤✗]", "", line).strip() for line in drawn.splitlines())


def test_a_binding_is_said_once_and_bindings_together(writer: Writer) -> None:
    write_alarm(writer)
    for op_id in ("1", "2", "3", "2"):
        cause = m.BindCause.DERIVED
        writer.say(
            "linkage",
            m.EventBoundNotice(event_id="1213243", op_id=op_id, kind=None, cause=cause),
            event_pk=3,
        )

    drawn = render_text(ladder_of(writer.path, "1213243"), zone=UTC, width=120)

    assert drawn.count("101 EventBoundNotice") == 1
    assert re.search(r"×3 in 0\.[0-9] s", said(drawn)), drawn
    assert "operation 1 (derived), operation 2 (derived), operation 3 (derived)" in said(drawn)


@pytest.mark.parametrize("width", [30, 40, 60, 72, 80, 100, 120, 200])
def test_the_text_is_never_wider_than_the_terminal(
    convened: Ladder, alarm: Ladder, conference: Ladder, hostile_at: Ladder, width: int
) -> None:
    for ladder in (convened, alarm, conference, hostile_at):
        lines = render_text(ladder, zone=UTC, width=width).splitlines()
        assert max(cells(line) for line in lines) <= width


@pytest.fixture
def hostile_at(tmp_path: Path) -> Ladder:
    made = Writer(tmp_path / "hostile" / "linkage.db")
    for n in range(3):
        made.say(
            PBX,
            m.IncomingCallNotice(
                call_id=f"c{n}", login_id="值" * 10, direction=m.CallDirection.IN,
                phone_num="1" * 25, to_num="2" * 25,
            ),
        )  # fmt: skip
        made.say(DESK, m.CreateEvent(call_id=f"c{n}", event_id="事" * 20, title="火" * 100))
    made.close()
    return ladder_of(made.path, "事" * 20)


def test_the_names_stand_again_in_what_is_longer_than_a_page(writer: Writer) -> None:
    write_alarm(writer)
    for _ in range(40):
        writer.say(PBX, m.HoldNotice(call_id="82039239", action=m.HoldNoticeAction.HOLD))
    ladder = ladder_of(writer.path, "1213243")

    drawn = render_text(ladder, zone=UTC).splitlines()
    svg = render_svg(ladder)

    heads = [number for number, line in enumerate(drawn) if "desk" in line and "23" in line]
    assert len(heads) > 1
    assert max(b - a for a, b in pairwise(heads)) <= 50
    assert svg.count(">application 业务平台<") > 1


def test_no_label_of_ours_is_clipped_in_the_picture(
    alarm: Ladder, conference: Ladder, convened: Ladder
) -> None:
    for ladder in (alarm, conference, convened):
        root = etree.fromstring(render_svg(ladder, zone=UTC).encode())
        width = float(root.get("width", "0"))
        for text in root.iterfind(".//{*}text"):
            said, kind = str(text.text), text.get("class", "")
            assert "…" not in said or kind in {"detail", "role"}, said
            if not kind:
                assert float(text.get("x", "0")) + 7 * cells(said) <= width


def test_all_three_pictures_go_by_one_clock(alarm: Ladder) -> None:
    from datetime import timedelta, timezone

    zone = timezone(timedelta(hours=8))
    for drawn in (
        render_text(alarm, zone=zone),
        render_svg(alarm, zone=zone),
        render_mermaid(alarm, zone=zone).replace("#58;", ":").replace("#45;", "-"),
    ):
        assert "2026-11-22 16:00:00+08:00" in drawn
        assert "16:00:00.250" in drawn
        assert "08:00:00.250" not in drawn
