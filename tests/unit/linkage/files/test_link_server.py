"""The HTTP server of files against clients that say nothing, nonsense, or come in crowds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkage.clock import ManualClock
from linkage.files import DirectoryFiles
from linkage.files.link_server import (
    HEAD_WITHIN_S,
    HOST_CLIENTS_MAX,
    LinkServer,
    Sources,
    disposition,
)
from linkage.files.links import FileLinks
from linkage.ports.file_links import FileLink, GrantedFile, LinkDeniedError
from protocol.results import Result


class FakeFetches:
    """A core that grants, denies, or cannot write."""

    def __init__(self) -> None:
        self.denied: LinkDeniedError | None = None
        self.full: OSError | None = None

    def grant(self, _link: FileLink) -> GrantedFile:
        if self.denied is not None:
            raise self.denied
        return GrantedFile("a.txt")

    def fetched(self, _link: FileLink, _host: str, _detail: str) -> None:
        if self.full is not None:
            raise self.full


class Scene:
    """A server with its clients."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.refused: list[str] = []
        self.fetches = FakeFetches()
        self.links = FileLinks(folder / "links.keys", 60, self.clock)
        self.files = DirectoryFiles(folder / "files")
        sources = Sources(self.links, self.files, self.fetches, self._refuse)  # type: ignore[arg-type]
        self.server = LinkServer(("127.0.0.1", 0), sources, None, self.clock)
        self.server.start()

    def _refuse(self, _host: str, _address: str, why: str) -> None:
        self.refused.append(why)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.server.address, timeout=20)

    def ask(self, said: bytes) -> bytes:
        with self.connect() as client:
            client.sendall(said)
            return answer_of(client)

    def get(self, path: str) -> bytes:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def link(self, file_id: str) -> str:
        return self.links.make(
            platform="pbx", file_id=file_id, receiver="desk", owner="desk", asked_seq=1
        ).url


def answer_of(client: socket.socket) -> bytes:
    found = b""
    try:
        while piece := client.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.server.close()


def put(scene: Scene, file_id: str, content: bytes) -> None:
    path = scene.files.root / file_id[:2] / f"{file_id}.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def test_who_says_nothing_or_a_byte_now_and_then_is_cut_off(scene: Scene) -> None:
    with scene.connect() as silent, scene.connect() as slow:
        slow.sendall(b"GET /fi")
        # Served means that the two before are known to the server.
        assert b"404" in scene.get("/")
        scene.clock.advance(HEAD_WITHIN_S)
        assert answer_of(silent) == answer_of(slow) == b""


def test_a_crowd_from_one_address_leaves_room_for_others(scene: Scene) -> None:
    crowd = [scene.connect() for _ in range(HOST_CLIENTS_MAX)]
    with scene.connect() as another:
        assert answer_of(another) == b""
    assert scene.refused == ["too many fetch files"]
    for client in crowd:
        client.close()


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET /\0 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"\x01\x00\x00\x05hello\r\n\r\n",
        b"GET /files/../../etc/passwd HTTP/1.1\r\n\r\n", b"PUT / HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
def test_nonsense_is_answered_with_an_error_or_not_at_all(scene: Scene, said: bytes) -> None:
    with scene.connect() as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        found = answer_of(client)
    assert b" 200 " not in found
    assert b" 404 " in scene.get("/")


def test_a_link_that_was_good_once_says_why_it_opens_nothing(scene: Scene) -> None:
    put(scene, "ab12", b"0123456789")
    url = scene.link("ab12")
    assert scene.get(url).endswith(b"\r\n\r\n0123456789")

    assert scene.get(scene.link("cd34")).startswith(b"HTTP/1.1 410 ")
    scene.fetches.denied = LinkDeniedError(Result.OTHER_TENANT, "of another now")
    assert scene.get(url).startswith(b"HTTP/1.1 403 ")
    scene.clock.advance(60)
    assert scene.get(url).startswith(b"HTTP/1.1 410 ")


def test_what_cannot_be_journalled_does_not_go_out(scene: Scene) -> None:
    put(scene, "ab12", b"evidence")
    scene.fetches.full = OSError("disk full")

    found = scene.get(scene.link("ab12"))

    assert found.startswith(b"HTTP/1.1 503 ")
    assert b"evidence" not in found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (None, "ab12.wav"), ("..", "ab12.wav"), ("../../etc/passwd", "passwd.wav"),
        ("C:\\x\\y.WAV", "y.WAV"), ('a"; x="b\r\nSet-Cookie: c', "a; x=bSet-Cookie_ c.wav"),
        ("录音", "__.wav"),
    ],
)  # fmt: skip
def test_a_name_of_a_platform_stays_a_name(name: str | None, wanted: str) -> None:
    found = disposition(name, "ab12", ".wav")
    assert found.startswith(
        f'attachment; filename="{wanted.replace(";", "_").replace("=", "_")}"; '
    )
    assert "\n" not in found
