"""Lines of a fax server become replies, however they are cut; what is none is said to be none."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hylafax.replies import (
    LINE_BYTES,
    Replies,
    Reply,
    ReplyError,
    data_port,
    document_of,
    job_of,
)

STREAM = (
    b"220 fax (HylaFAX (tm) Version 6.0.7) ready.\r\n"
    b"217-Job state: jobid 1\r\n    STATE: DONE\r\n 217 is no end\r\n217 End of job 1 state.\r\n"
    b"460 Failed.\r\n"
)
WHOLE = [
    Reply(220, ("fax (HylaFAX (tm) Version 6.0.7) ready.",)),
    Reply(
        217,
        ("Job state: jobid 1", "    STATE: DONE", " 217 is no end", "End of job 1 state."),
    ),
    Reply(460, ("Failed.",)),
]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_replies_are_whole_however_they_are_cut(cuts: list[int]) -> None:
    at = sorted({0, *cuts, len(STREAM)})
    replies = Replies()
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(at)]
    assert [reply for piece in pieces for reply in replies.feed(piece)] == WHOLE
    assert [reply.is_ok for reply in WHOLE] == [True, True, False]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n", b"\r\n", b"999 x\r\n", b"22 x\r\n", b"220\r\n",
        b"220 " + b"x" * LINE_BYTES + b"\r\n", b"x" * (LINE_BYTES + 1), b"217-a\r\n" * 2_000,
    ],
    ids=lambda nonsense: str(nonsense[:12]),
)  # fmt: skip
def test_what_is_no_reply_is_said_to_be_none(nonsense: bytes) -> None:
    with pytest.raises(ReplyError):
        list(Replies().feed(nonsense))


@given(data=st.binary(max_size=200))
def test_nothing_else_comes_of_any_bytes(data: bytes) -> None:
    with contextlib.suppress(ReplyError):
        list(Replies().feed(data))


def test_what_replies_name() -> None:
    assert data_port(Reply(229, ("Entering Extended Passive Mode (|||4711|)",))) == 4711
    assert job_of(Reply(200, ("New job created: jobid: 17 groupid: 17.",))) == 17
    begun, ended = Reply(150, ("FILE: /tmp/doc3.ps (Opening).",)), Reply(226, ("Done.",))
    assert document_of(begun, ended) == "/tmp/doc3.ps"


@pytest.mark.parametrize("text", ["(|||0|)", "(|||65536|)", "(|||)", "(10,0,0,1,4,5)", ""])
def test_no_port_is_taken_that_is_none(text: str) -> None:
    with pytest.raises(ReplyError):
        data_port(Reply(229, (text,)))


def test_what_is_not_named_is_missed() -> None:
    with pytest.raises(ReplyError):
        job_of(Reply(200, ("New job created.",)))
    with pytest.raises(ReplyError):
        document_of(Reply(226, ("Transfer complete.",)))
