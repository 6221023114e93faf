"""How a client comes to its session and keeps it: registration, silence, TLS, listening."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from linkage.client import (
    Application,
    Backoff,
    BusinessScreen,
    ClosedError,
    Monitor,
    Platform,
    RegistrationRefusedError,
    State,
    UnreachableError,
)
from linkage.client.ids import RequestIds, base36
from linkage.clock import ManualClock, SystemClock
from protocol.dialect import LEGACY
from protocol.envelope import Request
from protocol.events import Timers
from protocol.messages import (
    AppRole,
    CallDirection,
    CreateEvent,
    IncomingCallNotice,
    message_class,
)
from protocol.registration import make_registration
from protocol.results import Result
from protocol.roles import Role
from tests.fakes.far_end import SECRET, WITHIN_S, Far, ScriptedLinkage
from tests.unit.linkage.client.conftest import Spawn
from tests.unit.linkage.client.test_applications import SOON, desk, opened

CALL = IncomingCallNotice(call_id="c1", direction=CallDirection.IN)
NONCE = "0123456789abcdef"


async def test_bad_credentials_are_not_tried_again_and_name_the_remedy(
    linkage: ScriptedLinkage, spawn: Spawn[Any]
) -> None:
    opening = spawn(desk(linkage).__aenter__())
    far = await linkage.far()
    await far.register(Result.BAD_CREDENTIALS, detail="bad digest")
    with pytest.raises(RegistrationRefusedError, match="bad digest") as caught:
        await opening
    assert "[[peer]] with id = 'desk'" in caught.value.remedy
    assert caught.value.response.result == Result.BAD_CREDENTIALS


async def test_a_refusal_later_on_ends_the_client(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.drop()
    again = await linkage.far()
    await again.register(Result.FORBIDDEN)
    with pytest.raises(RegistrationRefusedError, match="role = 'application'"):
        await anext(app.notices())
    with pytest.raises(RegistrationRefusedError):
        await app.send(CreateEvent(event_id="1"))
    assert app.state is State.CLOSED
    await app.close()


async def test_an_overloaded_linkage_is_asked_again(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    async with asyncio.TaskGroup() as group:
        group.create_task(app.__aenter__())
        far = await linkage.far()
        await far.register(Result.OVERLOAD)
        again = await linkage.far()
        await again.register()
    assert app.state is State.READY
    await app.close()


async def test_an_unreachable_linkage_is_reported_with_the_reason() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        app = Application(
            "127.0.0.1", port, "desk", secret=SECRET, backoff=SOON, open_timeout_s=0.05
        )
        with pytest.raises(UnreachableError, match=f"no connection to 127.0.0.1:{port}"):
            await app.__aenter__()
    assert app.state is State.CLOSED


async def test_every_address_that_was_tried_is_told_with_its_last_reason(
    linkage: ScriptedLinkage, spawn: Spawn[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with two addresses: one where nobody listens, one that has no time for us."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", linkage.port))
        there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, linkage.port))
                 for host in ("127.0.0.2", "127.0.0.1")]  # fmt: skip

        async def getaddrinfo(*_args: object, **_options: object) -> object:
            return there

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
        app = Application(
            "two.example", linkage.port, "desk", secret=SECRET, backoff=SOON, open_timeout_s=None
        )
        opening = spawn(app.__aenter__())
        far = await linkage.far()
        await far.register(Result.OVERLOAD)
        await linkage.far()  # the next round has begun
        told = str(app._unreachable(1.0))
        await app.close()
        with pytest.raises(ClosedError):
            await opening
    assert f"no connection to 127.0.0.2:{linkage.port}: Connection refused" in told
    assert f"127.0.0.1:{linkage.port}: " in told


async def test_a_name_that_nobody_knows_is_told_so(spawn: Spawn[Any]) -> None:
    app = Application("a" * 64 + ".example", 7700, "desk", secret=SECRET, open_timeout_s=0.2)
    with pytest.raises(UnreachableError, match="host name not found"):
        await app.__aenter__()


async def test_a_client_that_is_registered_nowhere_any_more_gives_up_and_says_so(
    linkage: ScriptedLinkage, spawn: Spawn[Any]
) -> None:
    app = desk(linkage, give_up_after_s=0.1)
    far = await opened(app, linkage)
    pushed = message_class(502)
    assert pushed is not None
    waiting = [
        spawn(app.next_notice()),
        spawn(app.send(CreateEvent(event_id="1"))),
        spawn(app.send(pushed(call_id="c1"))),  # no command: it never expires
    ]
    await far.request()
    far.drop()
    spawn(linkage.far())
    for one in waiting:
        with pytest.raises(UnreachableError, match=r"not registered with linkage in 0.1 s: 127"):
            await one
    with pytest.raises(UnreachableError):
        await app.wait_ready()
    assert app.state is State.CLOSED
    await app.close()


async def test_a_client_that_comes_back_in_time_does_not_give_up(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage, give_up_after_s=WITHIN_S)
    far = await opened(app, linkage)
    for _ in range(3):
        far.drop()
        far = await linkage.registered()
        await app.wait_ready()
        assert app._patience.when() is None
    await app.close()


async def test_a_service_may_try_for_ever(linkage: ScriptedLinkage) -> None:
    app = desk(linkage, give_up_after_s=None)
    far = await opened(app, linkage)
    far.drop()
    for _ in range(5):
        (await linkage.far()).drop()
    await linkage.registered()
    await app.wait_ready()
    await app.close()


async def test_an_application_that_nobody_dials_gives_up_too() -> None:
    async with listening(give_up_after_s=0.1) as app:
        with pytest.raises(UnreachableError, match="nobody registers"):
            await app.next_notice()


async def test_who_waits_for_a_client_that_is_closed_is_told(
    linkage: ScriptedLinkage, spawn: Spawn[Any]
) -> None:
    app = desk(linkage)
    far = await opened(app, linkage)
    far.drop()
    await linkage.far()
    waiting = spawn(app.wait_ready())
    await asyncio.sleep(0)
    await app.close()
    with pytest.raises(ClosedError):
        await waiting


async def test_a_client_that_nobody_opens_does_not_wait_for_ever(
    linkage: ScriptedLinkage,
) -> None:
    app = desk(linkage, open_timeout_s=0.05)
    platform = Platform("127.0.0.1", linkage.port, "p", secret=SECRET, open_timeout_s=0.05)
    for work in (app.next_notice(), app.wait_ready(), platform.notify(CALL)):
        with pytest.raises(ClosedError, match="async with"):
            await work


async def test_each_client_says_that_it_began_anew(linkage: ScriptedLinkage) -> None:
    boots = []
    for _ in range(2):
        app = desk(linkage)
        async with asyncio.TaskGroup() as group:
            group.create_task(app.__aenter__())
            far = await linkage.far()
            first = await far.register()
        far.drop()
        again = await (await linkage.far()).register()
        boots.append([request.message.boot for request in (first, again)])  # type: ignore[attr-defined]  # 290 has it
        await app.close()
    (one, one_again), (other, _) = boots
    assert one == one_again, "it is the same start"
    assert one != other
    assert 1 <= len(one) <= 32


# --- what is misspelt ----------------------------------------------------------------------------
@pytest.mark.parametrize("cls", [Application, Monitor, Platform, BusinessScreen])
def test_an_option_that_does_not_exist_is_refused_with_the_one_that_was_meant(
    cls: Callable[..., object],
) -> None:
    with pytest.raises(TypeError, match=r"'open_timeout': did you mean 'open_timeout_s'\?"):
        cls("127.0.0.1", 7700, "desk", secret=SECRET, open_timeout=5)
    with pytest.raises(TypeError, match=r"'password': there are backoff, clock"):
        cls("127.0.0.1", 7700, "desk", password=SECRET)


def test_so_is_one_that_only_this_role_has() -> None:
    screen: Any = BusinessScreen
    with pytest.raises(TypeError, match=r"'loginid': did you mean 'login_id'\?"):
        screen("127.0.0.1", 7700, "desk", loginid="13")


async def test_so_is_one_of_a_call(linkage: ScriptedLinkage) -> None:
    app: Any = desk(linkage)
    with pytest.raises(TypeError, match=r"'expires_s': did you mean 'expire_s'\?"):
        app.send(CreateEvent(event_id="1"), expires_s=3)
    with pytest.raises(TypeError, match=r"'alowed': did you mean 'allowed'\?"):
        type(app).listen("127.0.0.1", 0, "desk", alowed=[])
    platform: Any = Platform("127.0.0.1", linkage.port, "p", secret=SECRET)
    with pytest.raises(TypeError, match=r"'tme': did you mean 'time'\?"):
        platform.notify(CALL, tme=None)


async def test_a_linkage_that_does_not_answer_the_registration_is_unreachable(
    linkage: ScriptedLinkage,
) -> None:
    with pytest.raises(UnreachableError):
        await desk(linkage, open_timeout_s=0.05).__aenter__()


async def test_a_silent_linkage_is_left_and_dialled_again(linkage: ScriptedLinkage) -> None:
    app = desk(linkage, timers=Timers(heartbeat_s=0.02, dead_after_s=0.1))
    far = await opened(app, linkage)
    again = await linkage.far()
    assert "silent" in app.reason or app.state is State.CONNECTING
    await asyncio.wait_for(far.closed.wait(), WITHIN_S)
    await again.register()
    await app.close()


async def test_a_quiet_client_beats(linkage: ScriptedLinkage) -> None:
    app = desk(linkage, timers=Timers(heartbeat_s=0.01))
    far = await opened(app, linkage)
    far.heard.clear()
    async with asyncio.timeout(WITHIN_S):
        await far.heard.wait()
    assert far.requests.empty()
    await app.close()


async def test_a_monitor_says_that_it_is_one(linkage: ScriptedLinkage) -> None:
    monitor = Monitor("127.0.0.1", linkage.port, "watch", secret=SECRET)
    async with asyncio.TaskGroup() as group:
        group.create_task(monitor.__aenter__())
        registration = await (await linkage.far()).register()
    assert getattr(registration.message, "role", None) is AppRole.MONITOR
    await monitor.close()


async def test_a_legacy_platform_does_not_register(spawn: Spawn[Any]) -> None:
    scripted = ScriptedLinkage(role=Role.PLATFORM, dialect=LEGACY, registered=True)
    async with scripted.listening(), Platform("127.0.0.1", scripted.port, "old") as platform:
        far = await scripted.far()
        telling = spawn(platform.notify(CALL))
        request = await far.request()
        far.answer(request)
        assert (await telling).accepted
        assert request.message == CALL
        assert request.time is None, "the profile's attributes are not for legacy peers"


async def test_whoever_is_told_of_states_may_fail_and_ends_no_session(
    linkage: ScriptedLinkage,
) -> None:
    def fail(state: State, reason: str) -> None:
        raise ZeroDivisionError(reason)

    app = desk(linkage, on_state=fail)
    await opened(app, linkage)
    assert app.state is State.READY
    await app.close()
    with pytest.raises(ClosedError):
        await app.wait_ready()


async def test_a_client_is_opened_once(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    await opened(app, linkage)
    with pytest.raises(ClosedError, match="once"):
        await app.__aenter__()
    await app.close()
    await app.close()


async def test_what_is_sent_before_the_client_is_open_waits(linkage: ScriptedLinkage) -> None:
    app = desk(linkage)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(app.send(CreateEvent(event_id="1")))
        group.create_task(app.__aenter__())
        far = await linkage.registered()
        far.answer(await far.request())
    assert sending.result().accepted
    await app.close()


# --- linkage dials ----------------------------------------------------------------------
async def dial(app: Application, role: Role = Role.APPLICATION, **options: Any) -> Far:
    reader, writer = await asyncio.open_connection(*app.address)
    return Far(reader, writer, role=role, **options)


def introduction(secret: str = SECRET, nonce: str = NONCE) -> Request:
    message = make_registration(Role.PLATFORM, "linkage", secret, SystemClock().utc(), nonce)
    return Request(id="reg", message=message)


def listening(**options: Any) -> Application:
    options.setdefault("secret", SECRET)
    return Application.listen("127.0.0.1", 0, "desk", **options)


async def test_linkage_that_dials_registers_and_is_served(spawn: Spawn[Any]) -> None:
    async with listening() as app:
        assert app.state is State.LISTENING
        far = await dial(app, dialling=True)
        spawn(far.run())
        far.send(introduction())
        assert (await far.response()).result == 0
        await app.wait_ready()
        sending = spawn(app.send(CreateEvent(event_id="1")))
        far.answer(await far.request())
        await sending
        far.notify("a", CALL)
        assert (await anext(app.notices())).message == CALL
        far.drop()
        await asyncio.wait_for(far.closed.wait(), WITHIN_S)


async def test_a_stranger_who_dials_is_refused_and_put_out(spawn: Spawn[Any]) -> None:
    async with listening() as app:
        stranger = await dial(app, dialling=True)
        spawn(stranger.run())
        stranger.send(introduction("not the secret of this desk"))
        assert (await stranger.response()).result == Result.BAD_CREDENTIALS
        await asyncio.wait_for(stranger.closed.wait(), WITHIN_S)
        assert app.state is State.LISTENING


async def test_a_registration_cannot_be_replayed(spawn: Spawn[Any]) -> None:
    async with listening() as app:
        for expected in (Result.OK, Result.BAD_CREDENTIALS):
            far = await dial(app, dialling=True)
            spawn(far.run())
            far.send(introduction(nonce=NONCE))
            assert (await far.response()).result == expected
            far.drop()


async def test_a_newer_connection_of_linkage_takes_over(spawn: Spawn[Any]) -> None:
    async with listening() as app:
        far, newer = await dial(app, dialling=True), await dial(app, dialling=True)
        for number, one in enumerate((far, newer)):
            spawn(one.run())
            one.send(introduction(nonce=f"{NONCE}{number}"))
            assert (await one.response()).result == 0
        await asyncio.wait_for(far.closed.wait(), WITHIN_S)
        newer.notify("a", CALL)
        assert (await anext(app.notices())).message == CALL
        assert app.state is State.READY


async def test_a_legacy_desk_listens_to_the_addresses_it_knows(spawn: Spawn[Any]) -> None:
    async with listening(secret=None, allowed=["127.0.0.1"]) as app:
        far = await dial(app, dialect=LEGACY, registered=True)
        spawn(far.run())
        far.notify("10000", CALL)
        assert (await anext(app.notices())).message == CALL


async def test_an_address_that_is_not_allowed_is_cut_off(spawn: Spawn[Any]) -> None:
    async with listening(secret=None, allowed=["192.0.2.1"]) as app:
        far = await dial(app, dialect=LEGACY, registered=True)
        spawn(far.run())
        await asyncio.wait_for(far.closed.wait(), WITHIN_S)
        assert app.state is State.LISTENING


async def test_a_port_in_use_is_an_error_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        app = Application.listen("127.0.0.1", taken.getsockname()[1], "desk", secret=SECRET)
        with pytest.raises(OSError, match="address already in use"):
            await app.__aenter__()


async def test_the_address_of_a_client_that_does_not_listen_is_an_error() -> None:
    with pytest.raises(ClosedError):
        _ = Application("127.0.0.1", 1, "desk", secret=SECRET).address


async def test_tls_is_passed_through_and_a_plain_linkage_refused(linkage: ScriptedLinkage) -> None:
    context = ssl.create_default_context()
    app = desk(linkage, ssl=context, server_hostname="linkage.example", open_timeout_s=0.2)
    with pytest.raises(UnreachableError, match="no connection"):
        await app.__aenter__()


def test_pauses_double_up_to_the_most_and_keep_half_of_the_lot() -> None:
    backoff = Backoff(first_s=1.0, most_s=8.0)
    assert [backoff.pause(failures, 0.0) for failures in (1, 2, 3, 4, 9)] == [0.5, 1, 2, 4, 4]
    assert backoff.pause(10_000, 1.0) == 8.0


def test_ids_fit_the_patent_and_differ_between_runs() -> None:
    clock = ManualClock()
    first, second = RequestIds(clock.utc()), RequestIds(clock.utc())
    clock.advance(0.001)
    later = RequestIds(clock.utc())
    made = [ids.make() for ids in (first, first, later) for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert {len(item) for item in [*made, second.make()]} == {16}
    assert base36(35 + 36, 3) == "01z"


def test_ids_do_not_come_again_after_two_thousand_million() -> None:
    clock = ManualClock()
    ids = RequestIds(clock.utc())
    first = ids.make()
    ids._next = itertools.count(int(first, 36) + 36**6 - 2)
    made = [ids.make() for _ in range(4)]
    assert first not in made
    assert made == sorted(made)
    assert {len(item) for item in made} == {16}
