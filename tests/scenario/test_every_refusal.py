"""Nobody in who does not belong: each refusal with its code, its entry in the journal, no secret.

One row for each thing that the specification has refused: what a stranger or a peer does, what it
is answered, whether its connection is closed, and what the journal says of it. Everything happens
to a whole linkage over loopback. Whatever happens, no secret stands in the log or on the disk.
"""

from __future__ import annotations

import itertools
import logging
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import linkage
from linkage.clock import SystemClock
from linkage.config.certificates import Authority, make_test_files
from linkage.config.load import load_config
from protocol.results import Result, result_text
from tests.fakes.core_bench import new_store
from tests.scenario.far_end import SECRET, Far, Site, hello

CLOCK = SystemClock()
WRONG: Final = "a-wrong-secret-of-the-test"
CONFIG: Final = """
listen = ["127.0.0.1:0"]
{top}
[[listener]]
address = "127.0.0.1:0"
tls = true
[tls]
certificate = "tls/server.pem"
key = "tls/server.key"
client_ca = "tls/ca.pem"
[limits]
message_bytes = 100000
{limits}
[timers]
heartbeat_s = 0.1
dead_after_s = 30
frame_within_s = 0.3
{timers}
"""
PEERS: Final = {
    "desk": ("application", ""),
    "other": ("application", 'numbers = ["9*"]'),
    "watch": ("monitor", ""),
    "pbx": ("platform", ""),
    "panel": ("communication-screen", 'login = "13"'),
    "seat": ("communication-screen", 'logins = ["13", "14"]'),
    "form": ("business-screen", 'application = "desk"'),
    "secured": ("platform", "require_tls = true"),
    "certified": ("platform", "require_certificate = true"),
    "elsewhere": ("platform", 'allow = ["10.0.0.0/8"]'),
    "narrow": ("application", "types = [290, 280]"),
    "slow": ("platform", "requests_per_s = 1"),
}
REGISTERS: Final = {
    "application": 290, "monitor": 290, "platform": 190,
    "communication-screen": 490, "business-screen": 690,
}  # fmt: skip
INCOMING: Final = "<CallId>c1</CallId><Type>1</Type><PhoneNum>139</PhoneNum><ToNum>2222</ToNum>"


class Scene:
    """What a row may do: meet the linkage, as a stranger or as one of its peers."""

    def __init__(self, site: Site, folder: Path, stack: AsyncExitStack) -> None:
        self.site = site
        self.folder = folder
        self._stack = stack
        self._ids = itertools.count(100)
        self.last: Far | None = None
        """With whom the row's connection is, to see whether it ends."""

    async def stranger(self, tls: ssl.SSLContext | None = None) -> Far:
        address = self.site.server.addresses[0 if tls is None else 1]
        far = await Far.connect(address, tls)
        self._stack.push_async_callback(far.close)
        self.last = far
        return far

    async def peer(self, name: str) -> Far:
        far = await self.stranger()
        type_ = REGISTERS[PEERS[name][0]]
        nonce = f"nonce-{next(self._ids)}"
        answer = await far.answer(hello(name, nonce=nonce, type_=type_))
        assert answer["Result"] == "0", answer
        return far

    def request(self, type_: int, body: str = "", attributes: str = "") -> bytes:
        number = next(self._ids)
        return f'<request Id="{number}" Type="{type_}"{attributes}>{body}</request>'.encode()

    async def ask(self, name: str, type_: int, body: str = "", attributes: str = "") -> Answer:
        far = await self.peer(name)
        return await far.answer(self.request(type_, body, attributes))

    def certificate(self, folder: Path, name: str) -> ssl.SSLContext:
        made = self.trusting()
        made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        return made

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "tls" / "ca.pem")

    async def an_event(self) -> None:
        """A call with an event of the desk's, and an event of the other's."""
        pbx, desk, other = [await self.peer(name) for name in ("pbx", "desk", "other")]
        assert (await pbx.answer(self.request(100, INCOMING)))["Result"] == "0"
        body = "<EventId>e1</EventId><CallId>c1</CallId>"
        assert (await desk.answer(self.request(201, body)))["Result"] == "0"
        assert (await other.answer(self.request(201, "<EventId>mine</EventId>")))["Result"] == "0"


Answer = dict[str, str]
Act = Callable[[Scene], Awaitable[Answer | None]]


