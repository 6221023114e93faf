"""295: the next secret is on disk before it is answered; the old one counts until it is used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import linkage
from linkage.client import Application, CommandRefusedError, RegistrationRefusedError
from linkage.config import keyring
from linkage.config.keyring import KeyringError
from linkage.config.peers import PeerSettings
from linkage.config.secrets import Secret
from linkage.core.sessions import replaced_secrets
from protocol import messages as m
from protocol.key_rotation import make_rotation
from tests.fakes.core_bench import Bench, config, peer

SECRET = "a-secret-of-the-tests"
SITE = [
    peer("desk", "application", secret=SECRET),
    peer("watch", "monitor", secret=SECRET),
    peer("cs", "communication-screen", secret=SECRET),
]
KEY_ID = "5f1d3b7a9c2e4860"
DAY_S = 86_400.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, SITE)
    yield made
    made.check()
    made.close()


def settings_of(bench: Bench, peer_id: str = "desk") -> PeerSettings:
    """As a process that starts now reads them."""
    found = config(bench.config.source.parent, SITE).find_peer(peer_id)
    assert found is not None
    return found


def valid(bench: Bench, peer_id: str = "desk") -> list[str]:
    found = settings_of(bench, peer_id).valid_secrets(bench.clock.utc())
    return [secret.get_secret_value() for secret in found]


@pytest.mark.parametrize("source", ["desk", "watch", "cs"])
def test_the_next_secret_goes_before_the_old_one_which_still_counts(
    bench: Bench, source: str
) -> None:
    message, following = make_rotation(SECRET, source, KEY_ID)
    asked = message if source != "cs" else m.convert(message, 495)
    assert asked is not None

    assert bench.say(source, asked).result == 0

    assert valid(bench, source) == [following, SECRET]
    path = settings_of(bench, source).secret_path
    assert path is not None
    assert path.stat().st_mode & 0o077 == 0


def test_neither_secret_nor_key_id_is_in_the_journal_and_what_is_there_can_be_read(
    bench: Bench,
) -> None:
    message, following = make_rotation(SECRET, "desk", KEY_ID)
    bench.say("desk", message)
    bench.say("desk", m.RotateKey(key_id=KEY_ID, digest="0" * 64))

    written = bench.config.database_path.read_bytes()
    for text in (KEY_ID, following, SECRET):
        assert text.encode() not in b"".join(row.body for row in bench.journal())
        assert text.encode() not in written
    assert [(row.type, row.result) for row in bench.journal()] == [(295, 0), (295, 201)]


def test_asked_again_for_an_answer_that_was_lost_it_changes_nothing(bench: Bench) -> None:
    message, following = make_rotation(SECRET, "desk", KEY_ID)
    bench.say("desk", message)
    bench.restart()

    assert bench.say("desk", message).result == 2

    assert valid(bench) == [following, SECRET]


def test_who_never_comes_with_the_new_one_may_begin_another(bench: Bench) -> None:
    first, lost = make_rotation(SECRET, "desk", KEY_ID)
    bench.say("desk", first)
    second, following = make_rotation(SECRET, "desk", "another KeyId")

    assert bench.say("desk", second).result == 0

    assert valid(bench) == [following, lost, SECRET]


def test_the_old_one_ends_after_a_day_at_the_latest(bench: Bench) -> None:
    message, following = make_rotation(SECRET, "desk", KEY_ID)
    bench.say("desk", message)
    bench.clock.advance(DAY_S + 1)

    assert valid(bench) == [following]
    assert bench.say("desk", message).result == 201


async def test_the_old_one_ends_with_the_first_use_of_the_new_and_not_with_its_own(
    bench: Bench,
) -> None:
    message, following = make_rotation(SECRET, "desk", KEY_ID)
    bench.say("desk", message)
    desk = bench.peers.by_id["desk"]

    await replaced_secrets.used(desk, Secret(SECRET))
    assert valid(bench) == [following, SECRET]
    await replaced_secrets.used(desk, Secret(following))
    assert valid(bench) == [following]


async def test_the_grace_that_a_person_gave_is_not_cut_short(bench: Bench) -> None:
    desk = bench.peers.by_id["desk"]
    assert desk.settings is not None
    path = desk.settings.secret_path
    assert path is not None
    now = bench.clock.utc()
    given = keyring.rotate(path, "desk", desk.settings.keys(), timedelta(days=1), now)
    message, following = make_rotation(given, "desk", KEY_ID)
    bench.say("desk", message)

    await replaced_secrets.used(desk, Secret(following))

    assert valid(bench) == [following, SECRET]


@pytest.mark.parametrize(
    ("message", "result"),
    [
        (m.RotateKey(key_id="short", digest="0" * 64), 103),
        (m.RotateKey(key_id=KEY_ID, digest="0" * 64), 201),
        (make_rotation("a secret of somebody else", "desk", KEY_ID)[0], 201),
        (make_rotation(SECRET, "other", KEY_ID)[0], 201),
    ],
)
def test_what_does_not_prove_the_secret_changes_nothing(
    bench: Bench, message: m.RotateKey, result: int
) -> None:
    assert bench.say("desk", message).result == result
    assert valid(bench) == [SECRET]


def test_a_place_that_cannot_be_written_is_refused_without_its_path(bench: Bench) -> None:
    path = settings_of(bench).secret_path
    assert path is not None
    path.parent.write_text("no folder")

    refused = bench.say("desk", make_rotation(SECRET, "desk", KEY_ID)[0])

    assert refused.result == 306
    assert str(path.parent) not in str(refused.detail)


async def test_a_file_that_cannot_be_written_when_the_new_one_is_used_lets_the_old_one_live_on(
    bench: Bench,
) -> None:
    message, following = make_rotation(SECRET, "desk", KEY_ID)
    bench.say("desk", message)
    path = settings_of(bench).secret_path
    assert path is not None
    path.with_name(f"{path.name}.new").write_text("another rotation")

    await replaced_secrets.used(bench.peers.by_id["desk"], Secret(following))

    assert valid(bench) == [following, SECRET]


def test_an_end_that_nobody_wrote_so_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "desk"
    path.write_text(f"{'x' * 16} until 2026-11-23T08:00:00+00:00 or never\n")
    path.chmod(0o600)

    with pytest.raises(KeyringError, match="line 1"):
        keyring.Keyring(path).keys()


async def test_an_application_rotates_its_secret_and_the_old_one_lets_nobody_in(
    tmp_path: Path,
) -> None:
    peers = [{"id": "desk", "role": "application", "secret": SECRET}]
    site = config(tmp_path, peers, listen=["127.0.0.1:0"])
    kept: list[str] = []
    async with linkage.Server(site) as server:
        address = server.addresses[0]
        async with Application(*address, "desk", secret=SECRET) as desk:
            await desk.rotate_secret(kept.append)
            async with asyncio.timeout(30), Application(*address, "desk", secret=kept[0]) as newer:
                with pytest.raises(CommandRefusedError) as caught:
                    await newer.send(make_rotation(SECRET, "desk", KEY_ID)[0])
                assert caught.value.response.result == 201
        with pytest.raises(RegistrationRefusedError):
            async with Application(*address, "desk", secret=SECRET):
                pass
