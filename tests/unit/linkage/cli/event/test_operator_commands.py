"""Commands that are asked of a serving linkage: peers, peer add and remove, event create …"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result

from linkage.cli.serve import _reload_at_each
from linkage.client import Application, Platform, RegistrationRefusedError
from linkage.config.keyring import Keyring
from linkage.config.load import load_config
from linkage.logs.redaction import SecretsOf
from linkage.server.server import Server
from protocol.messages import CallDirection, IncomingCallNotice
from tests.unit.linkage.cli.conftest import Run

Asked = Callable[..., Awaitable[Result]]
WAIT_S = 60.0


@pytest.fixture
def site(run: Run, tmp_path: Path) -> Path:
    assert run("init", tmp_path, "--listen", "127.0.0.1:0").exit_code == 0
    return tmp_path / "linkage.toml"


@pytest.fixture
async def server(site: Path) -> AsyncIterator[Server]:
    """As `linkage serve` runs it."""
    config = load_config(site)
    async with Server(config) as serving:
        reloading = asyncio.get_running_loop().create_task(
            _reload_at_each(
                asyncio.Event(), serving, partial(load_config, site), SecretsOf(config)
            )
        )
        await asyncio.sleep(0)
        yield serving
        reloading.cancel()
        await asyncio.wait({reloading})


@pytest.fixture
def asked(run: Run, site: Path) -> Asked:
    """Runs a command line while this process serves."""

    async def ask(*words: object) -> Result:
        return await asyncio.to_thread(run, *words, "-c", site)

    return ask


def secret_of(site: Path, peer_id: str) -> str:
    peer = load_config(site).find_peer(peer_id)
    assert peer is not None
    assert peer.secret is not None
    return peer.secret.get_secret_value()


async def test_peers_say_who_is_connected(server: Server, site: Path, asked: Asked) -> None:
    host, port = server.addresses[0]
    async with Application(host, port, "desk", secret=secret_of(site, "desk")):
        rows = {row["id"]: row for row in json.loads((await asked("peers", "--json")).stdout)}
        shown = (await asked("peers")).stdout.splitlines()
        one = (await asked("peer", "show", "desk")).stdout
    assert {name: row["connected"] for name, row in rows.items()} == {
        "desk": True,
        "pbx": False,
        "screen1": False,
    }
    assert rows["desk"]["address"].startswith("127.0.0.1:")
    assert rows["desk"]["since"] is not None
    assert shown[0].split() == ["peer", "here", "since", "waiting", "role"]
    assert [line.split()[:2] for line in shown[1:]] == [
        ["desk", "yes"], ["pbx", "no"], ["screen1", "no"],
    ]  # fmt: skip
    assert "connected     yes" in one


def test_nobody_is_connected_where_none_serves(run: Run, site: Path) -> None:
    result = run("peers", "--json", "-c", site)
    assert result.exit_code == 0
    assert "no linkage serves this data: nobody is connected" in result.stderr
    assert {row["connected"] for row in json.loads(result.stdout)} == {False}


def test_whom_nobody_can_ask_about_is_not_said_to_be_gone(run: Run, site: Path) -> None:
    (site.parent / "data" / "control.sock").mkdir(parents=True)
    (site.parent / "data" / "control.sock").rmdir()
    (site.parent / "data" / "control.sock").write_text("no socket")
    result = run("peers", "--json", "-c", site)
    assert result.exit_code == 0
    assert {row["connected"] for row in json.loads(result.stdout)} == {False}


async def test_events_are_looked_after_from_the_command_line(server: Server, asked: Asked) -> None:
    pbx = load_config(server.config.source).find_peer("pbx")
    assert pbx is not None
    host, port = server.addresses[0]
    async with Platform(host, port, "pbx", secret=secret_of(server.config.source, "pbx")) as line:
        call = IncomingCallNotice(
            call_id="c1", direction=CallDirection.IN, phone_num="139", to_num="110"
        )
        op_id = (await line.notify(call)).op_id
    done = [
        await asked("event", "create", "77", "--title", "化工厂火灾"),
        await asked("event", "create", "78"),
        await asked("event", "bind", "77", op_id),
        await asked("event", "bind", "78", op_id, "--move"),
        await asked("event", "split", "78", "79", op_id),
        await asked("event", "move", "78", op_id),
        await asked("event", "unbind", "78", op_id),
        await asked("event", "merge", "78", "77"),
        await asked("event", "unmerge", "78", "77"),
        await asked("event", "link", "78", "77", "--parent"),
        await asked("event", "unlink", "78", "77"),
        await asked("event", "link", "78", "77"),
        await asked("event", "close", "77", "--summary", "扑灭", "--hang-up"),
        await asked("event", "reopen", "77"),
        await asked("event", "close", "77"),
    ]
    assert [(one.exit_code, one.stderr) for one in done] == [(0, "")] * len(done)
    assert done[0].stdout == "EventId 77 of desk: open\n"
    assert done[-1].stdout == "EventId 77 of desk: closed\n"
    shown = json.loads((await asked("event", "show", "77", "--json")).stdout)
    assert (shown["event"]["status"], shown["event"]["summary"]) == ("closed", "扑灭")
    tied = {(each["kind"], each["valid_to"] is None) for each in shown["links"]}
    assert tied == {("merge", False), ("parent", False), ("related", True)}
    await asked("event", "create", "80")
    await asked("event", "link", "80", "78")
    lines = (await asked("event", "show", "78")).stdout.splitlines()
    shown_ties = {tuple(line.split()) for line in lines if "→" in line and "related" in line}
    assert shown_ties == {("related", "78", "→", "77"), ("related", "80", "→", "78")}
    authors = {entry["source"] for entry in shown["entries"] if entry["type"] in {201, 284}}
    assert len(authors) == 1
    assert authors.pop().startswith("operator:")


async def test_what_linkage_refuses_is_one_line_and_status_1(server: Server, asked: Asked) -> None:
    assert server.addresses
    await asked("event", "create", "77")
    for words, problem in (
        (("create", "77"), "refused: 307"),
        (("create", "78", "--call", "c9"), "refused: 301"),
        (("create", "78", "--owner", "dsek"), "did you mean desk?"),
        (("close", "7"), "no event has the EventId 7; did you mean 77?"),
        (("merge", "77", "99"), "refused: 300"),
        (("unlink", "77", "99"), "refused: 300"),
        (("split", "77", "78", "4711"), "refused: 301"),
        (("move", "77", "4711"), "refused: 301"),
        (("bind", "77", "4711"), "refused: 301"),
    ):
        result = await asked("event", *words)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1), result.output
        assert problem in result.stderr
    long = await asked("event", "create", "x" * 21)
    assert (long.exit_code, "EventId" in long.stderr) == (2, True)


def test_events_are_not_changed_beside_nobody(run: Run, alarm_config: Path) -> None:
    result = run("event", "close", "1213243", "-c", alarm_config)
    assert result.exit_code == 1
    assert f"start it with `linkage serve -c {alarm_config}`" in result.stderr
    shown = json.loads(run("event", "list", "--json", "-c", alarm_config).stdout)
    assert {event["status"] for event in shown} == {"open"}


# --- peer add and remove -------------------------------------------------------------------------
async def test_a_peer_that_is_added_is_let_in_at_once(
    server: Server, site: Path, asked: Asked
) -> None:
    written = site.read_text()  # noqa: ASYNC240 - a small file of a test
    result = await asked("peer", "add", "fire", "--role", "application", "--number", "119")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "peer fire: new, may register from now on" in result.stdout
    assert site.read_text().startswith(written.rstrip("\n"))  # noqa: ASYNC240 - the same
    file = site.parent / "secrets" / "fire"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = Keyring(file).keys()[0].secret.get_secret_value()
    assert secret not in result.output
    host, port = server.addresses[0]
    async with (
        asyncio.timeout(WAIT_S),
        Application(host, port, "fire", secret=secret) as fire,
        Platform(host, port, "pbx", secret=secret_of(site, "pbx")) as pbx,
    ):
        call = IncomingCallNotice(
            call_id="c1", direction=CallDirection.IN, phone_num="139", to_num="119"
        )
        assert (await pbx.notify(call)).accepted
        assert (await fire.next_notice()).message.call_id == "c1"


async def test_a_peer_that_is_removed_is_shut_out_at_once(
    server: Server, site: Path, asked: Asked
) -> None:
    secret = secret_of(site, "screen1")
    result = await asked("peer", "remove", "screen1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "peer screen1: removed, session closed" in result.stdout
    host, port = server.addresses[0]
    from linkage.client import CommunicationScreen

    async with asyncio.timeout(WAIT_S):
        with pytest.raises(RegistrationRefusedError):
            async with CommunicationScreen(host, port, "screen1", secret=secret):
                pass


COMMENTED = """\
# The desk of 110.
listen = ["127.0.0.1:0"]   # this machine alone

