"""Keys of the parts: made once, kept secret, and nobody without one is let in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from benchmarks.process import free_port
from linkage.bus.address import PATH_MAX, endpoint, make_private
from linkage.bus.keys import (
    KeyFileError,
    file_name,
    make_keys,
    part_of,
    read_allowed,
    read_pair,
    read_public,
)
from linkage.bus.sockets import BusError
from tests.fakes.bus import Bus, until
from tests.fakes.said import incoming

PARTS = ["core", "gateway", "adapter:my-pbx"]


def test_a_secret_key_is_its_users_only(tmp_path: Path) -> None:
    assert make_keys(tmp_path / "keys", PARTS) == PARTS

    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()
    }
    assert {mode for name, mode in modes.items() if name.endswith(".key")} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert "adapter-my-pbx.key" in modes


def test_keys_that_are_there_are_left_as_they_are(tmp_path: Path) -> None:
    make_keys(tmp_path, ["core"])
    before = read_pair(tmp_path, "core")

    assert make_keys(tmp_path, PARTS) == ["gateway", "adapter:my-pbx"]
    assert read_pair(tmp_path, "core") == before
    assert before.secret.get_secret_value() not in repr(before)


def test_the_core_knows_every_part_by_its_key(tmp_path: Path) -> None:
    make_keys(tmp_path, PARTS)

    assert read_allowed(tmp_path) == {
        read_pair(tmp_path, part).public: part for part in PARTS if part != "core"
    }


@pytest.mark.parametrize("part", [*PARTS, "gateway:east-1"])
def test_a_part_is_named_by_its_file(part: str) -> None:
    assert part_of(file_name(part)) == part


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_keys(tmp_path, ["gateway"])
    (tmp_path / "gateway.key").chmod(0o640)

    with pytest.raises(KeyFileError, match="chmod 600"):
        read_pair(tmp_path, "gateway")


def test_a_missing_or_damaged_key_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"gateway\.key.*linkage keys"):
        read_pair(tmp_path, "gateway")
    with pytest.raises(KeyFileError, match=r"core\.pub.*linkage keys"):
        read_public(tmp_path, "core")
    with pytest.raises(KeyFileError, match="linkage keys"):
        read_allowed(tmp_path)
    (tmp_path / "core.pub").write_text("short")
    with pytest.raises(KeyFileError, match="is no key"):
        read_public(tmp_path, "core")


# --- where the bus is ----------------------------------------------------------------------------
def test_a_path_that_no_socket_can_have_is_refused_with_the_remedy(tmp_path: Path) -> None:
    data = tmp_path / ("d" * PATH_MAX)

    with pytest.raises(BusError, match="set a shorter one"):
        endpoint("ipc", data)
    with pytest.raises(BusError, match="set a shorter one"):
        endpoint(f"ipc://{data}/core.sock", tmp_path)
    assert endpoint("tcp://127.0.0.1:7710", data) == "tcp://127.0.0.1:7710"


def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    place = endpoint("ipc", data)
    make_private(place)
    make_private(place)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (data, data / "bus")] == [0o700] * 2
    (data / "bus").chmod(0o755)

    with pytest.raises(BusError, match="chmod 700"):
        make_private(place)


# --- over TCP ------------------------------------------------------------------------------------
def secured(folder: Path) -> Bus:
    make_keys(folder / "keys", ["core", "gateway", "gateway:east"])
    return Bus(
        folder,
        place=f"tcp://127.0.0.1:{free_port()}",
        keys=read_pair(folder / "keys", "core"),
        allowed=read_allowed(folder / "keys"),
    )


async def test_a_part_with_its_key_is_let_in_over_tcp(tmp_path: Path) -> None:
    async with secured(tmp_path) as bus:
        folder = tmp_path / "keys"
        keys = (read_pair(folder, "gateway"), read_public(folder, "core"))
        gateway = await bus.connected(keys=keys)
        pbx = await bus.join(gateway, "pbx")

        assert (await bus.say(pbx, incoming())).result == 0


async def test_a_key_that_is_nobodys_is_turned_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with secured(tmp_path) as bus:
        make_keys(tmp_path / "other", ["gateway"])
        keys = (read_pair(tmp_path / "other", "gateway"), read_public(tmp_path / "keys", "core"))
        gateway = bus.part(keys=keys)
        await until(lambda: "a key that is nobody's" in caplog.text)
        await until(lambda: "Stranger" in [row.kind for row in bus.site.journal()])

        assert not gateway.connection.connected


async def test_a_key_is_good_for_its_own_part_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with secured(tmp_path) as bus:
        folder = tmp_path / "keys"
        keys = (read_pair(folder, "gateway:east"), read_public(folder, "core"))
        gateway = bus.part("gateway", keys=keys)
        await until(lambda: "is that of gateway:east" in str(gateway.connection.problem))

        assert not gateway.connection.connected


async def test_another_cores_key_is_not_spoken_to(tmp_path: Path) -> None:
    async with secured(tmp_path) as bus:
        make_keys(tmp_path / "other", ["core"])
        folder = tmp_path / "keys"
        keys = (read_pair(folder, "gateway"), read_public(tmp_path / "other", "core"))
        gateway = bus.part(keys=keys)
        right = await bus.connected(
            keys=(read_pair(folder, "gateway"), read_public(folder, "core"))
        )

        assert right.connection.connected
        assert not gateway.connection.connected