@dataclass(frozen=True)
class Row:
    """A refusal: `result`, `closed` as the peer sees it; `kind`, `source`, `told` as journalled.

    `logged` is the entry's result where it is not the answer's.
    """

    name: str
    act: Act
    result: int | None
    kind: str
    source: str
    told: str
    closed: bool = False
    logged: int | None = None
    top: str = ""
    limits: str = ""
    timers: str = ""
    retry: bool = False


ROWS: Final[list[Row]] = []


def row(
    name: str,
    *,
    result: int | None = None,
    kind: str = "Stranger",
    source: str = "127.0.0.1",
    told: str,
    closed: bool = False,
    logged: int | None = None,
    top: str = "",
    limits: str = "",
    timers: str = "",
    retry: bool = False,
) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        ROWS.append(
            Row(name, act, result, kind, source, told, closed, logged, top, limits, timers, retry)
        )
        return act

    return add


# --- who may connect -----------------------------------------------------------------------------
@row("an address off the list", told="not in `allow`", closed=True, top='allow = ["10.0.0.0/8"]')
async def _off_the_list(scene: Scene) -> None:
    await scene.stranger()


@row("too many connections", told="turned away", closed=True, limits="connections = 2")
@row(
    "too many of one address",
    told="turned away",
    closed=True,
    limits="connections_per_address = 2",
)
@row("too many strangers", told="turned away", closed=True, limits="unregistered = 2")
@row(
    "too many strangers of one address",
    told="turned away",
    closed=True,
    limits="unregistered_per_address = 2",
)
@row(
    "too many connections a second",
    told="connections a second",
    closed=True,
    limits="connects_per_s = 0.001\nconnects_burst = 2",
)
async def _crowd(scene: Scene) -> None:
    for _ in range(3):
        await scene.stranger()


@row("no TLS at a TLS listener", told="TLS", closed=True)
async def _plain_to_tls(scene: Scene) -> None:
    scene.last = await Far.connect(scene.site.server.addresses[1])
    scene.last.send(hello())


@row("a handshake that never ends", told="TLS", closed=True, timers="register_within_s = 0.2")
async def _slow_handshake(scene: Scene) -> None:
    scene.last = await Far.connect(scene.site.server.addresses[1])
    scene.last.writer.write(b"\x16\x03\x01")


@row("a certificate of another authority", told="certificate verify failed", closed=True)
async def _forged(scene: Scene) -> None:
    forged = Authority("somebody else", CLOCK.utc()).client("pbx")
    (scene.folder / "forged.pem").write_bytes(forged.certificate)
    (scene.folder / "forged.key").write_text(forged.key.get_secret_value())
    try:
        scene.last = await Far.connect(
            scene.site.server.addresses[1], scene.certificate(scene.folder, "forged")
        )
    except (ssl.SSLError, ConnectionError):
        scene.last = None  # some ends hear of it within the handshake


# --- who may register ----------------------------------------------------------------------------
@row("TLS required", result=201, told="'secured' must use TLS", closed=True)
async def _tls_required(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello("secured"))


@row("certificate required", result=201, told="must show a client certificate", closed=True)
async def _certificate_required(scene: Scene) -> Answer:
    return await (await scene.stranger(scene.trusting())).answer(hello("certified"))


@row("another peer's certificate", result=201, told="is for desk, not for 'pbx'", closed=True)
async def _others_certificate(scene: Scene) -> Answer:
    tls = scene.certificate(scene.folder / "tls" / "peers", "desk")
    return await (await scene.stranger(tls)).answer(hello("pbx"))


@row("off the peer's own list", result=201, told="may not come from 127.0.0.1", closed=True)
async def _peers_list(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello("elsewhere"))


@row("wrong secret", result=201, source="pbx", told="does not fit its secret", closed=True)
async def _wrong_secret(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello(secret=WRONG))


@row("unknown peer", result=201, source="nobody", told="no peer 'nobody'", closed=True)
async def _unknown(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello("nobody"))


@row("wrong role", result=201, source="desk", told="'desk' is application", closed=True)
async def _wrong_role(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello("desk"))


@row("clock behind", result=201, source="pbx", told="set the clock", closed=True)
async def _behind(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello(behind_s=301))


@row("clock ahead", result=201, source="pbx", told="set the clock", closed=True)
async def _ahead(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello(behind_s=-310))


@row("another version", result=105, source="pbx", told="ProtoVer 1", closed=True)
async def _version(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello(version=2))


