"""Names that nobody knows change nothing and leave nothing behind.

Found by `python -m tests.load.fuzz`: libxml2 keeps every name it has ever read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from protocol.codec import decode
from protocol.dialect import Dialect
from protocol.envelope import Request, Response
from protocol.errors import RemoteProtocolError
from protocol.messages import IncomingCallNotice, every_class
from protocol.plans import plan_of
from protocol.xml.reader import _vocabulary, read_tree

MiB = 1024 * 1024
CALL = b"<CallId>c1</CallId><Type>1</Type><PhoneNum>139</PhoneNum>"
LOT = Random(14)


def message(inside: bytes = b"", attributes: bytes = b"", around: bytes = b"") -> bytes:
    return b'%s<request Id="1" Type="100"%s>%s%s</request>' % (around, attributes, CALL, inside)


def notice(payload: bytes, dialect: Dialect = Dialect()) -> IncomingCallNotice:  # noqa: B008 - frozen
    item = read_tree(payload, dialect)
    assert isinstance(item, Request)
    assert isinstance(item.message, IncomingCallNotice)
    return item.message


def rss() -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def name() -> bytes:
    return b"n%x" % LOT.getrandbits(60)


def blanks() -> bytes:
    return bytes(LOT.choices(b" \t\n", k=40))


@pytest.mark.parametrize(
    "strange",
    [
        lambda: b"<%s/>" % name(),
        lambda: b"<e %s='1'/>" % name(),
        lambda: b"<e xmlns='%s'/>" % name(),
        lambda: b"<?%s x?>" % name(),
        lambda: b"<e>%s</e>" % blanks(),
        lambda: b"<E_%s/>" % b"_".join(b"%c" % c for c in name()),
    ],
    ids=["elements", "attributes", "namespaces", "instructions", "blanks", "underscores"],
)
def test_messages_with_names_never_used_before_cost_no_memory(
    strange: Callable[[], bytes],
) -> None:
    def read(count: int) -> None:
        for _ in range(count):
            notice(message(b"".join(strange() for _ in range(500))))

    read(30)
    before = rss()
    read(150)
    assert rss() - before < MiB  # with libxml2 alone 2 to 5


@pytest.mark.parametrize(
    "payload",
    [
        message(b"<Strange>1</Strange>"),
        message(b"<Strange a='1'><CallId>c2</CallId><Deep>2</Deep></Strange>"),
        message(b"", b" Strange='1' xml:lang='zh'"),
        message(b"<x:CallId xmlns:x='u'>c2</x:CallId>"),
        message(b"<!-- <CallId>c2</CallId> -->"),
        message(b"<?strange CallId?>"),
        message(around=b'<?xml version="1.0" encoding="UTF-8"?>\n'),
        message(around=b"\xef\xbb\xbf"),
        message(b"\n" + b" " * 40 + b"\n"),
        message()
        .replace(b"<PhoneNum>139", b"<Phone_Num>1<!-- -->39")
        .replace(b"</PhoneNum>", b"</Phone_Num>"),
        message().replace(b"139", b"<![CDATA[139]]>"),
        message().replace(b"139", b"&#49;39"),
    ],
)
def test_what_is_not_known_is_passed_over(payload: bytes) -> None:
    assert notice(payload) == notice(message())


def test_of_two_ways_to_write_an_attribute_the_first_counts() -> None:
    payload = b'<response RequestId="1" Type="100" Result="0" Strange="1"/>'
    item = read_tree(payload)
    assert isinstance(item, Response)
    assert (item.request_id, item.result) == ("1", 0)


def test_an_encoding_that_expat_does_not_know_is_read_all_the_same() -> None:
    dialect = Dialect(encoding="gb18030")
    text = "<Strange>1</Strange><CallerName>张三</CallerName>"
    written = f'<?xml version="1.0" encoding="gb18030"?>{message().decode()[:-10]}{text}</request>'
    assert notice(written.encode("gb18030"), dialect).caller_name == "张三"


@pytest.mark.parametrize(
    "payload",
    [
        b"<Strange/>",
        b"<re_quest Id='1' Type='100'/>",
        b"<request xmlns='u' Id='1' Type='100'/>",
        message(b"<Strange>"),
        message(b"<a:Strange/>"),
        message(b"&strange;"),
        message(b"<S>" * 17 + b"</S>" * 17),
        b"<!DOCTYPE strange>" + message(),
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + message(b"&b;"),
        message(b"<Strange>\xff</Strange>"),
        message(b"<Strange>").decode().encode("utf-16"),
    ],
)
def test_what_is_wrong_is_result_100_whoever_reads_it(payload: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(payload)
    assert caught.value.result == 100


def test_ordinary_messages_need_no_second_reader() -> None:
    vocabulary = _vocabulary()
    assert vocabulary.covers(message())
    assert vocabulary.covers(message(around=b'<?xml version="1.0" encoding="UTF-8"?>\n'))
    assert vocabulary.covers(message(b"<Content>a &amp; b &#33;</Content>".replace(b"&#33;", b"")))
    assert not vocabulary.covers(message(b"<Strange/>"))


@pytest.mark.parametrize("long", [b"n", b"<", b"&", b" ", b"> ", b"a=", b"a ", b'"', b"&a", b"</"])
def test_a_message_of_one_long_word_is_read_in_time_that_grows_with_it(long: bytes) -> None:
    """Looked at from each of its characters on, it would take minutes: the test's limit."""
    vocabulary = _vocabulary()
    for around in (b"%s", b"<request>%s</request>", b"<request %s/>", b"<%s/>"):
        vocabulary.covers(around % (long * (60_000 // len(long))))


def test_mirrors_have_no_name_of_their_own_that_the_reader_would_not_know() -> None:
    """Their names are taken from what they mirror: making them all takes a second."""
    plans = [plan for cls in every_class() for plan in plan_of(cls)]
    names = {name for plan in plans for name in (plan.element, *plan.aliases)}
    assert {name for name in names if _vocabulary().known(name) is None} == set()
