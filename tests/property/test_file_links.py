"""Any damage of a link is refused; any Range gives the bytes that it names, or none."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkage.clock import MANUAL_START, ManualClock
from linkage.files.links import LINK_MAX_S, PREFIX, ROTATE_S, FileLinks, LinkRefusedError
from linkage.files.ranges import Span, UnsatisfiableError, span_of

ETAG = '"abc"'
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.%/?"
KEEPS_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def made(links: FileLinks, file_id: str = "ab12") -> str:
    link = links.make(platform="pbx", file_id=file_id, receiver="desk", owner="desk", asked_seq=7)
    return link.url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def links(tmp_path: Path, clock: ManualClock) -> FileLinks:
    return FileLinks(tmp_path / "links.keys", 3600, clock)


@KEEPS_FOLDER
@given(st.data())
def test_any_damage_of_a_link_is_refused(links: FileLinks, data: st.DataObject) -> None:
    path = made(links)
    at = data.draw(st.integers(0, len(path)))
    end = data.draw(st.integers(at, min(len(path), at + 3)))
    damaged = path[:at] + data.draw(st.text(ALPHABET, max_size=3)) + path[end:]
    if damaged == path:
        assert links.read(damaged).file_id == "ab12"
        return
    with pytest.raises(LinkRefusedError):
        links.read(damaged)


@KEEPS_FOLDER
@given(st.text(max_size=900), st.text(ALPHABET, min_size=60, max_size=900))
def test_what_was_never_made_is_refused(links: FileLinks, text: str, token: str) -> None:
    for path in (text, PREFIX + token):
        with pytest.raises(LinkRefusedError):
            links.read(path)


def test_a_link_says_for_whom_and_what_until_it_ends(links: FileLinks, clock: ManualClock) -> None:
    path = made(links)
    link = links.read(path)
    assert (link.platform, link.file_id, link.receiver, link.owner, link.asked_seq) == (
        "pbx", "ab12", "desk", "desk", 7,
    )  # fmt: skip
    clock.advance(3599)
    assert links.read(path) == link

    clock.advance(1)
    with pytest.raises(LinkRefusedError, match="has expired") as refused:
        links.read(path)
    assert refused.value.expired


def test_keys_are_rotated_and_kept_while_a_link_may_live(
    tmp_path: Path, clock: ManualClock
) -> None:
    path = tmp_path / "links.keys"
    links = FileLinks(path, LINK_MAX_S, clock)
    first = made(links)
    texts = set()
    for _ in range(6):
        texts.add(path.read_text())
        assert FileLinks(path, LINK_MAX_S, clock).read(first).file_id == "ab12"
        clock.advance(ROTATE_S)
        links.rotate()
    assert len(texts) == 6
    assert path.stat().st_mode & 0o777 == 0o600
    assert links.read(first).until > (MANUAL_START + timedelta(days=6)).timestamp()

    for _ in range(4):
        clock.advance(ROTATE_S)
        links.rotate()
    assert len(re.findall('"secret"', path.read_text())) == 8
    with pytest.raises(LinkRefusedError):
        links.read(first)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": [{"id": "zz"}]}', '{"keys": 3}'])
def test_damaged_keys_are_made_anew_and_open_nothing_old(
    tmp_path: Path, clock: ManualClock, text: str
) -> None:
    path = tmp_path / "links.keys"
    old = made(FileLinks(path, 3600, clock))
    path.write_text(text)

    links = FileLinks(path, 3600, clock)

    assert links.read(made(links)).file_id == "ab12"
    with pytest.raises(LinkRefusedError):
        links.read(old)


# --- ranges --------------------------------------------------------------------------------------
@given(st.integers(0, 50), st.integers(0, 60), st.none() | st.integers(0, 60))
def test_any_cut_gives_its_bytes(size: int, first: int, last: int | None) -> None:
    content = bytes(range(size))
    wanted = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert span_of(size, wanted, None, ETAG) is None
        return
    expected = content[first:] if last is None else content[first : last + 1]
    if not expected:
        with pytest.raises(UnsatisfiableError):
            span_of(size, wanted, None, ETAG)
        return
    span = span_of(size, wanted, None, ETAG)
    assert span is not None
    assert content[span.first : span.last + 1] == expected
    assert span.length == len(expected)


@given(st.integers(0, 50), st.integers(0, 60))
def test_the_last_bytes(size: int, count: int) -> None:
    content = bytes(range(size))
    if not size or not count:
        with pytest.raises(UnsatisfiableError):
            span_of(size, f"bytes=-{count}", None, ETAG)
        return
    span = span_of(size, f"bytes=-{count}", None, ETAG)
    assert span is not None
    assert content[span.first : span.last + 1] == content[-count:]


@given(st.text(max_size=40) | st.text("bytes=-, 0123456789", max_size=60))
def test_whatever_a_range_says_it_is_a_part_all_or_none(text: str) -> None:
    try:
        span = span_of(10, text, None, ETAG)
    except UnsatisfiableError:
        return
    assert span is None or 0 <= span.first <= span.last < 10


def test_a_part_of_another_file_is_sent_whole() -> None:
    for if_range, span in (
        (ETAG, Span(2, 3)), ('W/"abc"', None), ('"abd"', None),
        ("Tue, 01 Dec 2026 00:00:00 GMT", None),
    ):  # fmt: skip
        assert span_of(10, "bytes=2-3", if_range, ETAG) == span
