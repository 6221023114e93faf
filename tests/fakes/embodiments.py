"""Stores filled with the patent's two embodiments, by the core's own unit of work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from linkage.correlation.apply import apply
from linkage.correlation.journal_entry import Entry
from linkage.store.rows import JournalRow, to_us
from linkage.store.sql.unit import UnitOfWork
from linkage.store.sqlite.database import open_store
from protocol import messages as m
from protocol.codec import encode
from protocol.envelope import Request
from protocol.message import Message

START: Final = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PBX: Final = "pbx"
DESK: Final = "desk"


class Writer:
    """Journals messages one by one, as the core does, a quarter of a second apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: Engine = open_store(path)
        self._unit = UnitOfWork(self._engine)
        self._at = START
        self._requests = 9_999

    def close(self) -> None:
        self._engine.dispose()

    def say(
        self,
        source: str,
        message: Message,
        *,
        owner: str | None = DESK,
        target: str | None = None,
        result: int = 0,
        detail: str | None = None,
        event_pk: int | None = None,
        after_s: float = 0.25,
    ) -> int:
        """Journal a message and apply it where it was taken; its seq."""
        self._at += timedelta(seconds=after_s)
        self._requests += 1
        self._unit.begin()
        seq = self._unit.journal.next_seq
        entry = Entry(seq=seq, at=to_us(self._at), source=source, message=message, owner=owner)
        applied = apply(self._unit.records, entry) if result == 0 else None
        event = None if applied is None else applied.event
        operation = None if applied is None else applied.operation
        self._unit.journal.append(
            JournalRow(
                seq=seq,
                recorded_at=to_us(self._at) + 1_000,
                occurred_at=to_us(self._at),
                kind="Message",
                source=source,
                type=message.number,
                request_id=str(self._requests),
                owner=owner,
                event_pk=event_pk if event is None else event.event_pk,
                event_id=message.event_id if event is None else event.event_id,
                op_id=None if operation is None else operation.op_id,
                call_id=message.call_id,
                conference_id=message.conference_id,
                target=target,
                result=result,
                detail=detail,
                body=encode(Request(id=str(self._requests), message=message)),
            )
        )
        for receiver in {target, owner} - {None, source}:
            assert receiver is not None
            role = "platform" if receiver == target else "application"
            self._unit.queues.enqueue(receiver, role, seq, message.number)
        self._unit.commit()
        return seq

    def note(self, kind: str, source: str, detail: str, event_pk: int | None = None) -> None:
        """Journal an observation."""
        self._unit.begin()
        self._unit.journal.append(
            JournalRow(
                seq=self._unit.journal.next_seq,
                recorded_at=to_us(self._at),
                kind=kind,
                source=source,
                detail=detail,
                event_pk=event_pk,
            )
        )
        self._unit.commit()


def write_alarm(
    writer: Writer,
    event_id: str = "1213243",
    call_id: str = "82039239",
    file_id: str = "F1.wav",
) -> None:
    """The first embodiment: steps 301–314, with a recording."""
    caller = "139123444444"
    writer.say(
        PBX,
        m.IncomingCallNotice(
            call_id=call_id,
            login_id="23",
            direction=m.CallDirection.IN,
            phone_num=caller,
            to_num="2222",
        ),
    )
    writer.say(PBX, m.CallStateNotice(call_id=call_id, login_id="23", state=m.CallState.ANSWERED))
    writer.say(
        DESK,
        m.CreateEvent(
            call_id=call_id,
            login_id="23",
            kind="1",
            event_id=event_id,
            title="化工厂火灾 fire at the plant",
        ),
        target=PBX,
    )
    writer.say(
        PBX,
        m.RecordingNotice(call_id=call_id, record_id="R1", action=m.RecordingNoticeAction.START),
    )
    writer.say(
        DESK,
        m.Transfer(
            call_id=call_id, from_login_id="23", to_login_id="13", mode=m.TransferMode.BLIND
        ),
        target=PBX,
    )
    writer.say(
        PBX,
        m.TransferNotice(
            call_id=call_id,
            from_login_id="23",
            phone_num=caller,
            to_login_id="13",
            from_ext="3021",
            event_id=event_id,
            to_num="3013",
            phase=m.CallPhase.DONE,
            new_call_id=f"{call_id}-2",
        ),
    )
    writer.say(
        PBX,
        m.HangupNotice(
            call_id=call_id,
            login_id="13",
            phone_num=caller,
            event_id=event_id,
            reason=100,
            side=m.HangupSide.CALLER,
        ),
    )
    writer.say(
        PBX,
        m.RecordingNotice(
            call_id=call_id,
            record_id="R1",
            action=m.RecordingNoticeAction.SAVED,
            file_id=file_id,
            format="wav",
            size=32_044,
            sha256="0" * 64,
            duration=2,
        ),
    )


def write_conference(writer: Writer, event_id: str = "1213244") -> None:
    """The second embodiment: steps 401–420."""
    common: dict[str, Any] = {
        "call_id": "82039240",
        "login_id": "13",
        "conference_id": "2",
        "event_id": event_id,
    }
    people = {
        "13912344444": ("123", "指挥大厅领导", None),
        "13912344413": ("124", "专职部门人员", None),
        "13912344421": ("138", "专家", 123),
        "13912344428": ("139", "备选专家", None),
    }
    staff = tuple(
        m.Staff(staff_id=key, staff_name=name, phone_nums=(m.Phone(num_type="01", number=number),))
        for number, (key, name, _) in people.items()
    )
    writer.say(
        DESK,
        m.CallOut(
            event_id=event_id,
            login_id="13",
            call_type=m.CallOutType.CONFERENCE,
            groups=(
                m.Group(group_id="136", group_name="领导", call_mode=m.CallMode.ALL, staff=staff),
            ),
        ),
        target=PBX,
    )
    writer.say(PBX, m.ConferenceNotice(**common, action=m.ConferenceNoticeAction.CREATED))
    for number, (_, name, reason) in people.items():
        writer.say(
            PBX,
            m.CallOutResultNotice(**common, phone_num=number, reason=reason, staff_name=name),
        )
    writer.say(PBX, m.ConferenceNotice(**common, action=m.ConferenceNoticeAction.CONNECTED))
