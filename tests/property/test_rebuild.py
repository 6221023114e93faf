"""State is what the journal says it is, whatever peers say in whatever order.

Random but plausible conversations of several platforms, applications and screens go through the
core's engine, in batches, with restarts between: the chain holds, a rebuild gives the same rows,
and any tampering with a row is found.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from linkage.store.chain import breaks, row_hash
from linkage.store.rows import JournalRow
from linkage.store.sql.rebuild import differences, rebuild
from protocol import messages as m
from protocol.errors import InvalidMessageError
from protocol.message import Message
from tests.fakes.core_bench import PEERS, Bench, answer_of, chain, legacy, peer

SITE = (
    *PEERS,
    peer("watch", "monitor"),
    peer("cs", "communication-screen", login="23"),
    peer("bs", "business-screen", application="desk", login="23"),
    legacy("old", "platform", "10.0.0.1", dialect={"encoding": "gb18030"}),
)
PLATFORMS = st.sampled_from(["pbx", "pbx2", "old"])
APPLICATIONS = st.sampled_from(["desk", "other"])

# Few of each, so that they meet: calls reuse ids, platforms share them, events get merged.
calls = st.sampled_from(["C1", "C2", "C3"])
conferences = st.sampled_from(["1", "2"])
events = st.sampled_from(["E1", "E2", "E3"])
logins = st.none() | st.sampled_from(["23", "13"])
numbers = st.sampled_from(["2222", "3333", "7701", "139", "领导"])
maybe_event = st.none() | st.none() | events
requests = st.none() | st.integers(1, 40).map(str)
results = st.none() | st.none() | st.sampled_from([306, 501])
reasons = st.none() | st.sampled_from([100, 134])


def some(
    cls: Callable[..., Message], **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[Message]:
    """Messages of a class that satisfy its own rules."""

    def make(values: dict[str, Any]) -> Message | None:
        try:
            return cls(**values)
        except InvalidMessageError:
            return None

    made = st.fixed_dictionaries(fields).map(make)
    return made.filter(lambda message: message is not None)  # type: ignore[return-value]  # the filter takes None away


OF_A_CALL: dict[str, st.SearchStrategy[Any]] = {
    "call_id": st.none() | calls,
    "conference_id": st.none() | st.none() | conferences,
    "event_id": maybe_event,
    "request_id": requests,
    "result": results,
}
notices = st.one_of(
    some(
        m.IncomingCallNotice,
        **{**OF_A_CALL, "call_id": calls},
        direction=st.sampled_from(m.CallDirection),
        login_id=logins,
        phone_num=numbers,
        to_num=numbers,
    ),
    some(
        m.CallStateNotice,
        **OF_A_CALL,
        parent_call_id=st.none() | calls,
        state=st.sampled_from(m.CallState),
        reason=reasons,
    ),
    some(
        m.TransferNotice,
        **OF_A_CALL,
        to_login_id=logins,
        phase=st.none() | st.sampled_from(m.CallPhase),
        new_call_id=st.none() | calls,
    ),
    some(
        m.RecordingNotice,
        **OF_A_CALL,
        record_id=st.none() | st.sampled_from(["R1", "R2"]),
        action=st.none() | st.sampled_from(m.RecordingNoticeAction),
        file_id=st.none() | st.sampled_from(["F1", "F2"]),
    ),
    some(m.HangupNotice, **OF_A_CALL, reason=reasons, content=st.none() | numbers),
    some(m.HoldNotice, **OF_A_CALL),
    some(
        m.ConferenceNotice,
        **{**OF_A_CALL, "conference_id": st.none() | conferences},
        action=st.none() | st.sampled_from(m.ConferenceNoticeAction),
    ),
    some(
        m.ConferenceMemberNotice,
        **{**OF_A_CALL, "conference_id": st.none() | conferences},
        phone_num=st.none() | numbers,
        action=st.none() | st.sampled_from(m.MemberNoticeAction),
    ),
    some(
        m.CallOutResultNotice,
        **{**OF_A_CALL, "conference_id": st.none() | conferences},
        phone_num=st.none() | numbers,
        reason=reasons,
    ),
    some(m.SmsReceivedNotice, sms_id=st.just("S"), phone_num=numbers, event_id=maybe_event),
    some(m.LocationNotice, call_id=st.none() | calls, phone_num=numbers),
    some(m.PlatformLeave, event_id=maybe_event, call_id=st.none() | calls),
)
NAMED: dict[str, st.SearchStrategy[Any]] = {"call_id": st.none() | calls, "event_id": maybe_event}
commands = st.one_of(
    some(
        m.CreateEvent,
        call_id=st.none() | calls,
        conference_id=st.none() | st.none() | conferences,
        event_id=events,
        title=st.none() | numbers,
        parent_event_id=maybe_event,
    ),
    some(
        m.BindEvent,
        event_id=events,
        action=st.sampled_from(m.BindAction),
        op_id=st.none() | st.integers(0, 30).map(str),
        call_id=st.none() | calls,
    ),
    some(
        m.LinkEvent, event_id=events, other_event_id=events, action=st.sampled_from(m.LinkAction)
    ),
    some(
        m.CloseEvent,
        event_id=events,
        action=st.sampled_from(m.CloseAction),
        hangup_all=st.none() | st.booleans(),
    ),
    some(m.UpdateEvent, event_id=events, level=st.none() | numbers, status=st.none() | numbers),
    some(m.Transfer, **NAMED, mode=st.sampled_from(m.TransferMode), to_num=numbers),
    some(m.Hangup, **NAMED, scope=st.none() | st.sampled_from(m.HangupScope)),
    some(
        m.ConferenceControl,
        **NAMED,
        conference_id=st.none() | conferences,
        action=st.sampled_from(m.ConferenceAction),
    ),
    some(
        m.CallOut,
        **NAMED,
        groups=st.just((m.Group(staff=(m.Staff(phone_nums=(m.Phone(number="139"),)),)),)),
    ),
    some(m.QueryEventRecord, event_id=events),
    some(m.SnapshotRequest, **NAMED),
    some(m.ReplayRequest, from_seq=st.integers(0, 9), to_seq=st.none() | st.integers(0, 9)),
)
screen_binds = some(m.message_class(401) or Message, call_id=calls, event_id=events)
said = st.one_of(
    st.tuples(PLATFORMS, notices),
    st.tuples(PLATFORMS, notices),
    st.tuples(APPLICATIONS, commands),
    st.tuples(st.just("cs"), screen_binds),
)
ids = st.none() | st.sampled_from(["20009", "20010"])
batches = st.lists(
    st.lists(st.tuples(said, ids, st.booleans()), min_size=1, max_size=6),
    min_size=1,
    max_size=12,
)


def play(bench: Bench, conversation: list[list[Any]], restart_after: int) -> None:
    for number, batch in enumerate(conversation):
        bench.clock.advance(0.125)
        works = []
        for (source, message), id_, reconstructed in batch:
            work = bench.submit(source, message, id_)
            works.append(replace(work, reconstructed=reconstructed and source == "pbx"))
        for work, done in zip(works, bench.do(*works), strict=True):
            assert answer_of(work, done).result != 500, done
        if number == restart_after:
            bench.restart()


@given(conversation=batches, restart_after=st.integers(0, 12))
def test_a_rebuild_gives_the_same_rows(conversation: list[list[Any]], restart_after: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), SITE)
        try:
            play(bench, conversation, restart_after)
            assert list(breaks(chain(bench.engine))) == []
            again = rebuild(bench.engine)
            assert differences(bench.engine, again) == []
            again.dispose()
            consistent(bench)
        finally:
            bench.close()


def consistent(bench: Bench) -> None:
    """What holds between the rows, however they came about."""
    operations = {one.op_id: one for one in bench.operations()}
    for one in operations.values():
        root = operations[one.root]
        assert root.root == root.op_id, "a root is its own"
        assert root.parent is None
        if one.parent is not None:
            assert operations[one.parent].root == one.root
        else:
            assert one.root == one.op_id
    with bench.engine.connect() as connection:
        valid = connection.exec_driver_sql(
            "SELECT op_id, event_pk, cause FROM binding WHERE valid_to IS NULL ORDER BY op_id"
        ).all()
    bound = [
        (one.op_id, one.event_pk, one.cause)
        for one in operations.values()
        if one.event_pk is not None
    ]
    assert [tuple(row) for row in valid] == sorted(bound), "one valid binding for each, the same"


@given(
    rows=st.integers(3, 12),
    where=st.integers(0, 11),
    how=st.sampled_from(["change", "delete", "swap", "insert"]),
    what=st.sampled_from(["body", "source", "detail", "result", "event_id", "recorded_at"]),
)
def test_tampering_with_a_row_is_found(rows: int, where: int, how: str, what: str) -> None:
    from tests.unit.linkage.store.test_chain import make_chain

    links = make_chain(rows)
    where %= rows - 1
    row, previous, own = links[where]
    if how == "change":
        links[where] = (changed(row, what), previous, own)
    elif how == "delete":
        del links[where]
    elif how == "swap":
        other, other_previous, other_own = links[where + 1]
        links[where] = (replace(other, seq=row.seq), previous, own)
        links[where + 1] = (replace(row, seq=other.seq), other_previous, other_own)
    else:
        links.insert(where + 1, (replace(row, seq=row.seq + 1), own, own))

    assert list(breaks(links))


def changed(row: JournalRow, what: str) -> JournalRow:
    value: Any = {"body": row.body + b" ", "result": 7, "recorded_at": row.recorded_at + 1}.get(
        what, f"{getattr(row, what)}x"
    )
    return replace(row, **{what: value})


HASHED = (
    *("seq", "recorded_at", "kind", "source", "occurred_at", "type", "request_id", "owner"),
    *("event_pk", "event_id", "op_id", "call_id", "conference_id", "command_seq", "target"),
    *("trace", "result", "detail", "reconstructed"),
)
"""Journals that there are were hashed so; a column may only be added at the end."""
texts = st.none() | st.text(max_size=20)
numbers_or_none = st.none() | st.integers(-(2**63), 2**63 - 1)


@given(
    columns=st.fixed_dictionaries(
        {
            item.name: {
                "int": st.integers(0, 2**63 - 1),
                "Time": st.integers(0, 2**63 - 1),  # of a row: microseconds
                "Time | None": numbers_or_none,
                "Small | None": numbers_or_none,
                "str": st.text(max_size=20),
                "int | None": numbers_or_none,
                "str | None": texts,
                "bool": st.booleans(),
                "bytes": st.binary(max_size=20),
            }[str(item.type)]
            for item in fields(JournalRow)
        }
    ),
    previous=st.binary(min_size=32, max_size=32),
)
def test_a_row_is_hashed_as_the_json_of_its_columns(
    columns: dict[str, Any], previous: bytes
) -> None:
    row = JournalRow(**columns)
    values = [columns[name] for name in HASHED]
    line = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    expected = hashlib.sha256(previous + line.encode() + row.body).digest()
    assert row_hash(previous, row) == expected