[[peer]]    # the desk
id = "desk"
role = "application"
secret = "0123456789abcdef"
numbers = [
    "110",  # police
    "[119]",
]

[peer.dialect]
encoding = "gb18030"

# The telephone system.
[[peer]]
id = "pbx"
role = "platform"
secret = "0123456789abcdef"

[timers]    # as the provider wants it
heartbeat_s = 5
"""


def test_comments_and_other_tables_stay_as_they_are(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text(COMMENTED)
    path.chmod(0o640)
    added = run("peer", "add", "map", "--role", "screen", "--login", "23", "-c", path)
    assert (added.exit_code, "No linkage serves now" in added.stdout) == (0, True)
    assert path.read_text().startswith(COMMENTED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    peer = load_config(path).find_peer("map")
    assert peer is not None
    assert (peer.role.value, peer.logins) == ("communication-screen", ("23",))

    assert run("peer", "remove", "map", "-c", path).exit_code == 0
    assert path.read_text() == COMMENTED
    assert run("peer", "remove", "desk", "-c", path).exit_code == 0
    left = path.read_text()
    assert left.splitlines() == [
        line for number, line in enumerate(COMMENTED.splitlines()) if not 2 <= number <= 13
    ]
    assert "# The telephone system." in left


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("add", "desk", "--role", "monitor"), "already"),
        (("add", "../desk", "--role", "monitor"), "id: "),
        (("add", "x", "--role", "business-screen", "--application", "dsek"), "no application"),
        (("remove", "dsek"), "did you mean desk?"),
        (("show", "dsek"), "did you mean desk?"),
        (("rotate", "dsek"), "did you mean desk?"),
    ],
)
def test_what_cannot_be_changed_leaves_all_as_it_was(
    run: Run, site: Path, words: tuple[str, ...], problem: str
) -> None:
    before = site.read_bytes()
    result = run("peer", *words, "-c", site)
    assert (result.exit_code, problem in result.stderr) == (1, True), result.output
    assert site.read_bytes() == before
    assert not list(site.parent.glob("secrets/*"))


def test_a_peer_that_others_need_is_not_removed(run: Run, site: Path) -> None:
    site.write_text(
        site.read_text()
        + '\n[[peer]]\nid = "wall"\nrole = "business-screen"\nsecret = "0123456789abcdef"\n'
        'application = "desk"\n'
    )
    result = run("peer", "remove", "desk", "-c", site)
    assert result.exit_code == 1
    assert "application 'desk' is no application here" in result.stderr
    assert load_config(site).find_peer("desk") is not None


def test_peers_written_in_a_way_of_their_own_are_left_to_an_editor(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "linkage.toml"
    path.write_text('peer = [{id = "a", role = "monitor", secret = "0123456789abcdef"}]\n')
    for words in (("remove", "a"), ("add", "b", "--role", "monitor")):
        result = run("peer", *words, "-c", path)
        assert (result.exit_code, "change it in an editor" in result.stderr) == (1, True)
    assert not (tmp_path / "secrets" / "b").exists()


def test_a_peer_that_comes_back_keeps_its_secret(run: Run, site: Path) -> None:
    run("peer", "add", "fire", "--role", "application", "-c", site)
    secret = secret_of(site, "fire")
    run("peer", "remove", "fire", "-c", site)
    result = run("peer", "add", "fire", "--role", "application", "-c", site)
    assert "its secret is, as before, that in" in result.stdout
    assert secret_of(site, "fire") == secret


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write what another owns")
def test_what_root_changes_stays_the_users_who_serves(run: Run, site: Path) -> None:
    nobody = 65_534
    os.chown(site, nobody, nobody)
    run("peer", "add", "fire", "--role", "application", "-c", site)
    run("peer", "rotate", "desk", "-c", site)
    folder = site.parent / "secrets"
    for path in (site, folder, folder / "fire", folder / "desk"):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (nobody, nobody), path
        assert found.st_mode & 0o077 == 0
