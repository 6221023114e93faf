"""A file from 285 to the disk of who asked: fetched by curl, over plain HTTP and in parts."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from linkage.cli import cli
from linkage.client import Application, Platform
from linkage.config.file import read_config
from linkage.files.fetches import EACH
from linkage.server.server import Server
from protocol import messages as m
from tests.real.conftest import REQUIRED

SECRET: Final = "a secret of the tests"
CONTENT: Final = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def _peers() -> None:
    """Not Asterisk is needed here, but curl."""
    if shutil.which("curl") is None:
        missing = "curl is missing: apt-get install curl"
        if REQUIRED:
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


def curl(folder: Path, *words: str) -> tuple[int, dict[str, str], bytes]:
    body, head = folder / "body", folder / "head"
    for path in (body, head):
        path.unlink(missing_ok=True)
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-D", str(head), "-o", str(body), "-w",
         "%{http_code}", *words],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = head.read_text().splitlines()[1:]
    pairs = (line.partition(": ") for line in lines if line)
    return (
        int(done.stdout),
        {name.lower(): value for name, _, value in pairs},
        body.read_bytes() if body.exists() else b"",
    )


async def pieces() -> AsyncIterator[bytes]:
    yield CONTENT


async def test_curl_fetches_a_recording_by_its_link_and_the_event_shows_it(
    tmp_path: Path,
) -> None:
    source = tmp_path / "linkage.toml"
    source.write_text(
        'listen = "127.0.0.1:0"\n[files]\nlisten = "127.0.0.1:0"\n'
        + "".join(
            f'[[peer]]\nid = "{name}"\nrole = "{role}"\nsecret = "{SECRET}"\n'
            for name, role in (("desk", "application"), ("pbx", "platform"))
        )
    )
    config = read_config(source)
    work = tmp_path / "client"
    work.mkdir()

    def fetched(*words: str) -> Any:
        return asyncio.to_thread(curl, work, *words)

    async with Server(config) as server:
        host, port = server.addresses[0]
        async with (
            Platform(host, port, "pbx", secret=SECRET) as pbx,
            Application(host, port, "desk", secret=SECRET) as desk,
        ):
            # It is an adapter's from here on: only what these have saved is ours to give.
            server._core.peers.by_id["pbx"].settings = None
            stored = await server.kept_files.save("call.wav", pieces())
            incoming = m.IncomingCallNotice(call_id="C1", direction=m.CallDirection.IN)
            await pbx.notify(incoming)
            await desk.send(m.CreateEvent(call_id="C1", event_id="E1"))
            saved = m.RecordingNoticeAction.SAVED
            await pbx.notify(
                m.RecordingNotice(
                    call_id="C1", record_id='../evil".html', action=saved,
                    file_id=stored.file_id, size=stored.size_bytes, sha256=stored.sha256,
                )
            )  # fmt: skip
            await desk.send(m.GetFile(file_id=stored.file_id, purpose="evidence"))
            url = await link_told(desk)

            whole = await fetched(url)
            part = await fetched("-r", "100-355", url)
            end = await fetched("-r", "-5", url)
            beyond = await fetched("-r", f"{len(CONTENT)}-", url)
            known = await fetched("-H", f'If-None-Match: "{stored.sha256}"', url)
            other = await fetched("-r", "0-9", "-H", 'If-Range: "other"', url)
            head = await fetched("-I", url)
            refused = [
                (await fetched(*words))[0]
                for words in ((url[:-1],), (f"{url}?x=1",), ("-X", "POST", url))
            ]
            for _ in range(10):
                await fetched("-r", "0-0", url)
            stored.path.write_bytes(b"x" * len(CONTENT))
            damaged = await fetched(url)

    assert (whole[0], whole[2]) == (200, CONTENT)
    assert whole[1]["content-type"] == "audio/wav"
    assert whole[1]["x-content-type-options"] == "nosniff"
    assert whole[1]["content-disposition"].startswith('attachment; filename="')
    assert whole[1]["content-disposition"].endswith(".wav")
    assert whole[1]["etag"] == f'"{stored.sha256}"'
    assert (part[0], part[2]) == (206, CONTENT[100:356])
    assert part[1]["content-range"] == f"bytes 100-355/{len(CONTENT)}"
    assert (end[0], end[2]) == (206, CONTENT[-5:])
    assert (beyond[0], beyond[1]["content-range"]) == (416, f"bytes */{len(CONTENT)}")
    assert (known[0], known[2]) == (304, b"")
    assert (other[0], other[2]) == (200, CONTENT)
    assert (head[0], head[1]["content-length"]) == (200, f"{len(CONTENT)}")
    assert refused == [404, 404, 501]
    assert damaged[0] == 500
    assert b"x" * 10 not in damaged[2]

    words = ["event", "show", "E1", "--json", "-c", str(source)]
    shown = await asyncio.to_thread(CliRunner().invoke, cli, words)
    entries = json.loads(shown.output)["entries"]
    told = [entry for entry in entries if entry["kind"] == "FileFetched"]
    assert {entry["source"] for entry in told} == {"desk"}
    assert len(told) == EACH + 1
    assert f"FileId {stored.file_id}" in told[0]["detail"]
    assert " more from 127.0.0.1 within 60 s, last: " in told[-1]["detail"]


async def link_told(desk: Application) -> str:
    while True:
        notice = await desk.next_notice()
        await notice.acknowledge()
        if isinstance(notice.message, m.FileReadyNotice):
            assert notice.message.url is not None
            assert notice.message.url_expire is not None
            return notice.message.url