@row("a short nonce", result=103, kind="MalformedMessage", told="Nonce")
async def _short_nonce(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(hello(nonce="seven-7"))


@row("another's LoginId", result=202, source="seat", told="99 may not work at seat", closed=True)
async def _foreign_login(scene: Scene) -> Answer:
    recorded = hello("seat", type_=490).replace(b"</request>", b"<LoginId>99</LoginId></request>")
    return await (await scene.stranger()).answer(recorded)


@row("a replayed registration", result=201, source="pbx", told="Nonce was used", closed=True)
async def _replayed(scene: Scene) -> Answer:
    recorded = hello()
    assert (await (await scene.stranger()).answer(recorded))["Result"] == "0"
    return await (await scene.stranger()).answer(recorded)


@row(
    "guessing",
    result=206,
    told="refused too often",
    closed=True,
    retry=True,
    limits="refusals_per_minute = 3",
)
async def _guessing(scene: Scene) -> Answer:
    for _ in range(3):
        answer = await (await scene.stranger()).answer(hello(secret=WRONG))
        assert answer["Result"] == "201"
    return await (await scene.stranger()).answer(hello())  # though this one is right


@row("no registration", result=200, told="100 100: register first")
async def _not_registered(scene: Scene) -> Answer:
    return await (await scene.stranger()).answer(scene.request(100, INCOMING))


@row(
    "no registration in time",
    told="not registered within",
    closed=True,
    timers="register_within_s = 0.2",
)
async def _too_late(scene: Scene) -> None:
    await scene.stranger()


@row("registered already", result=306, kind="Refused", source="pbx", told="registered already")
async def _twice(scene: Scene) -> Answer:
    return await (await scene.peer("pbx")).answer(hello(nonce="a-second-nonce"))


# --- what may be sent ----------------------------------------------------------------------------
@row(
    "a frame of an unknown kind",
    kind="MalformedMessage",
    source="pbx",
    told="unknown flag 0x07",
    logged=100,
)
async def _flag(scene: Scene) -> None:
    (await scene.peer("pbx")).send(b"abc", flag=7)


@row("no frame at all", kind="MalformedMessage", told="HTTP request", closed=True, logged=100)
async def _no_frame(scene: Scene) -> None:
    (await scene.stranger()).writer.write(b"GET / HTTP/1.1\r\n\r\n")


@row("no XML", kind="MalformedMessage", source="pbx", told="not well-formed", logged=100)
async def _no_xml(scene: Scene) -> None:
    (await scene.peer("pbx")).send(b"<request>")


@row("a DTD", kind="MalformedMessage", source="pbx", told="document type", logged=100)
async def _dtd(scene: Scene) -> None:
    bomb = b'<!DOCTYPE r [<!ENTITY a "b">]><request Id="1" Type="100">&a;</request>'
    (await scene.peer("pbx")).send(bomb)


@row("nested too deep", kind="MalformedMessage", source="pbx", told="deeper than 16", logged=100)
async def _deep(scene: Scene) -> None:
    (await scene.peer("pbx")).send(b"<request>" + b"<a>" * 20 + b"</a>" * 20 + b"</request>")


@row(
    "the third bad message",
    kind="SessionClosed",
    source="pbx",
    told="malformed too often",
    closed=True,
)
async def _third(scene: Scene) -> None:
    far = await scene.peer("pbx")
    for _ in range(3):
        far.send(b"<request>")


@row("an unknown type", result=101, kind="MalformedMessage", source="pbx", told="catalogue")
async def _type(scene: Scene) -> Answer:
    return await scene.ask("pbx", 999)


@row("a missing field", result=102, kind="MalformedMessage", source="desk", told="EventId")
async def _missing(scene: Scene) -> Answer:
    return await scene.ask("desk", 201)


@row("no Id", result=102, kind="MalformedMessage", source="pbx", told="Id: a request needs")
async def _no_id(scene: Scene) -> Answer:
    return await (await scene.peer("pbx")).answer(b'<request Type="199"/>')


@row("an unusable Id", result=103, kind="MalformedMessage", source="pbx", told="17 characters")
async def _long_id(scene: Scene) -> Answer:
    return await (await scene.peer("pbx")).answer(b'<request Id="12345678901234567" Type="199"/>')


@row(
    "a wrong direction with wrong fields",
    result=106,
    kind="Refused",
    source="pbx",
    told="201 is not for this side",
)
async def _direction_first(scene: Scene) -> Answer:
    return await scene.ask("pbx", 201)


@row("a bad value", result=103, kind="MalformedMessage", source="pbx", told="PhoneNum")
async def _value(scene: Scene) -> Answer:
    return await scene.ask("pbx", 100, f"{INCOMING}<PhoneNum>{'1' * 26}</PhoneNum>")


@row(
    "a direction that is not the peer's",
    result=106,
    kind="Refused",
    source="pbx",
    told="201 is not for this side",
)
async def _direction(scene: Scene) -> Answer:
    return await scene.ask("pbx", 201, "<EventId>e1</EventId>")


@row(
    "a stranger's oversized message",
    kind="MalformedMessage",
    told="more than 65535",
    closed=True,
    logged=104,
)
async def _oversized_stranger(scene: Scene) -> None:
    far = await scene.stranger()
    far.send(b"x" * 65_535, flag=3)
    far.send(b"x", flag=3)


@row(
    "an oversized message",
    kind="MalformedMessage",
    source="pbx",
    told="more than 100000",
    closed=True,
    logged=104,
)
async def _oversized(scene: Scene) -> None:
    far = await scene.peer("pbx")
    for _ in range(2):
        far.send(b"x" * 60_000, flag=3)


@row(
    "countless fragments",
    kind="MalformedMessage",
    source="pbx",
    told="4096 fragments",
    closed=True,
    logged=104,
)
async def _fragments(scene: Scene) -> None:
    (await scene.peer("pbx")).writer.write(struct.pack(">BBH", 3, 0, 0) * 4100)


@row(
    "a slow frame",
    kind="MalformedMessage",
    source="pbx",
    told="not complete within 0.3 s",
    closed=True,
    logged=104,
)
async def _slow(scene: Scene) -> None:
    (await scene.peer("pbx")).writer.write(b"\x01\x00\xff\xff<requ")


@row("silence", kind="KeepAliveFailure", source="pbx", told="silent for", closed=True, timers="")
async def _silence(scene: Scene) -> None:
    await scene.peer("pbx")


@row(
    "too many requests a second",
    result=206,
    kind="Refused",
    source="slow",
    told="more than 1 requests a second",
    retry=True,
)
async def _pace(scene: Scene) -> Answer:
    far = await scene.peer("slow")
    answers = [await far.answer(scene.request(100, INCOMING)) for _ in range(3)]
    return answers[-1]


@row(
    "an answer to nothing",
    kind="Refused",
    source="pbx",
    told="a response to nothing asked",
    logged=0,
)
async def _unasked(scene: Scene) -> None:
    (await scene.peer("pbx")).send(b'<response RequestId="1" Type="202" Result="0"/>')


# --- what a peer may do --------------------------------------------------------------------------
@row(
    "a type that the peer may not send",
    result=202,
    kind="Refused",
    source="narrow",
    told="narrow may not send 202",
)
async def _right(scene: Scene) -> Answer:
    return await scene.ask("narrow", 202, "<CallId>c1</CallId>")


@row("a command of a monitor", result=202, kind="Refused", source="watch", told="monitor")
async def _monitor(scene: Scene) -> Answer:
    return await scene.ask("watch", 201, "<EventId>e1</EventId>")


@row("a command that is too old", result=309, kind="Refused", source="desk", told="s old")
async def _old(scene: Scene) -> Answer:
    attributes = ' Time="2020-01-01T00:00:00.000Z"'
    return await scene.ask("desk", 201, "<EventId>e1</EventId>", attributes)


FOREIGN: Final = {
    "read": (280, "<EventId>e1</EventId>"),
    "bind to": (281, "<EventId>e1</EventId><CallId>c1</CallId><Action>1</Action>"),
    "bind its call": (281, "<EventId>mine</EventId><CallId>c1</CallId><Action>1</Action>"),
    "update": (282, "<EventId>e1</EventId><Title>x</Title>"),
    "merge": (283, "<EventId>e1</EventId><OtherEventId>mine</OtherEventId><Action>1</Action>"),
    "merge into": (
        283,
        "<EventId>mine</EventId><OtherEventId>e1</OtherEventId><Action>1</Action>",
    ),
    "close": (284, "<EventId>e1</EventId><Action>1</Action>"),
    "hang up": (202, "<CallId>c1</CallId><Scope>2</Scope>"),
    "hang up all": (202, "<EventId>e1</EventId><CallId>c1</CallId><Scope>3</Scope>"),
    "create on its call": (201, "<EventId>mine2</EventId><CallId>c1</CallId>"),
    "ask about": (215, "<CallId>c1</CallId>"),
    "snapshot": (293, "<EventId>e1</EventId>"),
    "record": (208, "<CallId>c1</CallId><Action>1</Action>"),
    "transfer": (205, "<CallId>c1</CallId><ToNum>1</ToNum><Mode>1</Mode>"),
}


def _foreign(type_: int, body: str) -> Act:
    async def act(scene: Scene) -> Answer:
        await scene.an_event()
        return await scene.ask("other", type_, body)

    return act


SAID: Final = {"bind its call": "no operation of yours", "merge into": "is not yours"}
for _what, (_type_, _body) in FOREIGN.items():
    row(
        f"another's event: {_what}",
        result=203,
        kind="Refused",
        source="other",
        told=SAID.get(_what, "belongs to another application"),
    )(_foreign(_type_, _body))


# --- the table, played ---------------------------------------------------------------------------
@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refusals")
    make_test_files(folder / "tls", [], ["pbx", "desk"], CLOCK.utc())
    return folder


@pytest.fixture
async def serve(
    tmp_path: Path, certificates: Path
) -> AsyncIterator[Callable[[Row], Awaitable[Scene]]]:
    async with AsyncExitStack() as stack:

        async def start(one: Row) -> Scene:
            (tmp_path / "tls").symlink_to(certificates / "tls")
            timers = one.timers
            config = CONFIG.format(top=one.top, limits=one.limits, timers=timers)
            if one.kind == "KeepAliveFailure":
                config = config.replace("dead_after_s = 30", "dead_after_s = 1.5")
            path = tmp_path / "linkage.toml"
            path.write_text(config + _peers())
            settings = load_config(path)
            new_store(settings.database_path)
            server = await stack.enter_async_context(linkage.Server(settings))
            return Scene(Site(path, server), tmp_path, stack)

        yield start


def _peers() -> str:
    return "".join(
        f'[[peer]]\nid = "{name}"\nrole = "{role}"\nsecret = "{SECRET}"\n{more}\n'
        for name, (role, more) in PEERS.items()
    )


@pytest.mark.parametrize("one", ROWS, ids=[one.name for one in ROWS])
async def test_each_is_refused_as_specified_and_journalled_and_no_secret_is_told(
    one: Row,
    serve: Callable[[Row], Awaitable[Scene]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = await serve(one)

    answer = await one.act(scene)

    if one.result is None:
        assert answer is None
    else:
        assert answer is not None
        assert answer["Result"] == str(one.result), answer
        assert answer["Detail"], "and says why, in a line"
        assert ("RetryAfter" in answer) is one.retry
        if one.result == Result.BAD_CREDENTIALS:
            assert answer["Detail"] == result_text(201), (
                "the same for all: who guesses learns nothing"
            )
    if one.closed and scene.last is not None:
        await scene.last.ended()
    entry = await scene.site.journalled(one.told)
    assert entry.kind == one.kind, entry
    assert entry.source.partition(":")[0] == one.source, entry
    assert entry.result == (one.result if one.logged is None else one.logged), entry
    _no_secret(scene.site, caplog.text)


def _no_secret(site: Site, log: str) -> None:
    on_disk = b"".join(path.read_bytes() for path in site.server.config.data_path.rglob("*.db*"))
    for secret in (SECRET, WRONG):
        assert secret not in log
        assert secret.encode() not in on_disk


def test_the_table_has_a_row_for_every_kind_of_refusal_that_strangers_meet() -> None:
    assert len({one.name for one in ROWS}) == len(ROWS)
    codes = {one.result if one.result is not None else one.logged for one in ROWS}
    assert codes >= {100, 101, 102, 103, 104, 105, 106, 200, 201, 202, 203, 206, 306, 309}


async def test_an_event_that_is_the_peers_own_is_served(
    serve: Callable[..., Awaitable[Scene]],
) -> None:
    """The same requests that another is refused: so it is the ownership that refuses them."""
    scene = await serve(ROWS[-1])
    await scene.an_event()
    desk = await scene.peer("desk")
    for what in ("read", "update", "ask about", "snapshot", "close"):
        answer = await desk.answer(scene.request(*FOREIGN[what]))
        assert int(answer["Result"]) < 100, (what, answer)


async def test_a_flood_of_strangers_is_three_entries_and_a_sum(
    serve: Callable[[Row], Awaitable[Scene]],
) -> None:
    scene = await serve(ROWS[-1])
    before = len(scene.site.journal())
    for _ in range(5):
        far = await scene.stranger()
        for _ in range(15):
            answer = await far.answer(scene.request(100, INCOMING))
            assert answer["Result"] == "200"
        await far.close()
    assert len(scene.site.journal()) - before <= 12
    await scene.site.server.__aexit__(None, None, None)
    told = [entry.detail or "" for entry in scene.site.journal()]
    assert any("more like it from 127.0.0.1" in detail for detail in told)
